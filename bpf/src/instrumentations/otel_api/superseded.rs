//! The SDK begins a span for an operation that has one of ours: that one steps back.

use super::{SUPERSEDED, provided};
use crate::config::operations::flag;
use crate::config::otel_api::OtelApiConfig;
use crate::missed::{Done, Missed};
use crate::records::kind;
use crate::records::otel_api::Superseded;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::frames;
use crate::trace::parents::{self, BY_CONTEXT};
use crate::trace::wrapped::{is_exported, layers, span_kind};

/// A span of a request that is served is one of the request around, whoever makes it; one of a call, where it is made for an instrumentation
/// of such calls, and within one.
pub(super) fn started<T: Target>(target: &T, config: &OtelApiConfig) -> Done {
    let registers = target.registers();
    let (tracer, options) = (registers.argument(0), registers.argument(5));
    let context = [registers.argument(1), registers.argument(2)];
    let of_kind: u64 = target.read_or_zero(options.wrapping_add(config.sdk_kind.get().into()));
    let address = registers.goroutine();
    let _without_stand_ins = provided(target);
    if !is_exported(target, target.parents(), tracer) {
        return Err(Missed::NothingToDo);
    }
    target.with_scratch(|scratch| {
        let found = match of_kind {
            span_kind::SERVER => served(target, scratch, context),
            span_kind::CONSUMER => layers(target, tracer) != 0 && served(target, scratch, context),
            span_kind::CLIENT | span_kind::PRODUCER => called(target, scratch, address, layers(target, tracer)),
            _ => false,
        };
        if !found {
            return Err(Missed::NothingToDo);
        }
        let Scratch { span, record, .. } = scratch;
        record.length = target.opaque(size_of::<Superseded>() as u64);
        let head: &mut Superseded = record.head();
        head.span_id = span.span_id;
        record.submit(target, kind::SUPERSEDED, false)
    })
}

/// Takes the place of the request that is served around; notes its span.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn served<T: Target>(target: &T, scratch: &mut Scratch, context: [u64; 2]) -> bool {
    let Scratch { search, span, .. } = scratch;
    parents::by_context(target, search, context);
    if search.found != BY_CONTEXT || search.is_of_api() {
        return false;
    }
    search.parent.copy_to(span);
    match frames::of_holder(search.holder) {
        _ if search.holder == 0 => false,
        Some(key) => target.frame(key).is_some_and(|frame| take(&frame.is_reported)),
        None => {
            let served = target.goroutine(search.holder).and_then(|goroutine| goroutine.active());
            served.is_some_and(|operation| take(&operation.is_reported))
        }
    }
}

/// Takes the place of the call that the goroutine at `address` makes, if it does and the call is of one of these layers; notes its span.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn called<T: Target>(target: &T, scratch: &mut Scratch, address: u64, layers: u32) -> bool {
    let Some(goroutine) = target.goroutine(address) else {
        return false;
    };
    let open = goroutine.frames();
    if open == 0 {
        return false;
    }
    let own = frames::key(address, open - 1);
    target.frame(own).is_some_and(|frame| {
        let recipe = target.operation(frame.operation.get());
        let is_its = recipe.is_some_and(|recipe| recipe.flags & flag::IS_CLIENT != 0 && recipe.layer & layers != 0);
        is_its && frame.span.copy_of(own, &mut scratch.span) && take(&frame.is_reported)
    })
}

/// Notes that the place of an operation is taken, of whose start the launcher knows; false where it was before.
#[inline(always)]
fn take(is_reported: &crate::shared::Shared<u32>) -> bool {
    let was = is_reported.get();
    if was != 1 {
        return false;
    }
    is_reported.set(SUPERSEDED);
    true
}
