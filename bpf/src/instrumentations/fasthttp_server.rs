//! The server of `github.com/valyala/fasthttp`, and so that of fiber, and the one of `github.com/cloudwego/hertz` for HTTP/1, whose code
//! was made of it: two hits per request.
//!
//! One function serves all requests of a connection, in a loop, and calls the handler by a function value. What it calls before and behind
//! that, once for each request, is observed: the function that reads the request's body, and the one that writes the response.
//!
//! match-go: v1.34.0..v1.70.0: github.com/valyala/fasthttp.(*Server).serveConn(s, c)
//! match-go: v1.78.0..: github.com/valyala/fasthttp.(*Server).serveConnCounted(s, c, countConcurrency)
//! match-go: v1.34.0..: github.com/valyala/fasthttp.(*Request).readLimitBody(req, r, maxBodySize, getOnly, preParseMultipartForm)
//! match-go: v1.34.0..: github.com/valyala/fasthttp.(*Request).readBodyStream(req, r, maxBodySize, getOnly, preParseMultipartForm)
//! match-go: v1.34.0..: github.com/valyala/fasthttp.writeResponse(ctx, w)
//! match-go: v1.34.0..: github.com/valyala/fasthttp.(*Response).Write(resp, w)
//! match-go: v1.34.0..: github.com/valyala/fasthttp.(*Server).releaseCtx(s, ctx)
//! match-go: v1.34.0..: github.com/valyala/fasthttp.(*Server).writeErrorResponse(s, bw, ctx, serverName, err)
//! match-go: 1.18..: runtime.preprintpanics(p)
//! match-go: v0.3.1..: github.com/cloudwego/hertz/pkg/protocol/http1.Server.Serve(s, c, conn)
//! match-go: v0.3.1..: github.com/cloudwego/hertz/pkg/protocol/http1/req.ReadLimitBody(req, r, maxBodySize, getOnly, preParseMultipartForm)
//! match-go: v0.3.1..: github.com/cloudwego/hertz/pkg/protocol/http1/req.ReadBodyStream(req, zr, maxBodySize, getOnly, preParseMultipartForm)
//! match-go: v0.3.1..: github.com/cloudwego/hertz/pkg/protocol/http1.writeResponse(ctx, w)
//! match-go: v0.3.1..: github.com/cloudwego/hertz/pkg/protocol/http1/resp.Write(resp, w)
//! match-go: v0.3.1..: github.com/cloudwego/hertz/pkg/protocol/http1.writeErrorResponse(zw, ctx, serverName, err)

mod request;
mod response;

pub use request::LINE_WORDS;

use crate::config::fasthttp_server::{FasthttpServerConfig, event};
use crate::missed::Done;
use crate::target::Target;

/// Any probe of the server; the cookie says which.
#[inline(always)]
pub fn any<T: Target>(target: &T, config: &FasthttpServerConfig) -> Done {
    match target.cookie().event {
        event::START => request::start(target, config),
        event => response::end(target, config, event),
    }
}

#[cfg(test)]
mod tests;
