//! An operation begins that serves a request from elsewhere: its parent is the one that its carrier names, or the one within the process
//! that its context leads to, and its own context is remembered for all that is done for it. Where the same request is served by
//! `net/http`, its span is this one.

use super::begin;
use crate::config::MapLayout;
use crate::config::operations::OperationRecipe;
use crate::go::header::{self, InSlices};
use crate::missed::{Done, Missed};
use crate::records::append_lines;
use crate::records::operation::{TRACE_STATE, ValueHead, whole};
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::extracted::MAX_TRACE_STATE;
use crate::trace::frames::{self, Opening, Standing};
use crate::trace::goroutine::Goroutine;
use crate::trace::parents::{self, BY_CONTEXT};
use crate::trace::{extracted, remote, sampling, unwinding, wrapped};

/// A function is called where a request is served; `map` is how its carrier is read.
#[inline(always)]
pub(super) fn serve<T: Target>(target: &T, map: &MapLayout, number: u32) -> Done {
    let (recipe, goroutine, address) = begin::called(target, number)?;
    target.with_scratch(|scratch| open(target, map, scratch, recipe, number, goroutine, address))
}

#[inline(always)]
fn open<T: Target>(
    target: &T,
    map: &MapLayout,
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
    scratch.evaluation.begin(&target.registers(), target.opaque(0));
    target.follow(recipe.begin, scratch);
    if scratch.evaluation.refused != 0 {
        return Err(Missed::NothingToDo);
    }
    let carrier = scratch.evaluation.carrier;
    header::find(target, map, carrier, header::lengths(target.propagators()), &mut scratch.headers);
    parents::by_context(target, &mut scratch.search, scratch.evaluation.context);
    wrapped::look(target, &mut scratch.search, recipe.layer, false);
    identify(target, scratch);
    if scratch.search.is_wrapped != 0 {
        // The SDK's span is that of this request.
        scratch.search.parent.copy_to(&mut scratch.span);
    }
    let [_, context] = scratch.evaluation.context;
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
    let level = level as u32;
    let opening = Opening { level, operation: number, layer: recipe.layer, flags: recipe.flags, time, object: context };
    frames::open(target, goroutine, &standing, &opening, scratch)?;
    if context != 0 {
        target.remember_context(context, frames::holder(address, level));
    }
    if scratch.search.is_wrapped != 0 {
        begin::not_reported(target, &opening, address);
        return Ok(());
    }
    begin::reported::<_, true>(target, scratch, recipe, &opening, address)
}

/// Gives a new span its identity. What its carrier names is the parent of what serves the same request around it, if anything does.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn identify<T: Target>(target: &T, scratch: &mut Scratch) {
    let is_within = scratch.search.found == BY_CONTEXT;
    remote::extract::<_, InSlices>(target, &scratch.headers.found, &mut scratch.remote);
    let Scratch { span, search, random, remote, .. } = scratch;
    if search.is_request != 0 {
        // One request, and one span: that of the protocol within HTTP.
        search.parent.copy_to(span);
        return;
    }
    span.span_id = random.span_id();
    span.parent_is_remote = 0;
    span.propagation = 0;
    let decision = if is_within {
        span.trace_id = search.parent.trace_id;
        span.parent_span_id = search.parent.span_id;
        span.propagation = search.parent.propagation;
        Some(search.parent.trace_flags & 1 != 0)
    } else {
        if remote.found != 0 {
            span.trace_id = remote.trace_id;
            span.parent_span_id = remote.parent_id;
            span.parent_is_remote = 1;
        } else {
            span.trace_id = random.trace_id();
            span.parent_span_id = [0; 8];
        }
        remote.decision()
    };
    span.trace_flags = u8::from(sampling::is_sampled(target.settings(), &span.trace_id, decision));
    if !is_within {
        search.texts = extracted::key(span.span_id);
        extracted::extract::<_, InSlices>(target, scratch);
    }
}

/// Appends the state that came with what is served to the record, if it came with the parent.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub(super) fn append_state<T: Target>(target: &T, scratch: &mut Scratch) {
    let Scratch { record, headers, remote, .. } = scratch;
    let (at, element) = (record.length, headers.found.trace_state);
    if remote.is_w3c == 0 || element == 0 || !record.has_room() {
        return;
    }
    record.push_word(0);
    #[expect(clippy::cast_possible_truncation, reason = "at most the longest state")]
    let length = append_lines(target, record, element, MAX_TRACE_STATE as u32) as u32;
    if length == 0 {
        record.length = at;
        return;
    }
    record.length = at + 8 + u64::from(length.next_multiple_of(8));
    record.set_word(at, ValueHead { number: TRACE_STATE, whole: whole::WHOLE, length }.to_word());
}
