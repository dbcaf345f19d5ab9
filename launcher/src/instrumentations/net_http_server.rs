//! The server of `net/http`: which functions are probed, which fields are read, and what becomes of a request.
//!
//! HTTP/1: `(*conn).serve` calls `serverHandler.ServeHTTP`, then `(*conn).hijacked`, once per request; both calls are
//! probed. HTTP/2: `(*serverConn).runHandler` runs once per request, and its first deferred closure exactly once at
//! its end, also on a panic. The facts were read in `net/http/server.go` and `h2_bundle.go` (Go ≤ 1.26) or
//! `net/http/http2.go` and `net/http/internal/http2/server.go` (Go 1.27).

mod forwarded;
mod sites;
mod span;

pub use span::{finish, finish_panic, interrupt, start};

use bpf::config::http_server::{
    EMPTY_HTTP_SERVER, Http2WriterLayout, HttpServerConfig, PanicLayout, RequestLayout, ResponseLayout, UrlLayout,
};
use bpf::config::{ABSENT, Offset, ReadOnlyData as _, instrumentation};
use bpf::instrumentations::net_http_server::{REQUEST_WORDS, RESPONSE_WORDS, URL_WORDS};

use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::{How, Instrumentation, Layout, LeftOut, Planned};
use crate::probes::probe::Probe;

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation {
    name: "net/http/server",
    description: "HTTP/1 and HTTP/2 servers of net/http and golang.org/x/net/http2",
    tested_versions: "Go 1.21 to 1.27; golang.org/x/net as these allow",
    functions: sites::FUNCTIONS,
    types: &[
        "net/http.Request",
        "net/http.pattern",
        "net/http.response",
        "net/http.conn",
        "net/http.chunkWriter",
        "net/http.Header",
        "net/http.http2responseWriter",
        "net/http.http2responseWriterState",
        "net/http/internal/http2.responseWriter",
        "net/http/internal/http2.responseWriterState",
        "net/http/internal/http2.ServerRequest",
        "golang.org/x/net/http2.responseWriter",
        "golang.org/x/net/http2.responseWriterState",
        "net/url.URL",
        "runtime.g",
        "runtime._panic",
    ],
    wrappers: &[
        "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
        "go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin",
        "go.opentelemetry.io/contrib/instrumentation/github.com/labstack/echo/otelecho",
        "go.opentelemetry.io/contrib/instrumentation/github.com/gorilla/mux/otelmux",
        "go.opentelemetry.io/contrib/instrumentation/github.com/emicklei/go-restful/otelrestful",
        "go.opentelemetry.io/contrib/instrumentation/github.com/astaxie/beego/otelbeego",
        "go.opentelemetry.io/contrib/instrumentation/gopkg.in/macaron.v1/otelmacaron",
        "go.opentelemetry.io/contrib/instrumentation/github.com/go-chi/chi/otelchi",
        "github.com/riandyrn/otelchi",
    ],
    layer: instrumentation::HTTP_SERVER,
    has_parents: false,
    is_of_sdk: false,
    how: How::Code(plan),
};

