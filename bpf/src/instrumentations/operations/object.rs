//! Operations that go on when their function has returned, until an object of theirs ends: the rows of a query, a stream.

use super::report::{self, Event};
use crate::config::operations::{OperationRecipe, flag};
use crate::missed::{Done, Missed};
use crate::records::{SpanIdentity, kind};
use crate::scratch::Scratch;
use crate::shared::Shared;
use crate::target::Target;
use crate::trace::frames::{self, Frame, Opening, Standing};
use crate::trace::sealed::SealedSpan;
use crate::trace::{baggage, operation, unwinding};

/// An operation whose object is open.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct OpenObject {
    /// Its span; the holder is the object's address.
    pub span: SealedSpan,
    /// When it began, in nanoseconds of `CLOCK_BOOTTIME`.
    pub began: Shared<u64>,
    /// Under which number the texts are remembered that are propagated with it ([`crate::trace::extracted`]).
    pub texts: Shared<u64>,
}

impl OpenObject {
    /// The operation with this span, which began then, and has this object.
    #[inline(always)]
    #[must_use]
    pub fn new(span: &SpanIdentity, object: u64, (began, texts): (u64, u64)) -> Self {
        Self { span: SealedSpan::new(span, object), began: Shared::new(began), texts: Shared::new(texts) }
    }
}

/// Remembers the operation by its object. One that was at the same address before, and has not ended, is forgotten: its memory has been
/// given to this one.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub(super) fn remember<T: Target>(target: &T, object: u64, span: &SpanIdentity, began: u64, texts: u64) {
    target.set_object(object, &OpenObject::new(span, object, (began, texts)));
}

/// An object ends, perhaps that of an operation, and perhaps once more: only the first time is one remembered. `is_closing`: what is
/// captured is known when the function ends.
#[inline(always)]
pub(super) fn close<T: Target>(target: &T, number: u32, is_closing: bool) -> Done {
    let recipe = target.operation(number).ok_or(Missed::NothingToDo)?;
    target.with_scratch(|scratch| {
        let object = named(target, scratch, recipe)?;
        if recipe.flags & flag::FORGETS != 0 {
            target.forget_known(object);
            return Ok(());
        }
        let found = find(target, scratch, object);
        let began = match found {
            Ok(began) => began,
            Err(_) if recipe.flags & flag::MAY_BE_EARLY != 0 => without_object(target, scratch, object)?,
            Err(why) => return Err(why),
        };
        target.forget_object(object);
        if found.is_ok() {
            baggage::ended(target, scratch.span.span_id, scratch.search.texts);
        }
        if !is_closing || found.is_err() {
            return report(target, scratch, recipe, number, began);
        }
        let (layer, flags) = (recipe.layer, recipe.flags);
        go_on(target, scratch, &Opening { level: 0, operation: number, layer, flags, time: began, object })
    })
}

/// Whether the innermost operation on this goroutine is one that stays open until this object ends ([`flag::STAYS`]).
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn stays<T: Target>(target: &T, scratch: &mut Scratch, object: u64) -> bool {
    let address = target.registers().goroutine();
    let Some(goroutine) = target.goroutine(address).filter(|goroutine| goroutine.frames() != 0) else {
        return false;
    };
    let standing = Standing::of(target, address, &mut scratch.evaluation.g);
    let level = unwinding::settle(target, goroutine, &standing, scratch);
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
    let innermost = target.frame(frames::key(address, (level as u32).wrapping_sub(1)));
    let is_its = |frame: &Frame| frame.object.get() == object && level != 0;
    let stays = |frame: &Frame| target.operation(frame.operation.get()).is_some_and(|recipe| recipe.flags & flag::STAYS != 0);
    target.opaque(innermost.is_some_and(|frame| is_its(frame) && stays(frame)).into()) != 0
}

/// An object ends by which no operation is known: that of the innermost one on this goroutine, or no operation's, or not yet, since its function
/// has not returned. Where that runs on this goroutine, it will return no object. Leaves the span in `scratch`, which has no id where it is not
/// known; returns when it began.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn without_object<T: Target>(target: &T, scratch: &mut Scratch, object: u64) -> Result<u64, Missed> {
    let address = target.registers().goroutine();
    if stays(target, scratch, object) {
        return close_frame(target, scratch, address);
    }
    if target.goroutine(address).is_some_and(|goroutine| goroutine.frames() != 0) {
        return Err(Missed::NothingToDo);
    }
    SpanIdentity { trace_flags: 1, ..SpanIdentity::NONE }.copy_to(&mut scratch.span);
    Ok(target.opaque(0))
}

