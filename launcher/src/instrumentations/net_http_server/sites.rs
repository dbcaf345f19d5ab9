//! Where the probes of the HTTP server go.

use bpf::config::{ROUTE_ENDS, cookie};

use crate::binary::first_call_after;
use crate::probes::plan::{Facts, Global, LeftOut, Site};
use crate::probes::routes::{ROUTE, WITHOUT_ROUTE};

/// The BPF program of all probes but one; the cookie tells it which was hit.
const SERVER: &str = "http_server";

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

/// The probes of HTTP/1.
pub(super) struct Http1 {
    pub(super) sites: Vec<Site>,
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
    let start = if start_at_handler {
        facts.entry_site(HANDLER, "a handler is called", SERVER, cookie::START_HANDLER)?
    } else {
        facts.call_site(SERVE, start.site, "a handler is called", SERVER, cookie::START_HANDLER)?
    };
    let end = facts.call_site(SERVE, end.site, "the handler has returned", SERVER, cookie::END)?;
    let panic = facts.entry_site(SERVE_DEFER, "the connection ends, or a handler has panicked", SERVER, cookie::UNWIND)?;
    Ok(Http1 { sites: vec![start, end, panic], start_at_handler })
}

/// The probes where the program ends.
pub(super) fn exit(facts: &Facts<'_>) -> [Result<Site, LeftOut>; 2] {
    EXITS.map(|name| facts.last_site(name, "the program ends", SERVER, cookie::EXIT))
}

/// The probes where a mux has found the route of a request, and how they are read.
pub(super) fn routes(facts: &Facts<'_>) -> Result<(Vec<Site>, Global), LeftOut> {
    // Of the results the handler and the pattern, two words each.
    let ends = facts.end_sites(FIND_HANDLER, 4, "a mux has found the route", ROUTE, 0)?;
    let table = ends.table::<ROUTE_ENDS>("HTTP_ROUTE_ENDS")?;
    Ok((ends.sites, table))
}

/// The probes of one implementation of HTTP/2.
pub(super) fn http2(facts: &Facts<'_>, server: &Http2Server, start_at_handler: bool) -> Result<Vec<Site>, LeftOut> {
    facts.function(server.run_handler)?;
    let mut sites = Vec::with_capacity(2);
    match server.request {
        RequestType::Request => {
            let cookie = if server.is_xnet() { cookie::START_XNET } else { cookie::START_HTTP2 };
            sites.push(facts.entry_site(server.run_handler, "an HTTP/2 handler is called", SERVER, cookie)?);
        }
        RequestType::ServerRequest if start_at_handler => {}
        RequestType::ServerRequest => {
            let site =
                facts.entry_site(HTTP2_HANDLER, "an HTTP/2 handler is called", WITHOUT_ROUTE, cookie::START_HTTP2_REQUEST)?;
            sites.push(site);
        }
    }
    sites.push(facts.entry_site(
        server.run_handler_defer,
        "the HTTP/2 handler has returned or panicked",
        SERVER,
        cookie::UNWIND,
    )?);
    Ok(sites)
}
