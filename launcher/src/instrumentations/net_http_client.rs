//! The client of `net/http`: a CLIENT span for each round trip of a `Transport`, and its context injected into the request.
//!
//! `(*Transport).roundTrip` runs once per round trip, HTTP/1 and HTTP/2, retries on stale connections included; a redirect
//! is another round trip (`net/http/transport.go`). So does `RoundTripOpt` of a transport of `golang.org/x/net/http2`; where
//! the former calls the latter, the probes see that.

mod http1;
mod http2;
mod span;

pub use span::{add_peer, finish, start};

use bpf::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig, PeerLayout, event};
use bpf::config::{ABSENT, ReadOnlyData as _, Setting, instrumentation};

use bpf::instrumentations::net_http_client::{REQUEST_WORDS, RESPONSE_WORDS, URL_WORDS};

use super::peer;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::{How, Instrumentation, Layout, LeftOut, Planned, PlannedDetour};
use crate::probes::probe::{Body, Event, Probe, When};

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation {
    name: "net/http/client",
    description: "HTTP/1 and HTTP/2 clients of net/http and golang.org/x/net/http2",
    tested_versions: "Go 1.21 to 1.27; golang.org/x/net as these allow",
    functions: FUNCTIONS,
    types: &[
        "net/http.Request",
        "net/http.Response",
        "net/http.Header",
        "net/url.URL",
        "net/http/internal/http2.ClientRequest",
        "net/http.http2clientStream",
        "net/http.http2ClientConn",
        "net/http/internal/http2.clientStream",
        "net/http/internal/http2.ClientConn",
        "golang.org/x/net/http2.clientStream",
        "golang.org/x/net/http2.ClientConn",
        http2::CLIENTS[0].encoder,
        http2::CLIENTS[2].encoder,
        "bufio.Writer",
        "net/http.persistConn",
        "net/http.Transport",
        "net.netFD",
        "net.TCPAddr",
        "crypto/tls.Conn",
        "runtime.g",
        "runtime.stack",
    ],
    wrappers: &["go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "github.com/traefik/traefik"],
    layer: instrumentation::HTTP_CLIENT,
    has_parents: true,
    is_of_sdk: false,
    how: How::Code(plan),
};

/// An event of the client.
const fn event(number: u32, when: When, meaning: &'static str) -> Event {
    Event { meaning, when, body: Body::HttpClient, number }
}

const ROUND_TRIP: &str = "net/http.(*Transport).roundTrip";
/// The same of a transport of `golang.org/x/net/http2` that is used by itself: the first that the program has, and that is not
/// inlined. Since x/net 0.54 `RoundTripOpt` only calls `roundTripOpt`, which only calls `roundTripViaPool` or, with Go 1.27, the
/// standard library's transport.
///
/// match-go: v0.54.0..: golang.org/x/net/http2.(*Transport).roundTripOpt(t, req, opt)
/// match-go: v0.54.0..: golang.org/x/net/http2.(*Transport).roundTripViaPool(t, req, opt, pool)
/// match-go: v0.17.0..: golang.org/x/net/http2.(*Transport).RoundTripOpt(t, req, opt)
const XNET_ROUND_TRIPS: [&str; 3] = [
    "golang.org/x/net/http2.(*Transport).roundTripOpt",
    "golang.org/x/net/http2.(*Transport).roundTripViaPool",
    "golang.org/x/net/http2.(*Transport).RoundTripOpt",
];

/// The first function literal of `DumpRequestOut`, its transport's `Dial` (`net/http/httputil/dump.go`).
///
/// match-go: 1.21..: net/http/httputil.DumpRequestOut(req, body)
const DUMP_DIAL: &str = "net/http/httputil.DumpRequestOut.func1";

/// Hands on the headers of the request that it serves.
///
/// match-go: 1.18..: net/http/httputil.(*ReverseProxy).ServeHTTP(p, rw, req)
const REVERSE_PROXY: &str = "net/http/httputil.(*ReverseProxy).ServeHTTP";
/// What only an engine that stores can do ([`http1`]).
const COPIES: &str =
    "a trace context that a proxy copies into a request by HTTP/1 is sent as it came; the native engine replaces it";

const FUNCTIONS: &[&str] = &[
    ROUND_TRIP,
    DUMP_DIAL,
    REVERSE_PROXY,
    XNET_ROUND_TRIPS[0],
    XNET_ROUND_TRIPS[1],
    XNET_ROUND_TRIPS[2],
    http1::WRITE,
    http1::WRITE_HEADER,
    http1::WRITE_LINE,
    http1::END_HEADER,
    http2::CLIENTS[0].encode,
    http2::CLIENTS[0].encoders[0],
    http2::CLIENTS[0].encoders[1],
    http2::CLIENTS[0].encoders[2],
    http2::CLIENTS[0].write,
    http2::CLIENTS[1].encode,
    http2::CLIENTS[1].encoders[0],
    http2::CLIENTS[1].encoders[1],
    http2::CLIENTS[1].write,
    http2::CLIENTS[2].encode,
    http2::CLIENTS[2].encoders[0],
    http2::CLIENTS[2].encoders[1],
    http2::CLIENTS[2].encoders[2],
    http2::CLIENTS[2].write,
    http2::CLIENTS[0].write_field,
    http2::CLIENTS[2].write_field,
    http2::BUFFER_WRITE,
];

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    let (mut probes, without) = round_trips(facts)?;
    let mut fields = FieldReader::new(&facts.layouts);
    let (request, url, response) = ("net/http.Request", "net/url.URL", "net/http.Response");
    let mut config = HttpClientConfig {
        method: fields.within(request, "Method", 2, REQUEST_WORDS)?,
        url: fields.within(request, "URL", 1, REQUEST_WORDS)?,
        header: fields.within(request, "Header", 1, REQUEST_WORDS)?,
        context: fields.required(request, "ctx")?,
        content_length: fields.within(request, "ContentLength", 1, REQUEST_WORDS)?,
        body: fields.within(request, "Body", 2, REQUEST_WORDS)?,
        sent_host: fields.within(request, "Host", 2, REQUEST_WORDS)?,
        redirect: fields.within(request, "Response", 1, REQUEST_WORDS)?,
        redirected: fields.required(response, "Request")?,
        scheme: fields.within(url, "Scheme", 2, URL_WORDS)?,
        user: fields.within(url, "User", 1, URL_WORDS)?,
        host: fields.within(url, "Host", 2, URL_WORDS)?,
        path: fields.within(url, "Path", 2, URL_WORDS)?,
        raw_query: fields.within(url, "RawQuery", 2, URL_WORDS)?,
        status_code: fields.within(response, "StatusCode", 1, RESPONSE_WORDS)?,
        proto_major: fields.within(response, "ProtoMajor", 1, RESPONSE_WORDS)?,
        proto_minor: fields.within(response, "ProtoMinor", 1, RESPONSE_WORDS)?,
        response_length: fields.within(response, "ContentLength", 1, RESPONSE_WORDS)?,
        header_map: fields.string_map("net/http.Header")?,
        ..EMPTY_HTTP_CLIENT
    };
    if let Ok(function) = facts.function(DUMP_DIAL) {
        config.dial = fields.optional("net/http.Transport", "Dial");
        let is_known = config.dial.get() != ABSENT && facts.load_bias.is_some();
        config.dump_dial = Setting::new(if is_known { function.entry.0 } else { 0 });
    }
    // From there on the depth of a stack is counted.
    let stack_high = fields.stack_high()?;
    let (mut missing, mut detours) = (Vec::from_iter(without), Vec::new());
    if let Some(why) = facts.not_written {
        missing.push(format!("the trace context is not injected ({why})"));
        missing.push(
            "no network.peer.address, network.peer.port and http.request.resend_count: noted where headers are written"
                .to_owned(),
        );
    } else {
        let mut take = |version: &str, planned: Result<Writing, LeftOut>| match planned {
            Ok(writing) => {
                probes.extend(writing.probes);
                // Both HTTP/2 clients write to buffers of the same kind.
                detours.extend(writing.detours.into_iter().filter(|detour| !detours.contains(detour)).collect::<Vec<_>>());
            }
            Err(LeftOut::NotUsed(_) | LeftOut::SwitchedOff) => {}
            Err(why) => missing.push(format!("the trace context is not injected into requests by {version}: {why}")),
        };
        take("HTTP/1", http1::plan(facts, &mut fields, stack_high, &mut config));
        for client in &http2::CLIENTS {
            take("HTTP/2", http2::plan(facts, client, &mut fields, stack_high, &mut config));
        }
        if facts.functions.has(REVERSE_PROXY) && !facts.placement.stores() {
            missing.push(COPIES.to_owned());
        }
    }
    config.peer =
        PeerLayout { persist_conn: fields.optional("net/http.persistConn", "conn"), ..peer::layout(facts, &mut fields)? };
    let layouts = vec![(Layout::HttpClient, config.as_bytes().to_vec())];
    Ok(Planned { probes, fields: fields.sources, missing, layouts, detours, ..Planned::default() })
}