const REQUEST: &str = "net/http.Request";
const SERVER_REQUEST: &str = "net/http/internal/http2.ServerRequest";

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    let http1 = sites::http1(facts)?;
    let mut fields = FieldReader::new(&facts.layouts);
    let mut missing = Vec::new();
    let mut config = HttpServerConfig {
        request: request(&mut fields, REQUEST)?,
        url: UrlLayout { path: fields.required("net/url.URL", "Path")?, raw_query: fields.required("net/url.URL", "RawQuery")? },
        pattern_str: fields.optional("net/http.pattern", "str"),
        response: ResponseLayout {
            conn: fields.required("net/http.response", "conn")?,
            status: fields.required("net/http.response", "status")?,
            written: fields.required("net/http.response", "written")?,
            hijacked: fields.required("net/http.conn", "hijackedv")?,
            sent: fields.nested("net/http.response", "cw", "net/http.chunkWriter", "wroteHeader"),
        },
        panic: PanicLayout {
            g_panic: fields.required("runtime.g", "_panic")?,
            arg: fields.required("runtime._panic", "arg")?,
            goexit: fields.required("runtime._panic", "goexit")?,
        },
        header_map: fields.string_map("net/http.Header")?,
        ..EMPTY_HTTP_SERVER
    };
    config.http2_request = config.request;
    neighbours("net/url.URL.Path and RawQuery", config.url.path, config.url.raw_query, 2, URL_WORDS)?;
    neighbours("net/http.response.status and written", config.response.status, config.response.written, 1, RESPONSE_WORDS)?;
    if config.request.pattern.get() == ABSENT && config.request.pat.get() == ABSENT {
        missing.push("http.route: this program's ServeMux does not note the pattern in the request (Go ≥ 1.22 does)".to_owned());
    }

    let mut probes = http1.probes;
    for last in sites::exit(facts) {
        match last {
            Ok(probe) => probes.push(probe),
            Err(why) => missing.push(format!("what is known of requests that are open when the program ends: {why}")),
        }
    }
    for server in sites::HTTP2_SERVERS {
        match http2(facts, server, http1.start_at_handler, &mut fields, &mut config) {
            Ok(more) => probes.extend(more),
            Err(LeftOut::NotUsed(_) | LeftOut::SwitchedOff | LeftOut::BySdk(_)) => {}
            Err(LeftOut::NotUnderstood(why)) => missing.push(format!("HTTP/2 of {}: {why}", server.package)),
        }
    }
    match sites::route(facts) {
        Ok(probe) => probes.push(probe),
        Err(LeftOut::NotUsed(_) | LeftOut::SwitchedOff | LeftOut::BySdk(_)) => {}
        Err(LeftOut::NotUnderstood(why)) => missing.push(format!("http.route where a middleware replaces the request: {why}")),
    }
    let layouts = vec![(Layout::HttpServer, config.as_bytes().to_vec())];
    Ok(Planned { probes, fields: fields.sources, missing, layouts, ..Planned::default() })
}

/// Refuses two fields of `size` words each that the probe reads at once, as `words` words, where they lie further apart.
fn neighbours(what: &str, one: Offset, other: Offset, size: usize, words: usize) -> Result<(), LeftOut> {
    let distance = one.get().abs_diff(other.get());
    if distance as usize + size * 8 > words * 8 || !distance.is_multiple_of(8) {
        return Err(LeftOut::NotUnderstood(format!("{what} lie {distance} bytes apart, further than expected")));
    }
    Ok(())
}

/// The layout of a request type; every field that the probe reads at once must lie in what it reads.
fn request(fields: &mut FieldReader<'_>, type_name: &str) -> Result<RequestLayout, LeftOut> {
    let mut read_at_once = |field: &str| {
        let offset = fields.required(type_name, field)?;
        // The longest field is a string of two words.
        if offset.get() as usize + 16 > REQUEST_WORDS * 8 || !offset.get().is_multiple_of(8) {
            return Err(LeftOut::NotUnderstood(format!("{type_name}.{field} lies at {}, further than expected", offset.get())));
        }
        Ok(offset)
    };
    Ok(RequestLayout {
        method: read_at_once("Method")?,
        url: read_at_once("URL")?,
        proto_major: read_at_once("ProtoMajor")?,
        proto_minor: read_at_once("ProtoMinor")?,
        header: read_at_once("Header")?,
        content_length: read_at_once("ContentLength")?,
        host: read_at_once("Host")?,
        remote_addr: read_at_once("RemoteAddr")?,
        tls: read_at_once("TLS")?,
        context: fields.required(type_name, if type_name == REQUEST { "ctx" } else { "Context" })?,
        pattern: fields.optional(type_name, "Pattern"),
        pat: fields.optional(type_name, "pat"),
    })
}

/// Probes and layouts of one HTTP/2 server implementation.
fn http2(
    facts: &Facts<'_>,
    server: &sites::Http2Server,
    start_at_handler: bool,
    fields: &mut FieldReader<'_>,
    config: &mut HttpServerConfig,
) -> Result<Vec<Probe>, LeftOut> {
    let probes = sites::http2(facts, server, start_at_handler)?;
    let writer = format!("{}.{}responseWriter", server.package, server.prefix);
    let layout = Http2WriterLayout {
        rws: fields.required(&writer, "rws")?,
        status: fields.required(&format!("{writer}State"), "status")?,
        wrote_bytes: fields.required(&format!("{writer}State"), "wroteBytes")?,
        sent: fields.optional(&format!("{writer}State"), "sentHeader"),
    };
    neighbours(&format!("{writer}State.status and wroteBytes"), layout.status, layout.wrote_bytes, 1, RESPONSE_WORDS)?;
    if server.is_xnet() {
        config.xnet_writer = layout;
    } else {
        config.http2_writer = layout;
    }
    if server.request == sites::RequestType::ServerRequest && !start_at_handler {
        config.http2_request = request(fields, SERVER_REQUEST)?;
    }
    Ok(probes)
}
