//! The client of `net/http`: a span for each round trip, whose context is injected into the request.
//!
//! match-go: 1.18..: net/http.(*Transport).roundTrip(t, req)
//! match-go: 1.18..: net/http.(*Request).write(r, w, usingProxy, extraHeaders, waitForContinue)
//! match-go: 1.18..: net/http.Header.writeSubset(h, w, exclude, trace)
//! match-go: 1.21..1.26: net/http.(*http2clientStream).encodeAndWriteHeaders(cs, req)
//! match-go: 1.27..: net/http/internal/http2.(*clientStream).encodeAndWriteHeaders(cs, req)

mod copied;
mod http1;
mod http2;
mod identity;
mod peer;
mod redirects;
mod request;
mod response;

pub use http1::{WRITER_WORDS, inject, make_room};
pub use http2::inject_http2;
pub use request::{REQUEST_WORDS, URL_WORDS, start};
pub use response::{RESPONSE_WORDS, end};

use crate::config::http_client::{HttpClientConfig, event};
use crate::missed::Done;
use crate::target::Target;

/// Any probe of the client; the cookie says which.
#[inline(always)]
pub fn any<T: Target>(target: &T, config: &HttpClientConfig) -> Done {
    match target.cookie().event {
        event::START => start(target, config),
        event::INJECT => inject(target, config),
        event::ROOM if T::STORES => make_room(target, config),
        event::WRITTEN if T::STORES => copied::replace(target, config),
        event @ (event::INJECT_HTTP2 | event::INJECT_XNET) => inject_http2(target, config, event),
        _ => end(target, config),
    }
}

/// Bytes of the stack between a probe at a `CALL` and the detour of what it calls: the return address and BP.
const FROM_CALL: u64 = 16;

/// Bytes between the stack pointer and the upper end of the goroutine's stack.
#[inline(always)]
fn depth<T: Target>(target: &T, goroutine: u64) -> u64 {
    let high: u64 = target.read_or_zero(goroutine.wrapping_add(target.parents().stack_high.get().into()));
    high.wrapping_sub(target.registers().stack_pointer)
}

#[cfg(test)]
mod tests;
