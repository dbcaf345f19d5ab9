//! The server of `github.com/cloudwego/hertz` for HTTP/1: which calls are observed, and which fields are read. Its code was made of that of
//! fasthttp, and so are the bodies of its probes ([`super::fasthttp_server`]).
//!
//! `http1.Server.Serve` serves the requests of a connection, one after the other, whichever transport has it (`pkg/protocol/http1/server.go`,
//! 0.3 to 0.10). When the header of one has been read, it calls `req.ReadLimitBody` or `req.ReadBodyStream`, once for each, and behind the
//! handler `writeResponse`, which compilers inline in older versions: then `resp.Write` is what is called. Errors are answered by
//! `writeErrorResponse`, which does the same. Its deferred closure is called when the connection ends, or a panic unwinds it. The route that
//! was found stands in the `RequestContext`.

use bpf::config::ReadOnlyData as _;
use bpf::config::fasthttp_server::{FasthttpServerConfig, NOT_WRAPPED, WrappedLayout, event};
use bpf::config::http_client::{NO_PEER, PeerLayout};
use bpf::config::{ABSENT, Offset, Setting, instrumentation};
use bpf::records::kind;

use super::{fasthttp_server, peer};
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::{How, Instrumentation, Layout, LeftOut, Planned};
use crate::probes::probe::{Body, Event, Probe, When};

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation {
    name: "github.com/cloudwego/hertz/server",
    description: "servers of hertz, HTTP/1",
    tested_versions: "0.3 to 0.10",
    functions: &[SERVE, READS[0], READS[1], WRITES[0], WRITES[1], WRITE_ERROR, DEFERRED],
    types: &[
        CONTEXT,
        REQUEST,
        RESPONSE,
        "github.com/cloudwego/hertz/pkg/protocol.RequestHeader",
        "github.com/cloudwego/hertz/pkg/protocol.ResponseHeader",
        FIELD,
        STANDARD,
        POLLED,
        "github.com/cloudwego/netpoll.netFD",
        "runtime.g",
        "runtime._panic",
        peer::TYPES[0],
        peer::TYPES[1],
        peer::TYPES[2],
    ],
    wrappers: &["github.com/hertz-contrib/obs-opentelemetry"],
    layer: instrumentation::FASTHTTP_SERVER,
    has_parents: false,
    is_of_sdk: false,
    how: How::Code(plan),
};

/// Serves a connection.
const SERVE: &str = "github.com/cloudwego/hertz/pkg/protocol/http1.Server.Serve";
/// What it defers.
const DEFERRED: &str = "github.com/cloudwego/hertz/pkg/protocol/http1.Server.Serve.func1";
/// Read the body of a request, at once or as the handler wants it.
const READS: [&str; 2] = [
    "github.com/cloudwego/hertz/pkg/protocol/http1/req.ReadLimitBody",
    "github.com/cloudwego/hertz/pkg/protocol/http1/req.ReadBodyStream",
];
/// Write a response: the first that is called.
const WRITES: [&str; 2] =
    ["github.com/cloudwego/hertz/pkg/protocol/http1.writeResponse", "github.com/cloudwego/hertz/pkg/protocol/http1/resp.Write"];
const WRITE_ERROR: &str = "github.com/cloudwego/hertz/pkg/protocol/http1.writeErrorResponse";

const CONTEXT: &str = "github.com/cloudwego/hertz/pkg/app.RequestContext";
const REQUEST: &str = "github.com/cloudwego/hertz/pkg/protocol.Request";
const RESPONSE: &str = "github.com/cloudwego/hertz/pkg/protocol.Response";
const FIELD: &str = "github.com/cloudwego/hertz/pkg/protocol.argsKV";
/// What a connection is to hertz, …
const CONNECTION: &str = "github.com/cloudwego/hertz/pkg/network.Conn";
/// … of Go's own network, and one of netpoll and what holds it.
const STANDARD: &str = "github.com/cloudwego/hertz/pkg/network/standard.Conn";
const POLLED: &str = "github.com/cloudwego/netpoll.connection";
const HELD_BY: &str = "*github.com/cloudwego/hertz/pkg/network/netpoll.Conn";

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    let mut missing = Vec::new();
    let mut probes = requests(facts)?;
    for (what, more) in [
        ("requests that are answered with an error before their handler is called", errors(facts)),
        ("panics, and requests that are never answered", ends(facts)),
    ] {
        match more {
            Ok(probe) => probes.push(probe),
            Err(why) => missing.push(format!("{what}: {why}")),
        }
    }
    let mut fields = FieldReader::new(&facts.layouts);
    let config = layouts(facts, &mut fields)?;
    let layouts = vec![(Layout::HertzServer, config.as_bytes().to_vec())];
    Ok(Planned { probes, fields: fields.sources, missing, layouts, ..Planned::default() })
}

