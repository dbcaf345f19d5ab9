//! The server of `github.com/valyala/fasthttp`, and so that of fiber: which calls are observed, and which fields are read. Its records are
//! those of any server of HTTP ([`super::net_http_server`]).
//!
//! `(*Server).serveConn` (`serveConnCounted` in newer versions) serves the requests of a connection, one after the other (`server.go`,
//! 1.32 to 1.78). When the header of one has been read, it calls `readLimitBody` or `readBodyStream`, once for each, and behind the handler
//! `writeResponse`, which compilers inline in older versions: then `(*Response).Write` is what is called. Errors are answered by
//! `writeErrorResponse`, which does the same. Where the handler takes over the connection and wants nothing to be answered, a `go` statement
//! comes instead. It recovers from no panic.

use bpf::config::ReadOnlyData as _;
use bpf::config::fasthttp_server::{EMPTY_FASTHTTP_SERVER, FasthttpServerConfig, event};
use bpf::config::http_server::PanicLayout;
use bpf::config::{ABSENT, Offset, Setting, instrumentation};
use bpf::go::header::{STRIDE, VALUE};
use bpf::instrumentations::fasthttp_server::LINE_WORDS;

use super::peer;
use crate::binary::{Call, Function};
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::{How, Instrumentation, Layout, LeftOut, Planned};
use crate::probes::probe::{Body, Event, Probe, When};

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation {
    name: "github.com/valyala/fasthttp/server",
    description: "servers of fasthttp, and of what is built on it (fiber)",
    tested_versions: "1.32 to 1.78",
    functions: &[SERVES[0], SERVES[1], READS[0], READS[1], WRITES[0], WRITES[1], WRITE_ERROR, GO, RELEASE, PANICS],
    types: &[
        CONTEXT,
        REQUEST,
        RESPONSE,
        "github.com/valyala/fasthttp.RequestHeader",
        "github.com/valyala/fasthttp.ResponseHeader",
        EMBEDDED,
        FIELD,
        "runtime.g",
        "runtime._panic",
        peer::TYPES[0],
        peer::TYPES[1],
        peer::TYPES[2],
    ],
    wrappers: &[
        "github.com/gofiber/contrib/otelfiber",
        "github.com/gofiber/contrib/otelfiber/v2",
        "github.com/gofiber/contrib/v3/otel",
    ],
    layer: instrumentation::FASTHTTP_SERVER,
    has_parents: false,
    is_of_sdk: false,
    how: How::Code(plan),
};

/// Serves a connection: the first that the program has.
const SERVES: [&str; 2] =
    ["github.com/valyala/fasthttp.(*Server).serveConnCounted", "github.com/valyala/fasthttp.(*Server).serveConn"];
/// Read the body of a request, at once or as the handler wants it.
const READS: [&str; 2] =
    ["github.com/valyala/fasthttp.(*Request).readLimitBody", "github.com/valyala/fasthttp.(*Request).readBodyStream"];
/// Write a response: the first that is called.
const WRITES: [&str; 2] = ["github.com/valyala/fasthttp.writeResponse", "github.com/valyala/fasthttp.(*Response).Write"];
const WRITE_ERROR: &str = "github.com/valyala/fasthttp.(*Server).writeErrorResponse";
/// Comes when a connection ends that nobody has taken over.
const RELEASE: &str = "github.com/valyala/fasthttp.(*Server).releaseCtx";
/// Makes texts of the values of panics, on the goroutine that has panicked, before they are printed (`runtime/panic.go`, `gopanic`).
const PANICS: &str = "runtime.preprintpanics";
const GO: &str = "runtime.newproc";

const CONTEXT: &str = "github.com/valyala/fasthttp.RequestCtx";
const REQUEST: &str = "github.com/valyala/fasthttp.Request";
const RESPONSE: &str = "github.com/valyala/fasthttp.Response";
/// In newer versions, the headers of requests and responses embed what they share.
const EMBEDDED: &str = "github.com/valyala/fasthttp.header";
const FIELD: &str = "github.com/valyala/fasthttp.argsKV";

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    let serve = SERVES.iter().find(|name| facts.functions.has(name)).unwrap_or(&SERVES[1]);
    let mut missing = Vec::new();
    let mut probes = requests(facts, serve)?;
    for (what, more) in [
        ("requests that are answered with an error before their handler is called", errors(facts)),
        ("connections that a handler takes over without an answer", hijacks(facts, serve)),
        ("requests that are never answered", closed(facts, serve)),
        ("panics", panics(facts)),
    ] {
        match more {
            Ok(probe) => probes.push(probe),
            Err(why) => missing.push(format!("{what}: {why}")),
        }
    }
    let mut fields = FieldReader::new(&facts.layouts);
    let config = layouts(facts, &mut fields)?;
    let layouts = vec![(Layout::FasthttpServer, config.as_bytes().to_vec())];
    Ok(Planned { probes, fields: fields.sources, missing, layouts, ..Planned::default() })
}

/// An event of the server.
const fn event(number: u32, when: When, meaning: &'static str) -> Event {
    Event { meaning, when, body: Body::FasthttpServer, number }
}

/// The probes where requests begin and end.
fn requests(facts: &Facts<'_>, serve: &str) -> Result<Vec<Probe>, LeftOut> {
    let start = event(event::START, When::Start, "the header of a request has been read");
    let mut probes = READS.iter().map(|read| at_only_call(facts, serve, read, start)).collect::<Result<Vec<_>, _>>()?;
    let end = |number: u32| event(number, When::End, "the handler has returned");
    probes.push(at_write(facts, serve, WRITES, [end(event::END), end(event::END_RESPONSE)])?);
    Ok(probes)
}

