//! Operations that are described by tables: one body for all libraries, and for the user's own functions.
//!
//! What a function means, where its arguments and results lie, and what is wanted of them, the launcher has compiled into recipes
//! ([`crate::config::operations`]). The cookie says which one, and what has happened.

// match-go: 1.18..: runtime.gopanic(e)
// match-go: 1.18..: runtime.Goexit()

mod begin;
mod capture;
mod end;
mod evaluation;
mod interpreter;
mod object;
pub mod report;
mod serve;
mod unwind;

pub(super) use begin::identify;
pub(super) use capture::{held, text};
pub use evaluation::{Evaluation, NO_EVALUATION};
pub use interpreter::follow;
pub(super) use interpreter::type_of;
pub use object::OpenObject;

use crate::config::MapLayout;
use crate::config::operations::event;
use crate::missed::Done;
use crate::target::Target;

/// Any probe of an operation but [`annotate`] and [`served`].
#[inline(always)]
pub fn any<T: Target>(target: &T) -> Done {
    let cookie = target.cookie();
    let number = cookie.event >> 8;
    match cookie.event & 0xff {
        event::BEGIN => begin::begin(target, number),
        event @ (event::END | event::TAIL) => end::end(target, number, cookie.recipe, event == event::TAIL),
        event::PANIC => unwind::panic(target),
        event::GOEXIT => unwind::goexit(target),
        close => object::close(target, number, close == event::CLOSING),
    }
}

/// Any probe by which something is learnt of the operation around.
///
/// A BPF program of its own, because few programs have any.
#[inline(always)]
pub fn annotate<T: Target>(target: &T) -> Done {
    let cookie = target.cookie();
    end::annotate(target, cookie.event >> 8, cookie.recipe)
}

/// The start of an operation that serves a request from elsewhere, whose carrier is read as `map` says; or where one is resumed that has an
/// object.
///
/// A BPF program of its own, because few programs have any.
#[inline(always)]
pub fn served<T: Target>(target: &T, map: &MapLayout) -> Done {
    let event = target.cookie().event;
    if event & 0xff == event::RESUME {
        return object::resume(target, event >> 8);
    }
    serve::serve(target, map, event >> 8)
}

#[cfg(test)]
mod tests;
