//! An operation ends, returns an object with which it goes on, or something is learnt of it.

use super::evaluation::Evaluation;
use super::report::{self, Event};
use crate::config::MAX_RESULTS;
use crate::config::operations::{OperationRecipe, flag};
use crate::go::results;
use crate::missed::{Done, Missed};
use crate::records::{SpanIdentity, kind};
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::frames::{self, Frame, Standing};
use crate::trace::goroutine::Goroutine;
use crate::trace::{baggage, extracted, operation, unwinding};

/// A function where an operation began may have ended, or one that it calls last (`is_tail`); the cookie has the number of the recipe
/// that says so.
#[inline(always)]
pub(super) fn end<T: Target>(target: &T, number: u32, site: u32, is_tail: bool) -> Done {
    let address = target.registers().goroutine();
    let Some(goroutine) = target.goroutine(address) else {
        return Err(if is_tail { Missed::NothingToDo } else { without_goroutine(target, number, site) });
    };
    if goroutine.frames() == 0 {
        // It was none: switched off, within another one, or refused.
        return Err(Missed::NothingToDo);
    }
    let number = if is_tail { caller(target, goroutine, address, number)? } else { number };
    let recipe = target.operation(number).ok_or(Missed::NothingToDo)?;
    target.with_scratch(|scratch| {
        if !begin(target, scratch, site) {
            return Err(Missed::NothingToDo);
        }
        let time = target.now();
        scratch.evaluation.time = time;
        let standing = Standing::of(target, address, &mut scratch.evaluation.g);
        let level = unwinding::ended(target, goroutine, &standing, number, scratch);
        if level == unwinding::NONE {
            let innermost = frames::key(address, goroutine.frames().wrapping_sub(1));
            return Err(if target.frame(innermost).is_some() { Missed::NothingToDo } else { Missed::Evicted });
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
        let level = level as u32;
        let own = frames::key(address, level);
        let frame = target.frame(own).ok_or(Missed::Evicted)?;
        let (is_reported, began) = (frame.is_reported.get(), frame.began.get());
        let is_its = frame.span.copy_of(own, &mut scratch.span);
        if !(is_its & goroutine.is_held_by(address)) {
            return Err(Missed::Evicted);
        }
        goroutine.set_frames(level);
        if recipe.flags & (flag::SERVES | flag::RESUMES) != 0 {
            served(target, frame, &scratch.span, frames::holder(address, level));
        }
        let texts = frame.texts.get();
        if recipe.flags & (flag::RESUMES | flag::HAS_OBJECT) == flag::RESUMES {
            // It goes on elsewhere.
            return Err(Missed::NothingToDo);
        }
        // What sends its request must find it, sampled or not.
        if scratch.span.trace_flags & 1 == 0 && recipe.flags & (flag::RESUMES | flag::BY_HTTP) == 0 {
            target.count_unsampled(operation::kind::OF_TABLE, time.wrapping_sub(began));
            baggage::ended(target, scratch.span.span_id, texts);
            return Err(Missed::NothingToDo);
        }
        if is_reported == 0 {
            baggage::ended(target, scratch.span.span_id, texts);
            return Err(Missed::NothingToDo);
        }
        let Scratch { evaluation, .. } = scratch;
        evaluation.object = frame.object.get();
        let registers = target.registers();
        evaluation.frame = registers.stack_pointer.wrapping_add(standing.depth).wrapping_sub(frame.depth.get());
        report(target, scratch, recipe, &Ended { time, address, number, began, texts })
    })
}

/// What was remembered of a request that has been served is forgotten.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn served<T: Target>(target: &T, frame: &Frame, span: &SpanIdentity, holder: u64) {
    let context = frame.object.get();
    if context != 0 && target.context_goroutine(context) == Some(holder) {
        target.forget_context(context);
        if span.propagation != 0 {
            target.forget_extracted(extracted::key(span.span_id));
        }
    }
}

/// What the end of a function is of whose goroutine nothing is known: a loss, for every operation that begins makes room for its goroutine,
/// unless the hit is no end.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn without_goroutine<T: Target>(target: &T, number: u32, site: u32) -> Missed {
    let is_operation = target
        .operation(number)
        .is_some_and(|recipe| recipe.flags & flag::ENDS_OBJECT == 0 && !target.settings().is_off(recipe.layer));
    if is_operation && results::is_end(target, site) { Missed::Evicted } else { Missed::NothingToDo }
}

/// The number of the innermost operation of a goroutine, if it ends where this function does that it calls last.
#[inline(always)]
fn caller<T: Target>(target: &T, goroutine: &Goroutine, address: u64, tail: u32) -> Result<u32, Missed> {
    let own = frames::key(address, goroutine.frames().wrapping_sub(1));
    let number = target.frame(own).ok_or(Missed::NothingToDo)?.operation.get();
    let recipe = target.operation(number).ok_or(Missed::NothingToDo)?;
    if recipe.tail == tail { Ok(number) } else { Err(Missed::NothingToDo) }
}

/// Begins the evaluation of an end; false where the hit at this site is none.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn begin<T: Target>(target: &T, scratch: &mut Scratch, site: u32) -> bool {
    let Scratch { evaluation, .. } = scratch;
    let Some(results) = results::read_by::<T, MAX_RESULTS>(target, site) else {
        return false;
    };
    evaluation.begin(&target.registers(), target.opaque(0));
    for (copy, result) in evaluation.results.iter_mut().zip(results) {
        *copy = result;
    }
    true
}

