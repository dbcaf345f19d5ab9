//! The server of `net/http`: HTTP/1 and HTTP/2, two hits per request, and a third where only the mux knows the route.
//!
//! match-go: 1.18..: net/http.(*conn).serve(c, ctx)
//! match-go: 1.18..: net/http.serverHandler.ServeHTTP(sh, rw, req)
//! match-go: 1.18..1.26: net/http.(*http2serverConn).runHandler(sc, rw, req, handler)
//! match-go: 1.27..: net/http.http2Handler.ServeHTTP(h, w, req)
//! match-go: 1.27..: net/http/internal/http2.(*serverConn).runHandler(sc, rw, req, handler)
//! match-go: 1.22..: net/http.(*ServeMux).findHandler(mux, r)
//! match-go: 1.18..: runtime.exit(code)
//! match-go: 1.18..: runtime.dieFromSignal(sig)

mod exit;
mod request;
mod response;
mod route;

pub use request::{REQUEST_WORDS, URL_WORDS, start, start_http2_request};
pub use response::{RESPONSE_WORDS, end};
pub use route::route;

use crate::config::http_server::{HttpServerConfig, event};
use crate::missed::Done;
use crate::target::Target;
use crate::trace::operation::kind;

/// Any probe of the server but [`start_http2_request`] and [`route`]; the cookie says which.
///
/// One BPF program and so one link: taking a link away makes the launcher wait for a grace period of the kernel (some 30 ms
/// each, one after the other) before it can end.
#[inline(always)]
pub fn any<T: Target>(target: &T, config: &HttpServerConfig) -> Done {
    match target.cookie().event {
        event @ (event::END | event::END_HTTP2 | event::UNWIND) => end(target, config, event),
        event::EXIT => {
            exit::exit(target, config);
            Ok(())
        }
        event => start(target, config, event),
    }
}

/// The server that calls a handler at the site of this event, with a request of this major version: a [`kind`] of operation.
#[inline(always)]
const fn server_of(event: u64, proto_major: u64) -> u32 {
    if event == event::START_XNET as u64 {
        kind::XNET_SERVER
    } else if event == event::START_HANDLER as u64 && proto_major < 2 {
        kind::HTTP1_SERVER
    } else {
        kind::HTTP2_SERVER
    }
}

#[cfg(test)]
mod tests;
