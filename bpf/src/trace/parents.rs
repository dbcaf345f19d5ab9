//! Whose child a new span is: found through the `context.Context` of the operation, else through the goroutine that it
//! runs on, else through the goroutine that created that one.

mod search;

pub use search::{BY_CONTEXT, NO_SEARCH, ParentSearch};

use crate::config::parents::{ContextType, ParentsConfig, context_kind};
use crate::config::{ABSENT, propagator};
use crate::missed::Missed;
use crate::records::SpanIdentity;
use crate::target::{Lookup, Step, Target};
use crate::trace::contexts::{self, Held};
use crate::trace::goroutine::Goroutine;
use crate::trace::{answered, creators, extracted, frames, wrapped};

/// Contexts within contexts that are looked at, at most.
const MAX_CONTEXTS: u32 = 64;
/// Finds the parent of an operation that begins on the goroutine at `address` with the context whose interface value is
/// `context`, and notes it in `search`.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find<T: Target>(target: &T, goroutine: &Goroutine, search: &mut ParentSearch, address: u64, context: [u64; 2]) {
    search.is_sdk = target.opaque(0);
    search.remote[2] = target.opaque(0);
    search.recorded_at = [target.opaque(0), target.opaque(0)];
    look(target, goroutine, search, address, context);
    search.settle(target, false);
    search.texts = extracted::key(search.parent.span_id);
    if search.is_sdk != 0 {
        take_texts(goroutine, search, address);
    }
    if target.parents().has_frames.get() != 0 {
        frames::take_innermost(target, goroutine, address, search);
    }
    if search.found == 0 {
        // Nothing came with it.
        search.parent.propagation = 0;
    }
}

/// Under a span of the OpenTelemetry API, what came with the request that is served is passed on as well, if that is of the same trace.
/// What the program's propagators have set already stays the only one ([`crate::trace::injection::to_inject`]).
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn take_texts(goroutine: &Goroutine, search: &mut ParentSearch, address: u64) {
    let mut served = SpanIdentity::NONE;
    let is_its = goroutine.active().is_some_and(|operation| operation.span.copy_of(address, &mut served));
    let [trace, trace_end]: [u64; 2] = bytemuck::cast(served.trace_id);
    let [other, other_end]: [u64; 2] = bytemuck::cast(search.parent.trace_id);
    if is_its && (trace ^ other) | (trace_end ^ other_end) == 0 {
        search.parent.propagation = served.propagation & (propagator::TRACE_STATE | propagator::BAGGAGE);
        search.texts = extracted::key(served.span_id);
    }
}

/// Notes in `search` the parent that a context alone leads to, if it does ([`BY_CONTEXT`]).
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn by_context<T: Target>(target: &T, search: &mut ParentSearch, context: [u64; 2]) {
    [search.table, search.data] = context;
    search.found = target.opaque(0);
    search.from_server = target.opaque(0);
    search.is_request = target.opaque(0);
    search.is_sdk = target.opaque(0);
    search.is_keyed = target.opaque(0);
    search.state = [target.opaque(0), target.opaque(0), target.opaque(0)];
    search.remote[2] = target.opaque(0);
    search.recorded_at = [target.opaque(0), target.opaque(0)];
    search.holder = target.opaque(0);
    search.walk(target);
    search.texts = extracted::key(search.parent.span_id);
}

/// The same, without regard to operations of tables.
#[inline(always)]
fn look<T: Target>(target: &T, goroutine: &Goroutine, search: &mut ParentSearch, address: u64, context: [u64; 2]) {
    [search.table, search.data] = context;
    search.found = target.opaque(0);
    search.from_server = target.opaque(0);
    let active = goroutine.active();
    // Most requests are made with the context of the request that is being served.
    let is_served = |object: u64| object == search.data && object != 0;
    let is_named = active.is_some_and(|operation| is_served(operation.object.get()));
    if !is_named {
        search.walk(target);
        if search.found != 0 {
            return;
        }
    }
    if let Some(operation) = active {
        // What another goroutine has the memory of has no parent here.
        search.found = u64::from(operation.span.copy_of(address, &mut search.parent)) << u64::from(is_named);
        return;
    }
    search.found = u64::from(creators::find(target, address, &mut search.parent));
    if search.from_server > search.found {
        target.count(Missed::ContextForgotten);
    }
}

impl ParentSearch {
    /// From the context to what it leads to.
    #[inline(always)]
    fn walk<T: Target>(&mut self, target: &T) {
        target.repeat(MAX_CONTEXTS, &mut ContextWalk { config: target.parents(), load_bias: target.load_bias(), search: self });
    }

    /// Makes the span of another process that is named on the way the parent, if there is one, where nothing was found; and where the program
    /// `decides`, which has not asked for what it has found itself: unless what was found is that span, or its child.
    ///
    /// A call of its own in BPF: what it branches on is forgotten when it returns.
    #[inline(never)]
    pub fn settle<T: Target>(&mut self, target: &T, decides: bool) {
        let [trace, trace_end, id, flags, state @ ..] = self.remote;
        let [_, _, own, parent, _]: [u64; 5] = *bytemuck::cast_ref(&self.parent);
        let is_other = own != id && parent != id;
        if id != 0 && (self.found == 0 || decides && is_other) {
            let words: [u64; 5] = [trace, trace_end, id, target.opaque(0), flags];
            self.take(bytemuck::cast_ref(&words));
            self.is_sdk = 1;
            self.state = state;
            self.holder = target.opaque(0);
        }
    }

