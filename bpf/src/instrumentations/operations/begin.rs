//! An operation begins: its parent, its identity, the sampler's decision, and then what is captured.

use super::serve;
use crate::config::operations::{OperationRecipe, flag};
use crate::config::propagator;
use crate::missed::{Done, Missed};
use crate::records::kind;
use crate::records::operation::OperationStart;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::frames::{self, Opening, Standing};
use crate::trace::goroutine::Goroutine;
use crate::trace::{baggage, exports, parents, sampling, unwinding, wrapped};

/// A function is called where an operation begins.
#[inline(always)]
pub(super) fn begin<T: Target>(target: &T, number: u32) -> Done {
    let (recipe, goroutine, address) = called(target, number)?;
    target.with_scratch(|scratch| open(target, scratch, recipe, number, goroutine, address))
}

/// The recipe with this number, the goroutine that calls its function, and the address of that's `g`; an error where it is switched off, or
/// there is no room for the goroutine.
#[inline(always)]
pub(super) fn called<T: Target>(target: &T, number: u32) -> Result<(&OperationRecipe, &Goroutine, u64), Missed> {
    let recipe = target.operation(number).ok_or(Missed::NothingToDo)?;
    if target.settings().is_off(recipe.layer) {
        return Err(Missed::NothingToDo);
    }
    let address = target.registers().goroutine();
    let goroutine = target.goroutine_or_new(address).ok_or(Missed::NoRoom)?;
    Ok((recipe, goroutine, address))
}

#[inline(always)]
fn open<T: Target>(
    target: &T,
    scratch: &mut Scratch,
    recipe: &OperationRecipe,
    number: u32,
    goroutine: &Goroutine,
    address: u64,
) -> Done {
    let time = target.now();
    scratch.evaluation.time = time;
    let standing = Standing::of(target, address, &mut scratch.evaluation.g);
    let level = unwinding::settle(target, goroutine, &standing, scratch);
    if frames::layers(target, address, level) & recipe.inside != 0 {
        // Another library's operation is made of it.
        return Err(Missed::NothingToDo);
    }
    scratch.evaluation.begin(&target.registers(), target.opaque(0));
    target.follow(recipe.begin, scratch);
    if scratch.evaluation.refused != 0 {
        return Err(Missed::NothingToDo);
    }
    let context = scratch.evaluation.context;
    parents::find(target, goroutine, &mut scratch.search, address, context);
    wrapped::look(target, &mut scratch.search, recipe.layer, recipe.flags & flag::IS_CLIENT != 0);
    // Nothing is set in no context: without a branch.
    let injects = u64::from(recipe.flags & flag::INJECTS) / u64::from(flag::INJECTS);
    baggage::look(target, scratch, goroutine, context.map(|word| word * injects));
    identify(target, scratch);
    if scratch.search.is_wrapped != 0 {
        // The SDK's span is that of this operation.
        scratch.search.parent.copy_to(&mut scratch.span);
    }
    baggage::take(target, scratch);
    scratch.span.propagation |= by_http(recipe.flags);
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
    let level = level as u32;
    let opening = Opening { level, operation: number, layer: recipe.layer, flags: recipe.flags, time, object: 0 };
    frames::open(target, goroutine, &standing, &opening, scratch)?;
    if scratch.search.is_wrapped != 0 {
        not_reported(target, &opening, address);
        return Ok(());
    }
    reported::<_, false>(target, scratch, recipe, &opening, address)
}

/// Reports an operation that has been opened, if it is sampled; of one that serves, with the state that came.
#[inline(always)]
pub(super) fn reported<T: Target, const SERVES: bool>(
    target: &T,
    scratch: &mut Scratch,
    recipe: &OperationRecipe,
    opening: &Opening,
    address: u64,
) -> Done {
    if scratch.span.trace_flags & 1 == 0 {
        return Ok(());
    }
    let reported = report::<_, SERVES>(target, scratch, recipe, opening, address);
    if reported.is_err() {
        not_reported(target, opening, address);
    }
    reported
}

/// The launcher does not know of an operation that was opened.
#[inline(always)]
pub(super) fn not_reported<T: Target>(target: &T, opening: &Opening, address: u64) {
    if let Some(frame) = target.frame(frames::key(address, opening.level)) {
        frame.is_reported.set(0);
    }
}

/// Changes the sampler's decision on an operation that was opened, and that nobody has heard of yet.
#[inline(always)]
fn not_sampled<T: Target>(target: &T, scratch: &mut Scratch, key: u64) {
    scratch.span.trace_flags = 0;
    if let Some(frame) = target.frame(key) {
        frame.span.set(&scratch.span, key);
    }
}

/// [`propagator::BY_HTTP`] of an operation with these flags, without a branch.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "one bit")]
const fn by_http(flags: u32) -> u8 {
    ((flags & flag::BY_HTTP) / (flag::BY_HTTP / propagator::BY_HTTP as u32)) as u8
}

/// Gives a new span its identity, under the parent that was found.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub(in crate::instrumentations) fn identify<T: Target>(target: &T, scratch: &mut Scratch) {
    let Scratch { span, search, random, .. } = scratch;
    span.span_id = random.span_id();
    span.parent_is_remote = 0;
    let decision = search.begin(span, random);
    // What came with the request around is propagated to what is sent within it.
    span.propagation = search.parent.propagation & !(propagator::BY_HTTP | propagator::COPIED);
    span.trace_flags = u8::from(sampling::is_sampled(target.settings(), &span.trace_id, decision));
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report<T: Target, const SERVES: bool>(
    target: &T,
    scratch: &mut Scratch,
    recipe: &OperationRecipe,
    opening: &Opening,
    address: u64,
) -> Done {
    scratch.record.length = target.opaque(size_of::<OperationStart>() as u64);
    target.follow(recipe.start, scratch);
    // Of those that are injected into, gRPC's alone, the method is captured first.
    if recipe.flags & flag::INJECTS != 0 && exports::may_be(target, &scratch.span) && exports::is_export_call(&scratch.record) {
        not_sampled(target, scratch, frames::key(address, opening.level));
        return Ok(());
    }
    if SERVES {
        serve::append_state(target, scratch);
    }
    let Scratch { span, record, .. } = scratch;
    let head: &mut OperationStart = record.head();
    head.time = opening.time;
    span.copy_to(&mut head.span);
    // What was extracted stays with us.
    head.span.propagation = 0;
    head.goroutine = address;
    head.operation = opening.operation;
    head.level = opening.level;
    record.submit(target, kind::OPERATION_START, false)
}
