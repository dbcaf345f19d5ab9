//! The OpenTelemetry API without an SDK: the spans that a program starts, and what it adds to spans of ours.
//!
//! The API asks a tracer outside for the identity of each new span, and gives it what it has encoded at the end (`go.opentelemetry.io/auto/sdk`,
//! `go.opentelemetry.io/otel/trace/auto.go`): what a span is made of never passes here one by one. Of a span of ours it knows nothing; it
//! gets an object that stands in for it ([`crate::trace::stand_in`]), a span of the API's that records nothing itself, and what is called of
//! that is reported.
//!
//! match-go: v1.33.0..: go.opentelemetry.io/otel/internal/global.(*tracer).newSpan(t, ctx, autoSpan, name, opts)
//! match-go: v1.28.0..: go.opentelemetry.io/otel/trace.SpanFromContext(ctx)

mod calls;
mod encoded;
mod received;
mod start;
mod superseded;

pub use calls::{append, attributes};

use crate::config::otel_api::{OtelApiConfig, event};
use crate::go::abi::FRAME_POINTER;
use crate::missed::{Done, Missed};
use crate::slots::{SLOT_WORDS, meant_for, site};
use crate::target::{Lookup, Target};
use crate::trace::parents::{BY_CONTEXT, ParentSearch};
use crate::trace::{frames, parents, stand_in};
use crate::write;

/// Any probe of the API but [`call`]; the cookie says which.
#[inline(always)]
pub fn any<T: Target>(target: &T, config: &OtelApiConfig) -> Done {
    if target.settings().is_off(crate::config::instrumentation::OTEL_API) {
        return Err(Missed::NothingToDo);
    }
    let event = target.cookie().event;
    let copy = &config.copies[usize::from(event & event::SECOND != 0)];
    match event & !event::SECOND {
        event::SWITCH => switch_on(target, target.registers().argument(3)),
        event::SWITCH_PROVIDER => switch_on(target, target.registers().argument(2)),
        event::START => start::start(target, copy, config),
        event::ENDED => encoded::ended(target),
        event::SDK_START => superseded::started(target, config),
        event::PROVIDED => provided(target),
        event::BAGGAGE => received::asked(target, &config.received),
        _ => current(target, config),
    }
}

/// Something is called of a span; it may be one that stands in for one of ours.
///
/// A BPF program of its own: few programs call so.
#[inline(always)]
pub fn call<T: Target>(target: &T, config: &OtelApiConfig) -> Done {
    if target.settings().is_off(crate::config::instrumentation::OTEL_API) {
        return Err(Missed::NothingToDo);
    }
    calls::call(target, config)
}

/// The API is about to look whether there is a tracer outside, at this address.
#[inline(always)]
fn switch_on<T: Target>(target: &T, at: u64) -> Done {
    if target.read::<u8>(at) != Some(0) {
        return Err(Missed::NothingToDo);
    }
    if T::STORES {
        return if target.store(at, &[1]) { Ok(()) } else { Err(Missed::Fault) };
    }
    queue(target, |words| {
        words[..3].copy_from_slice(&[at, 1, 1]);
        1
    })
}

/// Queues what the program is to store behind the start of the function that was hit: `fill` writes commands, and says how many.
#[inline(always)]
fn queue<T: Target>(target: &T, fill: impl FnOnce(&mut [u64; SLOT_WORDS]) -> u64) -> Done {
    let goroutine = target.registers().goroutine();
    let claimed = write::claim(target, goroutine, site::SPAN_STORES, 0).ok_or(Missed::NoRoom)?;
    let slot = &mut *claimed.slot;
    slot.meant_for[meant_for::DEPTH] = behind_start(target, goroutine);
    slot.length = fill(&mut slot.words);
    claimed.publish();
    Ok(())
}

/// How deep the stack is at the detour behind the start of the function that was hit, which has pushed the frame pointer by then.
#[inline(always)]
fn behind_start<T: Target>(target: &T, goroutine: u64) -> u64 {
    let high: u64 = target.read_or_zero(goroutine.wrapping_add(target.parents().stack_high.get().into()));
    high.wrapping_sub(target.registers().stack_pointer).wrapping_add(8)
}

/// The program has a provider of its own: what it asks spans for from now on is that.
#[inline(always)]
fn provided<T: Target>(target: &T) -> Done {
    target.stand_in(stand_in::TABLE).ok_or(Missed::NothingToDo)?.span_id.set(1);
    Ok(())
}

/// Whether the program gets stand-ins for its own use. Where it has a provider, only the SDK does, which makes children of them: who asked one
/// for its provider would get another than the program's, and make no spans by that.
#[inline(always)]
fn is_wanted<T: Target>(target: &T, config: &OtelApiConfig) -> bool {
    let is_provided = target.stand_in(stand_in::TABLE).is_some_and(|table| table.span_id.get() != 0);
    !is_provided || is_called_by_sdk(target, config)
}

