//! A request that is served, whichever server of HTTP serves it: the operation of its goroutine, whose parent its headers name.

use crate::go::header::{Values, Walk};
use crate::go::string::GoString;
use crate::missed::{Done, Missed};
use crate::records::http_server::text;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::goroutine::{Goroutine, unopened};
use crate::trace::operation::Operation;
use crate::trace::{answered, creators, remote, sampling, unwinding};

/// The goroutine at `holder`, with nothing open: whatever it has left, this request's end must not be taken for that one's.
///
/// # Errors
/// Where there is no room for it, or the `instrumentation` is switched off.
#[inline(always)]
pub(super) fn prepared<T: Target>(target: &T, holder: u64, instrumentation: u32) -> Result<&Goroutine, Missed> {
    let goroutine = target.goroutine_or_new(holder).ok_or(Missed::NoRoom)?;
    goroutine.close(target, 0);
    if target.parents().has_frames.get() != 0 && goroutine.frames() != 0 {
        unwinding::all_unwound(target, goroutine, holder, target.now());
    }
    // Until there is an operation.
    goroutine.not_opened(unopened::SERVED);
    if target.settings().is_off(instrumentation) { Err(Missed::NothingToDo) } else { Ok(goroutine) }
}

/// Gives a new span its identity, under the parent that the request's headers name if they do.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub(super) fn identify<T: Target, V: Values>(target: &T, scratch: &mut Scratch) {
    let Scratch { span, random, headers, remote, .. } = scratch;
    remote::extract::<_, V>(target, &headers.found, remote);
    span.span_id = random.span_id();
    span.propagation = 0;
    if remote.found != 0 {
        span.trace_id = remote.trace_id;
        span.parent_span_id = remote.parent_id;
        span.parent_is_remote = 1;
    } else {
        span.trace_id = random.trace_id();
        span.parent_span_id = [0; 8];
        span.parent_is_remote = 0;
    }
    let sampled = sampling::is_sampled(target.settings(), &span.trace_id, remote.decision());
    span.trace_flags = u8::from(sampled);
}

/// Opens the operation of a request, which has the new span.
///
/// # Errors
/// Where the memory is another goroutine's by now.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub(super) fn open<T: Target>(target: &T, scratch: &Scratch, goroutine: &Goroutine, operation: &Operation, holder: u64) -> Done {
    operation.span.set(&scratch.span, holder);
    operation.nested.set(0);
    operation.is_reported.set(1);
    operation.depth.set(u32::MAX);
    goroutine.forget_routes();
    goroutine.opened(unopened::SERVED);
    if !goroutine.is_held_by(holder) {
        return Err(Missed::Evicted);
    }
    let context = operation.object.get();
    if context != 0 {
        target.remember_context(context, holder);
    }
    Ok(())
}

/// Notes in `scratch` the texts of headers that were found, all but `User-Agent` and `Upgrade`.
#[inline(always)]
pub(super) fn header_texts<T: Target, V: Values>(target: &T, scratch: &mut Scratch) {
    let Scratch { remote, headers: Walk { found, .. }, texts, .. } = scratch;
    texts[text::FORWARDED_PROTO] = V::first(target, found.forwarded_proto);
    texts[text::FORWARDED_HOST] = V::first(target, found.forwarded_host);
    let trace_state = if remote.is_w3c == 0 { 0 } else { found.trace_state };
    // Of several lines one alone would be another state.
    texts[text::TRACE_STATE] = if trace_state == 0 { GoString::none(target) } else { V::only(target, trace_state) };
    let [first, next] = V::first_two(target, found.forwarded_for);
    texts[text::FORWARDED_FOR] = first;
    texts[text::FORWARDED_FOR_NEXT] = next;
    let [first, next] = V::first_two(target, found.forwarded);
    texts[text::FORWARDED] = first;
    texts[text::FORWARDED_NEXT] = next;
}

/// Closes the operation of a goroutine, and leaves its span in `scratch`.
///
/// # Errors
/// Where there is nothing to be reported.
#[inline(always)]
pub(super) fn close<T: Target>(
    target: &T,
    scratch: &mut Scratch,
    goroutine: &Goroutine,
    (number, operation): (u32, &Operation),
    now: u64,
    holder: u64,
) -> Done {
    let is_ours = operation.span.copy_of(holder, &mut scratch.span);
    let (kind, began) = (operation.kind.get(), operation.began.get());
    let (is_reported, context) = (operation.is_reported.get(), operation.object.get());
    // What another goroutine has by now is not closed by this one's end.
    if !(is_ours & goroutine.is_held_by(holder)) {
        return Err(Missed::Evicted);
    }
    if context != 0 {
        // First: at no moment is it neither served nor answered.
        answered::remember(target, context, &scratch.span);
        creators::sweep(target, now);
    }
    // A round trip that the handler's panic has unwound, too.
    goroutine.close(target, number);
    if scratch.span.trace_flags & 1 == 0 {
        target.count_unsampled(kind, now.wrapping_sub(began));
        return Err(Missed::NothingToDo);
    }
    if is_reported == 0 { Err(Missed::NothingToDo) } else { Ok(()) }
}
