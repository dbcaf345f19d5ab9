//! The client of `net/http`: a span for each round trip, whose context is passed on to the server.
//!
//! match-go: 1.18..: net/http.(*Transport).roundTrip(t, req)
//! match-go: 1.18..: net/http.(*Request).write(r, w, usingProxy, extraHeaders, waitForContinue)
//! match-go: 1.18..: net/http.Header.writeSubset(h, w, exclude, trace)

#![expect(
    clippy::cast_possible_truncation,
    reason = "cookies, sizes of records, and numbers of the program that are cut to what a record holds"
)]

mod context;
mod request;
mod response;

pub use context::{WRITE_SUBSET, pass_on};
pub use request::start;
pub use response::end;

use crate::config::http_client::{HttpClientConfig, cookie};
use crate::config::parents::NEW_GOROUTINE_ENDS;
use crate::go::results;
use crate::target::Target;
use crate::trace::parents;

/// Any probe of the client; the cookie says which.
#[inline(always)]
pub fn any<T: Target>(target: &T) -> Option<()> {
    match target.cookie() as u32 {
        cookie::START => start(target),
        cookie::WRITE => pass_on(target),
        site if site >= cookie::NEW_GOROUTINE => new_goroutine(target, site.wrapping_sub(cookie::NEW_GOROUTINE)),
        site => end(target, site.wrapping_sub(cookie::END)),
    }
}

/// `runtime.newproc1` may have created a goroutine; `number` is that of the recipe.
#[inline(always)]
fn new_goroutine<T: Target>(target: &T, number: u32) -> Option<()> {
    // A number that the compiler does not know, so that the bound stays where the verifier sees it.
    let number = target.opaque(u64::from(number)) & (NEW_GOROUTINE_ENDS as u64 - 1);
    let [goroutine, ..] = results::read(target, target.new_goroutine_ends().get(number)?)?;
    parents::created(target, goroutine)
}

/// Bytes between the stack pointer and the upper end of the goroutine's stack.
#[inline(always)]
fn depth<T: Target>(target: &T, config: &HttpClientConfig, goroutine: u64) -> u64 {
    let high: u64 = target.read_or_zero(goroutine + u64::from(config.stack_high.get()));
    high.wrapping_sub(target.all_registers().stack_pointer)
}

#[cfg(test)]
mod tests;
