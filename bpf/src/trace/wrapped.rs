//! Operations that have a span of ours, and one of the SDK of OpenTelemetry too, by an instrumentation that the program wraps around them.

use crate::config::ABSENT;
use crate::config::parents::{MAX_WRAPPERS, ParentsConfig, SCOPE_NAME, Wrapper, scope_number_of};
use crate::go::string::GoString;
use crate::target::{Lookup, Step, Target};
use crate::trace::parents::ParentSearch;

/// `trace.SpanKind` (`go.opentelemetry.io/otel/trace/span.go`).
pub mod span_kind {
    /// `SpanKindServer`.
    pub const SERVER: u64 = 2;
    /// `SpanKindClient`.
    pub const CLIENT: u64 = 3;
    /// `SpanKindProducer`.
    pub const PRODUCER: u64 = 4;
    /// `SpanKindConsumer`, the last.
    pub const CONSUMER: u64 = 5;
}

/// Whether the spans of a tracer of the SDK go anywhere: its provider has processors. Frameworks set one without any, whose spans nobody sees.
#[inline(always)]
pub fn is_exported<L: Lookup>(lookup: &L, config: &ParentsConfig, tracer: u64) -> bool {
    if config.sdk_processors.get() == ABSENT {
        return true;
    }
    let provider: u64 = lookup.read_or_zero(tracer.wrapping_add(config.sdk_provider.get().into()));
    let processors: u64 = lookup.read_or_zero(provider.wrapping_add(config.sdk_processors.get().into()));
    lookup.read_or_zero::<u64>(processors.wrapping_add(8)) != 0
}

/// Notes whether the parent that was found is the span of an operation of this layer that begins now: the SDK records it for an
/// instrumentation of such operations, and it is of the same kind.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub fn look<T: Target>(target: &T, search: &mut ParentSearch, layer: u32, is_client: bool) {
    search.is_wrapped = target.opaque(0);
    let [tracer_at, kind_at] = search.recorded_at;
    if tracer_at == 0 {
        return;
    }
    let kind: u64 = target.read_or_zero(kind_at);
    let is_same = match kind {
        span_kind::CLIENT | span_kind::PRODUCER => is_client,
        span_kind::SERVER | span_kind::CONSUMER => !is_client,
        _ => false,
    };
    let tracer: u64 = target.read_or_zero(tracer_at);
    if is_same && layers(target, tracer) & layer != 0 {
        search.is_wrapped = 1;
    }
}

/// 1 where the parent that was found is a span that the SDK records, of a call that is made; else 0.
#[inline(always)]
pub fn is_call<T: Target>(target: &T, search: &ParentSearch) -> u64 {
    let [tracer_at, kind_at] = search.recorded_at;
    if tracer_at == 0 {
        return target.opaque(0);
    }
    let kind: u64 = target.read_or_zero(kind_at);
    // Without a branch for each.
    target.opaque(u64::from(kind == span_kind::CLIENT) | u64::from(kind == span_kind::PRODUCER))
}

/// Of which layers the operations are that the spans of a tracer of the SDK are made of; 0 where that is not known.
#[inline(always)]
pub fn layers<T: Target>(target: &T, tracer: u64) -> u32 {
    target.wrapped_layers(GoString::at(target, tracer.wrapping_add(target.parents().sdk_scope.get().into())))
}

/// The layers of the operations of which an instrumentation with this name makes spans that have spans of ours; 0 for none.
#[inline(always)]
pub fn layers_of<L: Lookup>(lookup: &L, config: &ParentsConfig, name: GoString) -> u32 {
    let mut words = [lookup.opaque(0); SCOPE_NAME / 8];
    if name.length == 0 || name.length > SCOPE_NAME as u64 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the size of the words")]
    if !lookup.read_prefix(name.address, name.length as u32, &mut words) {
        return 0;
    }
    let mut look = Find { config, number: scope_number_of(&words), next: lookup.opaque(0), found: lookup.opaque(0) };
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    lookup.repeat(MAX_WRAPPERS as u32, &mut look);
    #[expect(clippy::cast_possible_truncation, reason = "as many bits as layers have")]
    let found = lookup.opaque(look.found) as u32;
    found
}

/// The look for a name's number.
struct Find<'a> {
    config: &'a ParentsConfig,
    number: u64,
    next: u64,
    /// Its layers.
    found: u64,
}

impl Step for Find<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, _lookup: &L) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of names")]
        let Some(Wrapper { number, layers }) = self.config.wrappers.get(self.next as usize) else {
            return false;
        };
        self.next += 1;
        // Without a branch.
        self.found |= layers.get() & u64::from(number.get() == self.number).wrapping_neg();
        number.get() != 0
    }
}

#[cfg(test)]
mod tests;
