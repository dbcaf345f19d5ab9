//! Where the probes of the HTTP server go.

use bpf::config::http_server::event;

use crate::binary::first_call_after;
use crate::probes::facts::Facts;
use crate::probes::plan::LeftOut;
use crate::probes::probe::{Body, Event, Probe, When};

const SERVE: &str = "net/http.(*conn).serve";
const SERVE_DEFER: &str = "net/http.(*conn).serve.func1";
const HANDLER: &str = "net/http.serverHandler.ServeHTTP";
/// match-go: 1.18..: net/http.(*conn).hijacked(c)
const HIJACKED: &str = "net/http.(*conn).hijacked";
/// Go 1.27: every HTTP/2 request of the standard library's server passes here, whoever configured it.
const HTTP2_HANDLER: &str = "net/http.http2Handler.ServeHTTP";
/// A mux finds the handler and the pattern of a request (Go ≥ 1.22).
const FIND_HANDLER: &str = "net/http.(*ServeMux).findHandler";
/// Where a program ends: by itself, and by a signal that it does not handle (`runtime/signal_unix.go`).
const EXITS: [&str; 2] = ["runtime.exit", "runtime.dieFromSignal"];
/// One of these is present where `golang.org/x/net/http2` is linked as a server. With Go 1.27 it may have its own
/// implementation or hand its connections to the standard library, past `serverHandler.ServeHTTP` in both cases.
///
/// match-go: v0.17.0..: golang.org/x/net/http2.(*Server).ServeConn(s, c, opts)
/// match-go: v0.35.0..: golang.org/x/net/http2.(*Server).serveConn(s, c, opts, newf)
/// match-go: v0.17.0..: golang.org/x/net/http2.(*serverConn).runHandler(sc, rw, req, handler)
const XNET_SERVERS: [&str; 3] = [
    "golang.org/x/net/http2.(*Server).ServeConn",
    "golang.org/x/net/http2.(*Server).serveConn",
    "golang.org/x/net/http2.(*serverConn).runHandler",
];

/// All functions named in this file.
pub(super) static FUNCTIONS: &[&str] = &[
    SERVE,
    SERVE_DEFER,
    HANDLER,
    HIJACKED,
    HTTP2_HANDLER,
    FIND_HANDLER,
    EXITS[0],
    EXITS[1],
    "golang.org/x/net/http2.(*Server).ServeConn",
    "golang.org/x/net/http2.(*Server).serveConn",
    "net/http.(*http2serverConn).runHandler",
    "net/http.(*http2serverConn).runHandler.func1",
    "net/http/internal/http2.(*serverConn).runHandler",
    "net/http/internal/http2.(*serverConn).runHandler.func1",
    "golang.org/x/net/http2.(*serverConn).runHandler",
    "golang.org/x/net/http2.(*serverConn).runHandler.func1",
];

/// What `runHandler` gets as its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestType {
    /// `*http.Request`.
    Request,
    /// `*http2.ServerRequest`, of which `http2Handler.ServeHTTP` makes the `*http.Request` (Go 1.27).
    ServerRequest,
}

/// One implementation of HTTP/2.
#[derive(Debug)]
pub(super) struct Http2Server {
    pub(super) package: &'static str,
    /// Before the names of its types.
    pub(super) prefix: &'static str,
    pub(super) request: RequestType,
    run_handler: &'static str,
    run_handler_defer: &'static str,
}

impl Http2Server {
    pub(super) fn is_xnet(&self) -> bool {
        self.package.starts_with("golang.org/")
    }
}

/// All implementations of HTTP/2; a program may have more than one.
pub(super) static HTTP2_SERVERS: &[Http2Server] = &[
    Http2Server {
        package: "net/http",
        prefix: "http2",
        request: RequestType::Request,
        run_handler: "net/http.(*http2serverConn).runHandler",
        run_handler_defer: "net/http.(*http2serverConn).runHandler.func1",
    },
    Http2Server {
        package: "net/http/internal/http2",
        prefix: "",
        request: RequestType::ServerRequest,
        run_handler: "net/http/internal/http2.(*serverConn).runHandler",
        run_handler_defer: "net/http/internal/http2.(*serverConn).runHandler.func1",
    },
    Http2Server {
        package: "golang.org/x/net/http2",
        prefix: "",
        request: RequestType::Request,
        run_handler: "golang.org/x/net/http2.(*serverConn).runHandler",
        run_handler_defer: "golang.org/x/net/http2.(*serverConn).runHandler.func1",
    },
];