    #[inline(always)]
    fn take(&mut self, span: &SpanIdentity) {
        span.copy_to(&mut self.parent);
        self.found = BY_CONTEXT;
    }

    /// Whether a span of another process was named on the way.
    #[cfg(test)]
    fn names_remote(&self) -> bool {
        self.remote[2] != 0
    }

    /// Whether the context has a value of the OpenTelemetry API for its span, of whatever kind, nearer than what was found.
    #[inline(always)]
    #[must_use]
    pub fn has_own_span(&self) -> bool {
        self.is_keyed != 0
    }

    /// Whether the parent is a span of the OpenTelemetry API.
    #[inline(always)]
    #[must_use]
    pub fn is_of_api(&self) -> bool {
        self.is_sdk != 0
    }
}

/// The loop from a context to the ones it was made of.
struct ContextWalk<'a> {
    config: &'a ParentsConfig,
    load_bias: u64,
    search: &'a mut ParentSearch,
}

impl Step for ContextWalk<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { config, load_bias, search } = self;
        if search.is_served(lookup) {
            return false;
        }
        let Some(Held { inner, key, value_type, value, .. }) = contexts::held(lookup, [search.table, search.data]) else {
            return false;
        };
        [search.table, search.data] = inner;
        if key == 0 {
            return true;
        }
        // `http.ServerContextKey` and `http.LocalAddrContextKey` are of this type.
        if config.server_key.get() != 0 && key == config.server_key.get().wrapping_add(*load_bias) {
            search.from_server = 1;
        }
        let key_type = config.span_key.get();
        if key_type == 0 || key != key_type.wrapping_add(*load_bias) {
            return true;
        }
        search.own_span = if search.is_keyed == 0 { value } else { search.own_span };
        search.is_keyed = 1;
        match lookup.context_type(value_type) {
            Some(span) if span.kind == context_kind::SPAN => !search.take_sdk_span(lookup, config, span, value),
            Some(_) | None => true,
        }
    }
}

impl ParentSearch {
    /// Takes the span of the request whose context this is, if it is one's.
    #[inline(always)]
    fn is_served<L: Lookup>(&mut self, lookup: &L) -> bool {
        let is_found = match lookup.context_goroutine(self.data) {
            Some(holder) if self.take_served(lookup, holder) => true,
            Some(_) | None => answered::find(lookup, self.data, &mut self.parent),
        };
        if is_found {
            self.found = BY_CONTEXT;
        }
        is_found
    }

    /// Takes the span of the request that the goroutine at `holder` serves, or an operation on it, if that has this context.
    #[inline(always)]
    fn take_served<L: Lookup>(&mut self, lookup: &L, holder: u64) -> bool {
        if let Some(key) = frames::of_holder(holder) {
            return lookup.frame(key).is_some_and(|frame| {
                let is_its = frame.object.get() == self.data && frame.span.copy_of(key, &mut self.parent);
                self.holder = holder * u64::from(is_its);
                is_its && frame.object.get() == self.data
            });
        }
        let served = lookup.goroutine(holder).and_then(|goroutine| goroutine.active());
        served.is_some_and(|operation| {
            let is_its = operation.object.get() == self.data && operation.span.copy_of(holder, &mut self.parent);
            // Still: it may serve the next one by now.
            let is_request = is_its && operation.object.get() == self.data;
            self.is_request = u64::from(is_request);
            self.holder = holder * u64::from(is_request);
            is_request
        })
    }

    /// Takes a span of the OpenTelemetry API as the parent. False where it is not one of this process, or none at all.
    ///
    /// `trace.SpanContext` (`go.opentelemetry.io/otel/trace/trace.go`): trace id, span id, flags, trace state, remote; the
    /// launcher has compared the offsets.
    #[inline(always)]
    fn take_sdk_span<L: Lookup>(&mut self, lookup: &L, config: &ParentsConfig, span: &ContextType, address: u64) -> bool {
        let words: [u64; 8] = lookup.read_or_zero(address.wrapping_add(span.offset.into()));
        let [trace, trace_end, id, flags, state, state_length, state_capacity, remote] = words;
        if remote & 0xff != 0 {
            if self.remote[2] == 0 {
                self.remote = [trace, trace_end, id, flags & 0xff, state, state_length, state_capacity];
            }
            return false;
        }
        if id == 0 {
            return false;
        }
        // Nobody sees a span that the SDK hands to no processor.
        if span.through != ABSENT
            && !wrapped::is_exported(lookup, config, lookup.read_or_zero(address.wrapping_add(span.through.into())))
        {
            return false;
        }
        let words: [u64; 5] = [trace, trace_end, id, lookup.opaque(0), flags & 0xff];
        self.take(bytemuck::cast_ref(&words));
        self.is_sdk = 1;
        self.state = [state, state_length, state_capacity];
        if span.through != ABSENT {
            self.recorded_at = [address.wrapping_add(span.through.into()), address.wrapping_add(span.span_kind.into())];
        }
        true
    }
}

#[cfg(test)]
mod tests;
