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

#![expect(clippy::cast_possible_truncation, reason = "cookies have 32 bits")]

mod exit;
mod request;
mod response;
mod route;

pub use request::{REQUEST_WORDS, URL_WORDS, start, start_http2_request};
pub use response::{RESPONSE_WORDS, end};
pub use route::route;

use crate::config::cookie;
use crate::missed::Done;
use crate::target::Target;

/// Any probe of the server but [`start_http2_request`]; the cookie says which.
///
/// One program and so one link: taking a link away makes the launcher wait for a grace period of the kernel (some 30 ms
/// each, one after the other) before it can end.
#[inline(always)]
pub fn any<T: Target>(target: &T) -> Done {
    match target.cookie() as u32 {
        site @ (cookie::END | cookie::UNWIND) => end(target, site),
        cookie::EXIT => {
            exit::exit(target);
            Ok(())
        }
        site => start(target, site),
    }
}

/// Whose response writer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Server {
    /// `net/http.response`.
    Http1 = 0,
    /// The standard library's HTTP/2 server.
    Http2 = 1,
    /// That of `golang.org/x/net/http2`.
    Xnet = 2,
}

impl Server {
    /// The server that calls a handler at this site, with a request of this major version.
    #[inline(always)]
    fn of(site: u32, proto_major: u64) -> Self {
        match site {
            cookie::START_XNET => Self::Xnet,
            cookie::START_HANDLER if proto_major < 2 => Self::Http1,
            _ => Self::Http2,
        }
    }
}

#[cfg(test)]
mod tests;