/// An event of the server.
const fn event(number: u32, when: When, meaning: &'static str) -> Event {
    Event { meaning, when, body: Body::HttpServer, number }
}

/// The probes of HTTP/1.
pub(super) struct Http1 {
    pub(super) probes: Vec<Probe>,
    /// The start is probed in `serverHandler.ServeHTTP`, through which Go 1.27's HTTP/2 requests pass as well: only
    /// there are both the `*http.Request` and the response writer known.
    pub(super) start_at_handler: bool,
}

/// The probes of HTTP/1: the two calls in `(*conn).serve`, and its deferred closure for panics.
pub(super) fn http1(facts: &Facts<'_>) -> Result<Http1, LeftOut> {
    let serve = facts.function(SERVE)?;
    let (handler, hijacked) = (facts.function(HANDLER)?, facts.function(HIJACKED)?);
    let calls = || facts.binary.calls(serve).map_err(LeftOut::from);
    let mut to_handler = calls()?.filter(|call| call.target == handler.entry);
    let (Some(start), None) = (to_handler.next(), to_handler.next()) else {
        return Err(LeftOut::NotUnderstood(format!("{SERVE} does not call {HANDLER} exactly once")));
    };
    drop(to_handler);
    let Some(end) = first_call_after(calls()?, handler.entry, hijacked.entry) else {
        return Err(LeftOut::NotUnderstood(format!("{SERVE} does not call {HIJACKED} behind {HANDLER}")));
    };
    let has_xnet = XNET_SERVERS.iter().any(|name| facts.functions.has(name));
    let start_at_handler = facts.functions.has(HTTP2_HANDLER) && !has_xnet;
    let is_called = event(event::START_HANDLER, When::Start, "a handler is called");
    let start =
        if start_at_handler { facts.at_entry(HANDLER, is_called)? } else { facts.at_call(SERVE, start.site, is_called)? };
    let end = facts.at_call(SERVE, end.site, event(event::END, When::End, "the handler has returned"))?;
    let panic =
        facts.at_entry(SERVE_DEFER, event(event::UNWIND, When::Connection, "the connection ends, or a handler has panicked"))?;
    Ok(Http1 { probes: vec![start, end, panic], start_at_handler })
}

/// The probes where the program ends.
pub(super) fn exit(facts: &Facts<'_>) -> [Result<Probe, LeftOut>; 2] {
    EXITS.map(|name| facts.at_exit(name, event(event::EXIT, When::Exit, "the program ends")))
}

/// The probe where a mux has found the route of a request.
pub(super) fn route(facts: &Facts<'_>) -> Result<Probe, LeftOut> {
    // Of the results the handler and the pattern, two words each.
    let event = Event { meaning: "a mux has found the route", when: When::Route, body: Body::HttpRoute, number: event::ROUTE };
    facts.at_ends(FIND_HANDLER, 4, event)
}

/// The probes of one implementation of HTTP/2.
pub(super) fn http2(facts: &Facts<'_>, server: &Http2Server, start_at_handler: bool) -> Result<Vec<Probe>, LeftOut> {
    const CALLED: &str = "an HTTP/2 handler is called";
    facts.function(server.run_handler)?;
    let mut probes = Vec::with_capacity(2);
    match server.request {
        RequestType::Request => {
            let number = if server.is_xnet() { event::START_XNET } else { event::START_HTTP2 };
            probes.push(facts.at_entry(server.run_handler, event(number, When::Start, CALLED))?);
        }
        RequestType::ServerRequest if start_at_handler => {}
        RequestType::ServerRequest => {
            let event =
                Event { meaning: CALLED, when: When::Start, body: Body::Http2Request, number: event::START_HTTP2_REQUEST };
            probes.push(facts.at_entry(HTTP2_HANDLER, event)?);
        }
    }
    let ended = event(event::END_HTTP2, When::End, "the HTTP/2 handler has returned or panicked");
    probes.push(facts.at_entry(server.run_handler_defer, ended)?);
    Ok(probes)
}