fn errors(facts: &Facts<'_>) -> Result<Probe, LeftOut> {
    let error = |number: u32| event(number, When::Connection, "an error is answered");
    at_write(facts, WRITE_ERROR, WRITES, [error(event::ERROR), error(event::ERROR_RESPONSE)])
}

fn hijacks(facts: &Facts<'_>, serve: &str) -> Result<Probe, LeftOut> {
    at_only_call(facts, serve, GO, event(event::HIJACKED, When::Connection, "the handler has taken over the connection"))
}

/// The probe where a connection ends: a request that is open then has no answer.
fn closed(facts: &Facts<'_>, serve: &str) -> Result<Probe, LeftOut> {
    at_only_call(facts, serve, RELEASE, event(event::CLOSED, When::Connection, "the connection ends"))
}

/// The probe where it shows that nobody recovers from a panic: it ends the process.
fn panics(facts: &Facts<'_>) -> Result<Probe, LeftOut> {
    facts.at_exit(PANICS, event(event::PANIC, When::Exit, "a panic ends the program"))
}

/// The probe where a function writes a response: that calls the second function, which is called where it is inlined itself. Each has an
/// event.
pub(super) fn at_write(
    facts: &Facts<'_>,
    within: &str,
    [write, inlined]: [&str; 2],
    [context, response]: [Event; 2],
) -> Result<Probe, LeftOut> {
    at_only_call(facts, within, write, context).or_else(|_| at_only_call(facts, within, inlined, response))
}

/// The probe at the only direct call of `callee` within a function.
pub(super) fn at_only_call(facts: &Facts<'_>, within: &str, callee: &str, event: Event) -> Result<Probe, LeftOut> {
    facts.at_call(within, only_call(facts, within, callee)?.site, event)
}

fn only_call(facts: &Facts<'_>, within: &str, callee: &str) -> Result<Call, LeftOut> {
    let (function, Function { entry, .. }) = (facts.function(within)?, facts.function(callee)?);
    let mut calls = facts.binary.calls(function)?.filter(|call| call.target == *entry);
    match (calls.next(), calls.next()) {
        (Some(call), None) => Ok(call),
        _ => Err(LeftOut::NotUnderstood(format!("{within} does not call {callee} exactly once"))),
    }
}

fn layouts(facts: &Facts<'_>, fields: &mut FieldReader<'_>) -> Result<FasthttpServerConfig, LeftOut> {
    list(facts, FIELD)?;
    let [request, response] =
        [REQUEST, RESPONSE].map(|owner| move |fields: &mut FieldReader<'_>, field: &str| in_header(fields, owner, field));
    let config = FasthttpServerConfig {
        peer: peer::layout(facts, fields)?,
        request: fields.required(CONTEXT, "Request")?,
        response: fields.required(CONTEXT, "Response")?,
        connection: fields.required(CONTEXT, "c")?,
        method: request(fields, "method")?,
        target: request(fields, "requestURI")?,
        host: request(fields, "host")?,
        user_agent: request(fields, "userAgent")?,
        fields: request(fields, "h")?,
        content_length: request(fields, "contentLength")?,
        no_http11: request(fields, "noHTTP11")?,
        is_tls: fields.required(REQUEST, "isTLS")?,
        status: response(fields, "statusCode")?,
        body_stream: fields.required(RESPONSE, "bodyStream")?,
        body_raw: fields.required(RESPONSE, "bodyRaw")?,
        body: fields.required(RESPONSE, "body")?,
        panic: panic_layout(fields)?,
        ..EMPTY_FASTHTTP_SERVER
    };
    are_at_once(&config, REQUEST)?;
    Ok(config)
}

/// How a panic is found.
pub(super) fn panic_layout(fields: &mut FieldReader<'_>) -> Result<PanicLayout, LeftOut> {
    Ok(PanicLayout {
        g_panic: fields.required("runtime.g", "_panic")?,
        arg: fields.required("runtime._panic", "arg")?,
        goexit: fields.required("runtime._panic", "goexit")?,
    })
}

/// Refuses layouts of a `request` in which the fields that the probe reads at once lie too far apart.
pub(super) fn are_at_once(config: &FasthttpServerConfig, request: &str) -> Result<(), LeftOut> {
    let line = [&config.method, &config.target, &config.host, &config.user_agent].map(Offset::get);
    let from = line.into_iter().min().unwrap_or_default();
    if line.iter().any(|at| !at.is_multiple_of(8) || (at - from) as usize + 16 > LINE_WORDS * 8) {
        return Err(LeftOut::NotUnderstood(format!("the fields of {request}.Header lie further apart than expected")));
    }
    Ok(())
}

/// A field of the header of a request or a response, from the start of that.
fn in_header(fields: &mut FieldReader<'_>, owner: &str, field: &str) -> Result<Offset, LeftOut> {
    let header = [owner, "Header"].concat();
    let at = fields.required(owner, "Header")?.get();
    let own = fields.optional(&header, field).get();
    let within = if own == ABSENT { fields.nested(&header, "header", EMBEDDED, field).get() } else { own };
    if within == ABSENT {
        return Err(LeftOut::NotUnderstood(format!("the program describes no field {header}.{field}")));
    }
    Ok(Setting::new(at.saturating_add(within)))
}

/// Refuses lists of headers, whose elements are of this type, that are not as the probe reads them.
pub(super) fn list(facts: &Facts<'_>, element: &str) -> Result<(), LeftOut> {
    let field = facts.layouts.get(element);
    let offset = |name: &str| field.and_then(|field| Some(field.field(name)?.offset));
    if field.map(|field| field.size) == Some(STRIDE.into()) && offset("key") == Some(0) && offset("value") == Some(VALUE.into()) {
        return Ok(());
    }
    Err(LeftOut::NotUnderstood(format!("{element} is not as expected")))
}