/// A function that has ended.
struct Ended {
    time: u64,
    address: u64,
    number: u32,
    began: u64,
    texts: u64,
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report<T: Target>(target: &T, scratch: &mut Scratch, recipe: &OperationRecipe, ended: &Ended) -> Done {
    report::begin(target, scratch);
    target.follow(recipe.end, scratch);
    let object = scratch.evaluation.object;
    let goes_on = recipe.flags & flag::HAS_OBJECT != 0 && object != 0 && scratch.evaluation.error[0] == 0;
    let mut what = kind::OPERATION_END;
    if recipe.flags & flag::RESUMES != 0 {
        let ends = !goes_on || recipe.flags & flag::ENDS_OBJECT != 0;
        if !ends || target.object(object).is_none() {
            return Err(Missed::NothingToDo);
        }
        target.forget_object(object);
        baggage::ended(target, scratch.span.span_id, ended.texts);
    } else if goes_on {
        // Else that has ended already.
        if scratch.evaluation.refused == 0 {
            super::object::remember(target, object, &scratch.span, ended.began, ended.texts);
        }
        what = kind::OPERATION_RETURNED;
    } else {
        baggage::ended(target, scratch.span.span_id, ended.texts);
    }
    if scratch.span.trace_flags & 1 == 0 {
        if what == kind::OPERATION_END {
            target.count_unsampled(operation::kind::OF_TABLE, ended.time.wrapping_sub(ended.began));
        }
        return Err(Missed::NothingToDo);
    }
    let Ended { time, address: goroutine, number: operation, began: _, texts: _ } = *ended;
    let span_id = u64::from_ne_bytes(scratch.span.span_id);
    #[expect(clippy::cast_possible_truncation, reason = "a number of 32 bits")]
    let kind = target.opaque(what.into()) as u32;
    report::submit(target, scratch, &Event { kind, operation, time, span_id, goroutine, object, level: 0 })
}

/// Something is learnt of the operation around: the innermost of a table, else the request that is served; or of that in any case.
#[inline(always)]
pub(super) fn annotate<T: Target>(target: &T, number: u32, site: u32) -> Done {
    let recipe = target.operation(number).ok_or(Missed::NothingToDo)?;
    if target.settings().is_off(recipe.layer) {
        return Err(Missed::NothingToDo);
    }
    let address = target.registers().goroutine();
    let goroutine = target.goroutine(address).ok_or(Missed::NothingToDo)?;
    target.with_scratch(|scratch| {
        scratch.evaluation.time = target.now();
        if !annotated(target, scratch, recipe, goroutine, address) {
            return Err(Missed::NothingToDo);
        }
        let object = scratch.evaluation.object;
        let is_end = recipe.end.count | (recipe.flags & flag::RETURNS) != 0;
        if is_end && !begin(target, scratch, site) {
            return Err(Missed::NothingToDo);
        }
        if !is_end {
            scratch.evaluation.begin(&target.registers(), target.opaque(0));
        }
        scratch.evaluation.object = object;
        target.follow(recipe.begin, scratch);
        if scratch.evaluation.refused != 0 {
            return Err(Missed::NothingToDo);
        }
        report::begin(target, scratch);
        let nothing = scratch.record.length;
        target.follow(if recipe.end.count != 0 { recipe.end } else { recipe.start }, scratch);
        let (Scratch { evaluation, span, record, .. }, is_served) = (&mut *scratch, recipe.flags & flag::ABOUT_SERVED != 0);
        if is_served && record.length == nothing {
            return Err(Missed::NothingToDo);
        }
        let level = if is_served { depth(target, address, evaluation) } else { 0 };
        let (kind, time, span_id) = (kind::OPERATION_ANNOTATED, evaluation.time, u64::from_ne_bytes(span.span_id));
        let event = Event { kind, operation: number, time, span_id, goroutine: address, object: 0, level };
        report::submit(target, scratch, &event)
    })
}

/// Copies the span that an annotation is about; false where there is none, or it is not recorded. The evaluation's object is the request
/// that is served, if it is about that, else 0.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn annotated<T: Target>(
    target: &T,
    scratch: &mut Scratch,
    recipe: &OperationRecipe,
    goroutine: &Goroutine,
    address: u64,
) -> bool {
    scratch.evaluation.object = target.opaque(0);
    let is_served = recipe.flags & flag::ABOUT_SERVED != 0;
    let open = if is_served { 0 } else { around(target, goroutine, address, scratch) };
    let Scratch { evaluation, span, .. } = scratch;
    let is_found = if open == 0 {
        goroutine.active().is_some_and(|served| {
            let [request, _] = &served.words;
            evaluation.object = request.get();
            served.span.copy_of(address, span)
        })
    } else {
        let own = frames::key(address, open - 1);
        target.frame(own).is_some_and(|frame| frame.span.copy_of(own, span))
    };
    is_found && span.trace_flags & 1 != 0
}

/// How deep in its stack the goroutine is, in bytes: what has been called within something else is deeper.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn depth<T: Target>(target: &T, address: u64, evaluation: &mut Evaluation) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the launcher compares them, and a stack has a gigabyte at most")]
    let depth = Standing::of(target, address, &mut evaluation.g).depth as u32;
    depth
}

/// How many operations are open around a function that begins here.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn around<T: Target>(target: &T, goroutine: &Goroutine, address: u64, scratch: &mut Scratch) -> u32 {
    if goroutine.frames() == 0 {
        return 0;
    }
    let standing = Standing::of(target, address, &mut scratch.evaluation.g);
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
    let open = unwinding::settle(target, goroutine, &standing, scratch) as u32;
    open
}
