//! The baggage that the program sets by the OpenTelemetry API (`baggage.ContextWithBaggage`): what is sent with a context that has some carries
//! that, instead of what came in.

use crate::config::baggage::BaggageConfig;
use crate::config::parents::{ParentsConfig, context_kind};
use crate::config::{Offset, propagator};
use crate::go::baggage;
use crate::scratch::Scratch;
use crate::target::{Lookup, Step, Target};
use crate::trace::contexts;
use crate::trace::goroutine::Goroutine;
use crate::trace::{extracted, frames};

/// Contexts within contexts that are looked at, at most.
const MAX_CONTEXTS: u32 = 64;

/// What a context says of baggage. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// 1 where the program has set some, or that there is none.
    pub is_set: u64,
    /// The map; 0 where there is none.
    pub list: u64,
    /// 1 where some came with the request that is served.
    came: u64,
    /// 0 where something is sent. Else what came is looked for as well: the type of the key under which gRPC keeps the metadata of a call, or
    /// [`NO_METADATA`].
    pub received: u64,
    /// The metadata of the call, a map; 0 where there is none.
    pub metadata: u64,
    /// The goroutine that serves the request whose context it is; 0 where it is none's.
    pub holder: u64,
    /// That context.
    pub served: u64,
}

/// [`Set::received`] of a program without gRPC. No type has this address.
pub const NO_METADATA: u64 = 1;

/// Nothing.
pub const NOT_SET: Set = Set { is_set: 0, list: 0, came: 0, received: 0, metadata: 0, holder: 0, served: 0 };

/// Whether the program sets baggage that would be injected.
#[inline(always)]
fn is_wanted<T: Target>(target: &T) -> bool {
    target.parents().baggage.key.get() != 0 && target.propagators().has(propagator::BAGGAGE)
}

/// Looks what the program has set in the context of something that is sent on this goroutine, and notes that what is sent carries it.
#[inline(always)]
pub fn look<T: Target>(target: &T, scratch: &mut Scratch, goroutine: &Goroutine, context: [u64; 2]) {
    if !is_wanted(target) {
        return;
    }
    let [_, data] = context;
    // Most requests are made with the context of the request that is being served, as it came. The verifier would follow both ways.
    if T::STORES && goroutine.active().is_some_and(|operation| operation.object.get() == data && data != 0) {
        scratch.baggage.is_set = 0;
        return;
    }
    scratch.baggage.received = target.opaque(0);
    target.find_baggage(scratch, context);
}

/// Looks through a context: [`look`], where there may be something; or, where [`Set::received`] says so, for what came.
pub fn find<L: Lookup>(lookup: &L, config: &ParentsConfig, load_bias: u64, scratch: &mut Scratch, context: [u64; 2]) {
    let Scratch { baggage: set, search, .. } = scratch;
    set.is_set = lookup.opaque(0);
    set.metadata = lookup.opaque(0);
    set.holder = lookup.opaque(0);
    let config = &config.baggage;
    let key = config.key.get().wrapping_add(load_bias);
    lookup.repeat(MAX_CONTEXTS, &mut Walk { config, key, context, set });
    if lookup.opaque(set.is_set) != 0 && set.received == 0 {
        let propagation = search.parent.propagation;
        set.came = u64::from(propagation & propagator::BAGGAGE != 0);
        search.parent.propagation = propagation & !propagator::BAGGAGE | (u8::from(set.list != 0) * propagator::BAGGAGE);
    }
}

/// The loop from a context to the ones it was made of.
struct Walk<'a> {
    config: &'a BaggageConfig,
    key: u64,
    context: [u64; 2],
    set: &'a mut Set,
}

impl Step for Walk<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let [_, data] = self.context;
        if self.set.received != 0
            && let Some(holder) = lookup.context_goroutine(data)
            && frames::of_holder(holder).is_none()
        {
            [self.set.holder, self.set.served] = [holder, data];
            return false;
        }
        let Some(held) = contexts::held(lookup, self.context) else {
            return false;
        };
        // What it says of baggage is for it to say.
        if held.kind == context_kind::ANSWERS {
            return false;
        }
        self.context = held.inner;
        if held.key == self.set.received && held.key != 0 {
            // A map, which an interface value holds itself.
            self.set.metadata = held.value;
            return false;
        }
        if held.key != self.key {
            return true;
        }
        // `baggageState` (`go.opentelemetry.io/otel/internal/baggage`).
        let at = |offset: &Offset| held.value.wrapping_add(offset.get().into());
        self.set.list = lookup.read_or_zero(at(&self.config.list));
        let [set_hook, get_hook]: [u64; 2] = lookup.read_or_zero(at(&self.config.hooks));
        // A bridge to OpenTracing says what there is.
        self.set.is_set = u64::from(self.set.list != 0 || set_hook | get_hook == 0);
        false
    }
}

/// Where the program has set baggage that goes with the span that begins: remembers it under a number of the span's own, with the `tracestate`
/// that came.
#[inline(always)]
pub fn take<T: Target>(target: &T, scratch: &mut Scratch) {
    if is_wanted(target) {
        target.remember_baggage(scratch);
    }
}

/// [`take`], where there may be something.
pub fn remember<L: Lookup>(lookup: &L, config: &ParentsConfig, scratch: &mut Scratch) {
    let Scratch { span, search, baggage: set, extracted, encoding, .. } = scratch;
    if set.is_set == 0 || span.propagation & propagator::BAGGAGE == 0 {
        return;
    }
    extracted.trace_state_length = lookup.opaque(0);
    extracted.baggage_length = lookup.opaque(0);
    let is_merged = set.came != 0 && config.baggage.is_unseen.get() != 0;
    if (is_merged || span.propagation & propagator::TRACE_STATE != 0)
        && let Some(came) = lookup.extracted(search.texts)
    {
        extracted.trace_state_length = came.trace_state_length;
        extracted.trace_state = came.trace_state;
        if is_merged {
            // A key that stands twice counts where it stands last.
            extracted.baggage_length = came.baggage_length;
            extracted.baggage = came.baggage;
        }
        if !came.is_of(search.texts) {
            extracted.trace_state_length = lookup.opaque(0);
            extracted.baggage_length = lookup.opaque(0);
        }
    }
    let before = extracted.baggage_length;
    extracted.baggage_length = baggage::encode(lookup, &config.baggage, set.list, encoding, &mut extracted.baggage, before);
    extracted.key = extracted::key(span.span_id);
    search.texts = extracted.key;
    lookup.set_extracted(extracted.key, extracted);
}

/// The span with this id ends, with whose texts, under this number, something was sent.
#[inline(always)]
pub fn ended<T: Target>(target: &T, span_id: [u8; 8], texts: u64) {
    if is_wanted(target) {
        target.forget_baggage(span_id, texts);
    }
}

/// Forgets the texts with this number, if they are those that [`remember`] has remembered for the span with this id.
pub fn forget<L: Lookup>(lookup: &L, span_id: [u8; 8], texts: u64) {
    if texts == extracted::key(span_id) {
        lookup.forget_extracted(texts);
    }
}