/// The innermost operation on this goroutine ends with its object.
#[inline(always)]
fn close_frame<T: Target>(target: &T, scratch: &mut Scratch, address: u64) -> Result<u64, Missed> {
    let goroutine = target.goroutine(address).ok_or(Missed::Evicted)?;
    let level = goroutine.frames().wrapping_sub(1);
    let own = frames::key(address, level);
    let frame = target.frame(own).ok_or(Missed::Evicted)?;
    let (is_reported, began) = (frame.is_reported.get(), frame.began.get());
    let is_its = frame.span.copy_of(own, &mut scratch.span);
    if !(is_its & goroutine.is_held_by(address)) {
        return Err(Missed::Evicted);
    }
    goroutine.set_frames(level);
    scratch.search.texts = frame.texts.get();
    baggage::ended(target, scratch.span.span_id, scratch.search.texts);
    if is_reported == 0 { Err(Missed::NothingToDo) } else { Ok(began) }
}

/// A function is called in which an operation goes on that has an object: on this goroutine, until it returns.
#[inline(always)]
pub(super) fn resume<T: Target>(target: &T, number: u32) -> Done {
    let recipe = target.operation(number).ok_or(Missed::NothingToDo)?;
    target.with_scratch(|scratch| {
        let object = named(target, scratch, recipe)?;
        let began = find(target, scratch, object)?;
        let (layer, flags) = (recipe.layer, recipe.flags);
        go_on(target, scratch, &Opening { level: 0, operation: number, layer, flags, time: began, object })
    })
}

/// The object that a recipe names.
#[inline(always)]
fn named<T: Target>(target: &T, scratch: &mut Scratch, recipe: &OperationRecipe) -> Result<u64, Missed> {
    scratch.evaluation.begin(&target.registers(), target.opaque(0));
    scratch.evaluation.time = target.now();
    target.follow(recipe.begin, scratch);
    let object = scratch.evaluation.object;
    if scratch.evaluation.refused != 0 || object == 0 { Err(Missed::NothingToDo) } else { Ok(object) }
}

/// Leaves the span of the operation that has this object in `scratch`, and the number of its texts; returns when it began.
#[inline(always)]
fn find<T: Target>(target: &T, scratch: &mut Scratch, object: u64) -> Result<u64, Missed> {
    let open = target.object(object).ok_or(Missed::NothingToDo)?;
    let began = open.began.get();
    scratch.search.texts = open.texts.get();
    if open.span.copy_of(object, &mut scratch.span) { Ok(began) } else { Err(Missed::Evicted) }
}

/// The operation ends here.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report<T: Target>(target: &T, scratch: &mut Scratch, recipe: &OperationRecipe, number: u32, began: u64) -> Done {
    report::begin(target, scratch);
    target.follow(recipe.start, scratch);
    let (time, span_id) = (scratch.evaluation.time, u64::from_ne_bytes(scratch.span.span_id));
    if scratch.span.trace_flags & 1 == 0 {
        target.count_unsampled(operation::kind::OF_TABLE, time.wrapping_sub(began));
        return Err(Missed::NothingToDo);
    }
    let (goroutine, object) = (target.registers().goroutine(), scratch.evaluation.object);
    let event = Event { kind: kind::OPERATION_END, operation: number, time, span_id, goroutine, object, level: 0 };
    report::submit(target, scratch, &event)
}

/// The operation goes on on this goroutine, until the function ends that ends its object.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn go_on<T: Target>(target: &T, scratch: &mut Scratch, opening: &Opening) -> Done {
    let address = target.registers().goroutine();
    let goroutine = target.goroutine_or_new(address).ok_or(Missed::NoRoom)?;
    let standing = Standing::of(target, address, &mut scratch.evaluation.g);
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
    let level = unwinding::settle(target, goroutine, &standing, scratch) as u32;
    frames::open(target, goroutine, &standing, &Opening { level, ..*opening }, scratch)
}