/// What makes the program write the context into its requests.
#[derive(Debug, Default)]
struct Writing {
    probes: Vec<Probe>,
    detours: Vec<PlannedDetour>,
}

/// The probes where round trips begin and end; and what of it is missing.
fn round_trips(facts: &Facts<'_>) -> Result<(Vec<Probe>, Option<String>), LeftOut> {
    let mut probes = Vec::new();
    let mut take = |function: &str| {
        let start = facts.at_entry(function, event(event::START, When::Start, "a round trip begins"))?;
        probes.extend([start, facts.at_ends(function, 3, event(event::END, When::End, "a round trip ends"))?]);
        Ok(())
    };
    let std = take(ROUND_TRIP);
    let mut xnet = Err(LeftOut::NotUsed(XNET_ROUND_TRIPS[0].to_owned()));
    for function in XNET_ROUND_TRIPS {
        match take(function) {
            Ok(()) => {
                xnet = Ok(());
                break;
            }
            Err(LeftOut::NotUsed(_)) => {}
            Err(why) => xnet = Err(why),
        }
    }
    let missing = match (std, xnet) {
        (Ok(()), Ok(()) | Err(LeftOut::NotUsed(_))) | (Err(LeftOut::NotUsed(_)), Ok(())) => None,
        (Ok(()), Err(why)) => Some(format!("requests by a transport of golang.org/x/net/http2 itself: {why}")),
        (Err(why), Ok(())) => Some(format!("requests by a transport of net/http: {why}")),
        (Err(why @ LeftOut::NotUsed(_)), Err(LeftOut::NotUsed(_)))
        | (Err(LeftOut::NotUsed(_)), Err(why))
        | (Err(why), Err(_)) => {
            return Err(why);
        }
    };
    Ok((probes, missing))
}
