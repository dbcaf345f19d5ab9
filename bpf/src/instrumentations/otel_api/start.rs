//! A span of the program's begins: it gets its identity, as the child of what its context leads to.
//!
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*tracer).start(t, ctx, spanPtr, psc, sampled, sc)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoTracer).start(, ctx, spanPtr, psc, sampled, sc)

use super::queue;
use crate::config::otel_api::{CopyConfig, OtelApiConfig};
use crate::go::abi::{ARM64, FRAME_POINTER};
use crate::go::string::GoString;
use crate::instrumentations::operations::identify;
use crate::missed::{Done, Missed};
use crate::scratch::Scratch;
use crate::slots::SLOT_WORDS;
use crate::target::{Lookup, Step, Target};
use crate::trace::parents::BY_CONTEXT;
use crate::trace::wrapped::span_kind;
use crate::trace::{frames, parents};

/// What the API asks for, and where it wants it.
struct Answer {
    /// Whose child it is: trace id and span id.
    parent: ([u64; 3], u64),
    /// Its identity, as a `trace.SpanContext`: trace id, span id, flags, no state, whether it came from elsewhere.
    own: ([u64; 8], u64),
    /// Whether it is recorded.
    sampled: (u64, u64),
}

/// Bytes of a `trace.SpanContext`, up to and with its last field.
const IDENTITY_BYTES: u64 = 57;

pub(super) fn start<T: Target>(target: &T, copy: &CopyConfig, config: &OtelApiConfig) -> Done {
    let registers = target.registers();
    let (tracer, context) = (registers.argument(0), [registers.argument(1), registers.argument(2)]);
    let address = registers.goroutine();
    let name = GoString::at(target, tracer.wrapping_add(copy.tracer_name.get().into()));
    let is_wrapper = target.opaque(target.is_wrapper(name).into());
    target.with_scratch(|scratch| {
        let search = &mut scratch.search;
        parents::by_context(target, search, context);
        search.settle(target, true);
        if search.found == BY_CONTEXT
            && target.parents().has_frames.get() != 0
            && let Some(goroutine) = target.goroutine(address)
        {
            frames::take_innermost(target, goroutine, address, search);
        }
        let answer = answer(target, scratch, is_wrapper, config);
        give(target, &answer)
    })
}

/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn answer<T: Target>(target: &T, scratch: &mut Scratch, is_wrapper: u64, config: &OtelApiConfig) -> Answer {
    let registers = target.registers();
    let [parent_at, sampled_at, own_at] = [4, 5, 6].map(|number| registers.argument(number));
    identify(target, scratch);
    let Scratch { search, span, .. } = scratch;
    let found = u64::from(search.found != 0);
    let parent: [u64; 5] = *bytemuck::cast_ref(&search.parent);
    let own: [u64; 5] = *bytemuck::cast_ref(span);
    // What wraps something of which there is a span of ours records nothing, and hands on what it lies in.
    let chosen = if is_wrapper == 0 { own } else { parent.map(|word| word * found) };
    let [trace, trace_end, id, _, flags] = chosen;
    let sampled = flags & 1 & !is_wrapper;
    // What is said of the wrapper of a request that is served is said of that; of another one, the program does not know ours yet.
    let remote = is_wrapper & u64::from(!is_of_server(target, config));
    // The state of the parent's is that of the span. The context has it too, and the program has the context until it has made a copy of
    // this by instructions of its own: a collection misses nothing.
    let [state, state_length, state_capacity] = search.state;
    let parent = [parent[0], parent[1], parent[2]].map(|word| word * found);
    Answer {
        parent: (parent, parent_at),
        own: ([trace, trace_end, id, flags & 0xff, state, state_length, state_capacity, remote], own_at),
        sampled: (sampled, sampled_at),
    }
}

#[inline(always)]
fn give<T: Target>(target: &T, answer: &Answer) -> Done {
    let Answer { parent: (parent, parent_at), own: (own, own_at), sampled: (sampled, sampled_at) } = *answer;
    if T::STORES {
        let own: &[u8; 64] = bytemuck::cast_ref(&own);
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        let own = own.get(..IDENTITY_BYTES as usize).unwrap_or_default();
        let parent: &[u8; 24] = bytemuck::cast_ref(&parent);
        let sampled: [u8; 8] = sampled.to_le_bytes();
        let is_stored = target.store(parent_at, parent) && target.store(own_at, own) && target.store(sampled_at, &sampled[..1]);
        return if is_stored { Ok(()) } else { Err(Missed::Fault) };
    }
    queue(target, |words: &mut [u64; SLOT_WORDS]| {
        let [parent_command, own_command, sampled_command] = [0, 5, 15];
        words[parent_command] = parent_at;
        words[parent_command + 1] = 24;
        words[own_command] = own_at;
        words[own_command + 1] = IDENTITY_BYTES;
        words[sampled_command] = sampled_at;
        words[sampled_command + 1] = 1;
        words[sampled_command + 2] = sampled;
        for (place, word) in words[parent_command + 2..].iter_mut().zip(parent) {
            *place = word;
        }
        for (place, word) in words[own_command + 2..].iter_mut().zip(own) {
            *place = word;
        }
        3
    })
}

/// Whether the span that begins is of a request that is served, as far as can be told.
///
/// `Start` of a tracer, which asks, has its options on the stack: its receiver takes eight words, so that nothing else fits into amd64's nine
/// registers. An option is a function, whose closure has the kind.
#[inline(always)]
fn is_of_server<T: Target>(target: &T, config: &OtelApiConfig) -> bool {
    let option = config.function_option.get();
    if ARM64 || option == 0 {
        return false;
    }
    let frame = target.registers().integers[FRAME_POINTER];
    // The saved frame pointer, the return address, context, and name.
    let [options, count]: [u64; 2] = target.read_or_zero(frame.wrapping_add(16 + 16 + 16));
    let mut look = Kind { options, left: count, option: option.wrapping_add(target.load_bias()), found: target.opaque(0) };
    target.repeat(MAX_OPTIONS, &mut look);
    let kind = target.opaque(look.found);
    kind == span_kind::SERVER || kind == span_kind::CONSUMER
}

/// Options that are looked at.
const MAX_OPTIONS: u32 = 16;

/// The look for a kind among options.
struct Kind {
    options: u64,
    left: u64,
    option: u64,
    found: u64,
}

impl Step for Kind {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        if self.left == 0 {
            return false;
        }
        let [table, closure]: [u64; 2] = lookup.read_or_zero(self.options);
        self.options = self.options.wrapping_add(16);
        self.left -= 1;
        if table != 0 && lookup.read_or_zero::<u64>(table.wrapping_add(8)) == self.option {
            // Behind the function's address, what it has captured.
            let kind: u64 = lookup.read_or_zero(closure.wrapping_add(8));
            if (1..=span_kind::CONSUMER).contains(&kind) {
                self.found = kind;
            }
        }
        true
    }
}
