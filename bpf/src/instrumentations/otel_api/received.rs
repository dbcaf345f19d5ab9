//! The program asks for the baggage of a context. Where it has set none there, and the context is that of a request that is served, it gets what
//! came with that: the function goes on as `baggage.Parse`, with the header's value as the program has it.
//!
//! The string must be one that Go's garbage collector keeps, as of a program that reads it there: gRPC's metadata, which nobody changes, are found
//! by the context itself; a request only on the goroutine that serves it, which has it on its stack, and may change its headers.
//!
//! match-go: v1.28.0..: go.opentelemetry.io/otel/internal/baggage.ListFromContext(ctx)
//! match-go: v1.28.0..: go.opentelemetry.io/otel/baggage.Parse(bStr)

use super::leave;
use crate::config::otel_api::ReceivedConfig;
use crate::config::{ABSENT, Offset, propagator};
use crate::go::header;
use crate::go::string::GoString;
use crate::missed::{Done, Missed};
use crate::slots::site;
use crate::target::Target;
use crate::trace::baggage::{NO_METADATA, Set};
use crate::trace::operation::{Operation, kind};

/// The length of the header's name, as [`header::find`] takes it.
const NAME: u32 = 1 << 7;

/// The program asks for the baggage of a context.
#[inline(always)]
pub(super) fn asked<T: Target>(target: &T, config: &ReceivedConfig) -> Done {
    if config.parse.get() == 0 || !target.propagators().has(propagator::BAGGAGE) {
        return Err(Missed::NothingToDo);
    }
    let registers = target.registers();
    let context = [registers.argument(0), registers.argument(1)];
    target.with_scratch(|scratch| {
        let (key, bias) = (config.metadata_key.get(), target.load_bias());
        scratch.baggage.received = if key == 0 { NO_METADATA } else { key.wrapping_add(bias) };
        target.find_baggage(scratch, context);
        if scratch.baggage.is_set != 0 {
            return Err(Missed::NothingToDo);
        }
        let map = came_with(target, config, &scratch.baggage);
        header::find(target, &config.map, target.opaque(map), NAME, &mut scratch.headers);
        let element = scratch.headers.found.baggage;
        if element == 0 {
            return Err(Missed::NothingToDo);
        }
        // Of several lines each alone would be another list.
        let GoString { address, length } = GoString::only_of_slice(target, element);
        if length == 0 {
            return Err(Missed::NothingToDo);
        }
        leave(target, site::BAGGAGE, [address, length], config.parse.get().wrapping_add(bias))
    })
}

/// The map with the headers of the request whose context was found; 0 where there is none.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn came_with<T: Target>(target: &T, config: &ReceivedConfig, found: &Set) -> u64 {
    if found.metadata != 0 {
        return found.metadata;
    }
    if found.holder == 0 || found.holder != target.registers().goroutine() {
        return target.opaque(0);
    }
    let served = target.goroutine(found.holder).and_then(|goroutine| goroutine.active());
    let Some(operation) = served.filter(|operation| operation.object.get() == found.served) else {
        return target.opaque(0);
    };
    headers(target, config, operation)
}

/// The headers of a request that is served, as what serves it has them; 0 where they are not known.
#[inline(always)]
fn headers<T: Target>(target: &T, config: &ReceivedConfig, operation: &Operation) -> u64 {
    let [_, writer] = &operation.words;
    let writer = writer.get();
    let field = |of: u64, offset: &Offset| target.read_or_zero::<u64>(of.wrapping_add(offset.get().into()));
    let number = match operation.kind.get() {
        kind::HTTP1_SERVER => return field(field(writer, &config.request), &config.header),
        kind::HTTP2_SERVER => 0,
        kind::XNET_SERVER => 1,
        _ => return target.opaque(0),
    };
    let (state, request, header) = (&config.state[number], &config.state_request[number], &config.state_header[number]);
    if state.get() == ABSENT {
        return target.opaque(0);
    }
    let state = field(writer, state);
    field(if request.get() == ABSENT { state } else { field(state, request) }, header)
}
