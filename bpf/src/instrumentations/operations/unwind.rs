//! A goroutine unwinds: a panic begins, or `runtime.Goexit`.

use super::report::{self, Event};
use crate::missed::{Done, Missed};
use crate::records::kind;
use crate::target::Target;

/// `runtime.gopanic(e any)`: what it is about is told to the launcher, while it is there. Whether the panic unwinds an operation shows
/// later.
#[inline(always)]
pub(super) fn panic<T: Target>(target: &T) -> Done {
    let address = target.registers().goroutine();
    let goroutine = target.goroutine(address).ok_or(Missed::NothingToDo)?;
    if goroutine.frames() == 0 {
        return Err(Missed::NothingToDo);
    }
    goroutine.panics();
    target.with_scratch(|scratch| {
        scratch.evaluation.begin(&target.registers(), target.opaque(0));
        report::begin(target, scratch);
        // By the recipe with the number 0, which every plan has.
        let recipe = target.operation(0).ok_or(Missed::NothingToDo)?;
        target.follow(recipe.start, scratch);
        let (kind, time) = (kind::OPERATION_PANIC, target.now());
        report::submit(target, scratch, &Event { kind, operation: 0, time, span_id: 0, goroutine: address, object: 0, level: 0 })
    })
}

/// `runtime.Goexit()`: all that is open on the goroutine ends here.
#[inline(always)]
pub(super) fn goexit<T: Target>(target: &T) -> Done {
    let address = target.registers().goroutine();
    let goroutine = target.goroutine(address).ok_or(Missed::NothingToDo)?;
    if goroutine.frames() == 0 {
        return Err(Missed::NothingToDo);
    }
    goroutine.set_frames(0);
    target.with_scratch(|scratch| {
        report::begin(target, scratch);
        let (kind, time) = (kind::OPERATION_GOEXIT, target.now());
        report::submit(target, scratch, &Event { kind, operation: 0, time, span_id: 0, goroutine: address, object: 0, level: 0 })
    })
}