/// An event of the server.
const fn event(number: u32, when: When, meaning: &'static str) -> Event {
    Event { meaning, when, body: Body::HertzServer, number }
}

/// The probes where requests begin and end.
fn requests(facts: &Facts<'_>) -> Result<Vec<Probe>, LeftOut> {
    let start = event(event::START, When::Start, "the header of a request has been read");
    let at_read = |read: &&str| fasthttp_server::at_only_call(facts, SERVE, read, start);
    let mut probes = READS.iter().map(at_read).collect::<Result<Vec<_>, _>>()?;
    let end = |number: u32| event(number, When::End, "the handler has returned");
    probes.push(fasthttp_server::at_write(facts, SERVE, WRITES, [end(event::END), end(event::END_RESPONSE)])?);
    Ok(probes)
}

fn errors(facts: &Facts<'_>) -> Result<Probe, LeftOut> {
    let error = |number: u32| event(number, When::Connection, "an error is answered");
    fasthttp_server::at_write(facts, WRITE_ERROR, WRITES, [error(event::ERROR), error(event::ERROR_RESPONSE)])
}

/// The probe where a connection ends, or a handler has panicked: a request that is open then has no answer.
fn ends(facts: &Facts<'_>) -> Result<Probe, LeftOut> {
    facts.at_entry(DEFERRED, event(event::CLOSED, When::Connection, "the connection ends, or a handler has panicked"))
}

fn layouts(facts: &Facts<'_>, fields: &mut FieldReader<'_>) -> Result<FasthttpServerConfig, LeftOut> {
    fasthttp_server::list(facts, FIELD)?;
    let (peer, wrapped) = peers(facts, fields)?;
    let request = |fields: &mut FieldReader<'_>, field: &str| required_in_header(fields, REQUEST, field);
    // In older versions, the protocol is there too.
    let no_http11 = in_header(fields, REQUEST, "noHTTP11");
    let config = FasthttpServerConfig {
        peer,
        wrapped,
        request: fields.required(CONTEXT, "Request")?,
        response: fields.required(CONTEXT, "Response")?,
        connection: fields.required(CONTEXT, "conn")?,
        method: request(fields, "method")?,
        target: request(fields, "requestURI")?,
        host: request(fields, "host")?,
        user_agent: request(fields, "userAgent")?,
        fields: request(fields, "h")?,
        content_length: request(fields, "contentLength")?,
        no_http11,
        protocol: if no_http11.get() == ABSENT { request(fields, "protocol")? } else { Setting::new(ABSENT) },
        is_tls: fields.required(REQUEST, "isTLS")?,
        status: required_in_header(fields, RESPONSE, "statusCode")?,
        body_stream: fields.required(RESPONSE, "bodyStream")?,
        body_raw: fields.required(RESPONSE, "bodyRaw")?,
        body: fields.required(RESPONSE, "body")?,
        body_writer: fields.optional(RESPONSE, "hijackWriter"),
        route: fields.required(CONTEXT, "fullPath")?,
        start: Setting::new(kind::HERTZ_SERVER_START),
        panic: fasthttp_server::panic_layout(fields)?,
    };
    fasthttp_server::are_at_once(&config, REQUEST)?;
    Ok(config)
}

/// How to find the other end of a connection, and what is around one; nothing where that is not as expected.
fn peers(facts: &Facts<'_>, fields: &mut FieldReader<'_>) -> Result<(PeerLayout, WrappedLayout), LeftOut> {
    let netpoll = facts.binary.itab(HELD_BY, CONNECTION)?.map_or(0, |itab| itab.0);
    let wrapped = WrappedLayout {
        netpoll: Setting::new(netpoll),
        remote: fields.nested(POLLED, "netFD", "github.com/cloudwego/netpoll.netFD", "remoteAddr"),
        inner: fields.optional(STANDARD, "c"),
    };
    if wrapped.inner.get() == ABSENT || netpoll != 0 && wrapped.remote.get() == ABSENT {
        return Ok((NO_PEER, NOT_WRAPPED));
    }
    Ok((peer::layout(facts, fields)?, wrapped))
}

/// A field of the header of a request or a response, from the start of that; [`ABSENT`] where there is none.
fn in_header(fields: &mut FieldReader<'_>, owner: &str, field: &str) -> Offset {
    fields.nested(owner, "Header", &[owner, "Header"].concat(), field)
}

fn required_in_header(fields: &mut FieldReader<'_>, owner: &str, field: &str) -> Result<Offset, LeftOut> {
    let found = in_header(fields, owner, field);
    if found.get() == ABSENT {
        return Err(LeftOut::NotUnderstood(format!("the program describes no field {owner}.Header.{field}")));
    }
    Ok(found)
}