/// Whether the function that was hit is called by the SDK where it begins a span, or by a function that this calls.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn is_called_by_sdk<T: Target>(target: &T, config: &OtelApiConfig) -> bool {
    let registers = target.registers();
    // Behind the saved frame pointer of a function is the address that it returns to.
    let above: u64 = target.read_or_zero(registers.integers[FRAME_POINTER].wrapping_add(8));
    let mut found = target.opaque(0);
    for [begin, end] in &config.sdk_code {
        let begin = begin.get().wrapping_add(target.load_bias());
        let size = end.get().wrapping_add(target.load_bias()).wrapping_sub(begin);
        for address in [registers.return_address(target), above] {
            found |= u64::from(address.wrapping_sub(begin) < size);
        }
    }
    target.opaque(found) != 0
}

/// The program asks for the span of a context. Where that is one of ours, it gets what stands in for it.
#[inline(always)]
fn current<T: Target>(target: &T, config: &OtelApiConfig) -> Done {
    let registers = target.registers();
    let context = [registers.argument(0), registers.argument(1)];
    let table = config.stand_in_table.get();
    if context[0] == 0 || table == 0 {
        return Err(Missed::NothingToDo);
    }
    if !is_wanted(target, config) {
        return Err(Missed::NothingToDo);
    }
    let place = target.stand_in(stand_in::TABLE).ok_or(Missed::NothingToDo)?;
    let [_, first] = target.stand_ins_at(place).ok_or(Missed::NothingToDo)?;
    target.with_scratch(|scratch| {
        let search = &mut scratch.search;
        parents::by_context(target, search, context);
        let [object, flags] = if search.has_own_span() {
            // What the context has for a span itself, the program gets.
            own(target, config, search.own_span, first)?
        } else {
            stand_in(target, config, search, first)?
        };
        let (bias, replaced) = (target.load_bias(), config.is_recording.get());
        // One that is not sampled is not recorded, and says so.
        let replaced = if flags & 1 != 0 && replaced != 0 { replaced.wrapping_add(bias) } else { 0 };
        let table =
            stand_in::table(target, table.wrapping_add(bias), config.table_words.get(), replaced).ok_or(Missed::NoRoom)?;
        leave(target, site::CURRENT_SPAN, [table, object], target.opaque(0))
    })
}

/// The address of what stands in for the span of ours that a context has led to, and the span's flags. The first stand-in is at `first`.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn stand_in<T: Target>(target: &T, config: &OtelApiConfig, search: &mut ParentSearch, first: u64) -> Result<[u64; 2], Missed> {
    if search.found != BY_CONTEXT {
        return Err(Missed::NothingToDo);
    }
    let address = target.registers().goroutine();
    if target.parents().has_frames.get() != 0
        && let Some(goroutine) = target.goroutine(address)
    {
        frames::take_innermost(target, goroutine, address, search);
    }
    if is_superseded(target, search.holder) {
        return Err(Missed::NothingToDo);
    }
    let number = stand_in::of(target, &search.parent, search.holder, config.stand_in_identity.get()).ok_or(Missed::NoRoom)?;
    let object = first.wrapping_add(u64::from(number) * size_of::<stand_in::StandIn>() as u64 + stand_in::OBJECT_AT);
    Ok([object, search.parent.trace_flags.into()])
}

/// The same of a span that the context has itself, at this address: one that stands in for one of ours. Taken out of its context, it has the itab
/// of its type, which says that it is not recorded.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn own<T: Target>(target: &T, config: &OtelApiConfig, object: u64, first: u64) -> Result<[u64; 2], Missed> {
    let offset = object.wrapping_sub(first).wrapping_sub(stand_in::OBJECT_AT);
    if offset >= u64::from(stand_in::STAND_INS) * size_of::<stand_in::StandIn>() as u64 || config.is_recording.get() == 0 {
        return Err(Missed::NothingToDo);
    }
    // Behind the ids of its `trace.SpanContext`.
    let flags: u64 = target.read_or_zero(object.wrapping_add(config.stand_in_identity.get().into()).wrapping_add(24));
    Ok([object, flags])
}

/// Makes the function whose start was hit return these words at once; or, where `function` is not 0, makes it that function, called with them.
#[inline(always)]
fn leave<T: Target>(target: &T, site: u32, words: [u64; 2], function: u64) -> Done {
    if T::STORES {
        target.leave(words, function);
        return Ok(());
    }
    let goroutine = target.registers().goroutine();
    let claimed = write::claim(target, goroutine, site, 0).ok_or(Missed::NoRoom)?;
    let slot = &mut *claimed.slot;
    slot.meant_for[meant_for::DEPTH] = behind_start(target, goroutine);
    [slot.words[0], slot.words[1]] = words;
    slot.words[2] = function;
    claimed.publish();
    Ok(())
}

/// Whether a span of the SDK has taken the place of the operation's of `holder`.
#[inline(always)]
fn is_superseded<L: Lookup>(lookup: &L, holder: u64) -> bool {
    if holder == 0 {
        return false;
    }
    if let Some(key) = frames::of_holder(holder) {
        return lookup.frame(key).is_some_and(|frame| frame.is_reported.get() == SUPERSEDED);
    }
    let served = lookup.goroutine(holder).and_then(|goroutine| goroutine.active());
    served.is_some_and(|operation| operation.is_reported.get() == SUPERSEDED)
}

/// What `is_reported` of an operation says whose place a span of the SDK has taken.
pub const SUPERSEDED: u32 = 2;

#[cfg(test)]
mod tests;
