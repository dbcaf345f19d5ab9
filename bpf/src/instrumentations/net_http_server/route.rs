//! The route that a `ServeMux` has found, for requests that were replaced before the mux saw them.
//!
//! A mux notes the pattern in the request that it is given. Where a middleware has made another one of it (`WithContext`, `Clone`,
//! `StripPrefix`), that is not the request of the server. So the pattern is taken where it is found, on the way out of
//! `findHandler`: the string belongs to the mux, and is there as long as that.

use crate::go::results;
use crate::go::string::GoString;
use crate::missed::{Done, Missed};
use crate::target::Target;

/// A mux has found the handler of a request.
///
/// `findHandler(r) (h Handler, patStr string, _ *pattern, matches []string)`. Of several muxes within each other each is remembered
/// that has found one.
#[inline(always)]
pub fn route<T: Target>(target: &T) -> Done {
    let goroutine = target.goroutine(target.registers().goroutine()).ok_or(Missed::NothingToDo)?;
    let (_, operation) = goroutine.served().ok_or(Missed::NothingToDo)?;
    if !operation.span.is_sampled() {
        return Err(Missed::NothingToDo);
    }
    let [_, _, text, text_length] = results::read_by(target, target.cookie().recipe).ok_or(Missed::NothingToDo)?;
    if text_length == 0 {
        return Err(Missed::NothingToDo);
    }
    goroutine.found_route(GoString { address: text, length: text_length });
    Ok(())
}
