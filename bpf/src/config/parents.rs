//! What finding a span's parent needs to know of a process: its contexts and its goroutines.

use core::mem::size_of;

use super::baggage::{BaggageConfig, NO_BAGGAGE};
use super::{ABSENT, Offset, ReadOnlyData, Setting};

/// `runtime.g`, `runtime.m` and the key under which the OpenTelemetry API keeps a span in a context.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ParentsConfig {
    /// `*net/http.contextKey`: the address of its descriptor in the file; 0 where the program has none.
    pub server_key: Setting<u64>,
    /// The descriptor of `go.opentelemetry.io/otel/trace.traceContextKeyType` in the file; 0 where there is none.
    pub span_key: Setting<u64>,
    /// Instrumentations by the SDK of OpenTelemetry whose operations have spans of ours too; [`Wrapper::NONE`] behind the last.
    pub wrappers: [Wrapper; MAX_WRAPPERS],
    /// The baggage that the program sets by the OpenTelemetry API.
    pub baggage: BaggageConfig,
    /// 1: the program has an exporter of its own, whose requests are not sampled ([`crate::trace::exports`]).
    pub has_exporter: Setting<u64>,
    /// 1: something in the program asks for parents, so spans are remembered under their contexts.
    pub wanted: Setting<u32>,
    /// 1: there are operations of tables, which may be parents.
    pub has_frames: Setting<u32>,
    /// `tracer.instrumentationScope.Name` of the SDK.
    pub sdk_scope: Offset,
    /// `tracer.provider *TracerProvider` of the SDK.
    pub sdk_provider: Offset,
    /// `TracerProvider.spanProcessors atomic.Pointer[spanProcessorStates]`, which points to a slice.
    pub sdk_processors: Offset,
    /// `g.goid uint64`.
    pub goid: Offset,
    /// `g.atomicstatus atomic.Uint32`.
    pub status: Offset,
    /// `g.m *m`.
    pub g_m: Offset,
    /// `m.curg *g`.
    pub m_curg: Offset,
    /// `g.stack.hi uintptr`.
    pub stack_high: Offset,
}

/// Before the launcher has set anything: nothing is remembered.
pub const EMPTY_PARENTS: ParentsConfig = ParentsConfig {
    server_key: Setting::new(0),
    span_key: Setting::new(0),
    wrappers: [const { Wrapper::NONE }; MAX_WRAPPERS],
    baggage: NO_BAGGAGE,
    has_exporter: Setting::new(0),
    wanted: Setting::new(0),
    has_frames: Setting::new(0),
    sdk_scope: Setting::new(ABSENT),
    sdk_provider: Setting::new(ABSENT),
    sdk_processors: Setting::new(ABSENT),
    goid: Setting::new(ABSENT),
    status: Setting::new(ABSENT),
    g_m: Setting::new(ABSENT),
    m_curg: Setting::new(ABSENT),
    stack_high: Setting::new(ABSENT),
};

/// An instrumentation by the SDK.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Wrapper {
    /// [`scope_number`] of its name; 0 for none.
    pub number: Setting<u64>,
    /// Of which layers the operations are that its spans are made of: bits of [`super::instrumentation`].
    pub layers: Setting<u64>,
}

impl Wrapper {
    /// None.
    pub const NONE: Self = Self { number: Setting::new(0), layers: Setting::new(0) };

    /// That with this name.
    #[must_use]
    pub fn new(name: &str, layers: u32) -> Self {
        Self { number: Setting::new(scope_number(name)), layers: Setting::new(layers.into()) }
    }
}

/// Instrumentations by the SDK that are known.
pub const MAX_WRAPPERS: usize = 32;
/// Bytes of an instrumentation's name that are looked at.
pub const SCOPE_NAME: usize = 96;

/// The number of an instrumentation's name, as the probes compute it of the first [`SCOPE_NAME`] bytes, filled up with zeros.
#[must_use]
pub fn scope_number(name: &str) -> u64 {
    let mut words = [0; SCOPE_NAME / 8];
    for (byte, copy) in name.bytes().zip(bytemuck::cast_slice_mut::<u64, u8>(&mut words)) {
        *copy = byte;
    }
    scope_number_of(&words)
}

/// The same of its words; never 0.
#[inline(always)]
#[must_use]
pub fn scope_number_of(words: &[u64; SCOPE_NAME / 8]) -> u64 {
    let mut number = 0_u64;
    for word in words {
        number = (number ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    number | 1
}

/// Types of contexts that are remembered.
pub const MAX_CONTEXT_TYPES: u32 = 256;

/// How to go on from a value of a type that is met on the way from a context to its parents.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextType {
    /// One of [`context_kind`].
    pub kind: u32,
    /// Offset of the inner context (an interface), or of what [`Self::through`] says.
    pub offset: u32,
    /// [`ABSENT`], or: at `offset` is a pointer to a struct in which the inner context has this offset. Of a span: where a pointer to the
    /// tracer of the SDK is that records it.
    pub through: u32,
    /// Of a span that the SDK records: where its `trace.SpanKind` is; of all else zero.
    pub span_kind: u32,
}

/// Values of [`ContextType::kind`].
pub mod context_kind {
    /// The type holds a context.
    pub const HOLDS: u32 = 0;
    /// `context.valueCtx`: the context, then a key and a value.
    pub const VALUE: u32 = 1;
    /// A span of the OpenTelemetry API that knows its identity; at `offset` is its `trace.SpanContext`.
    pub const SPAN: u32 = 2;
    /// The type holds a context, and has a method `Value` of its own: what it says of values is not known.
    pub const ANSWERS: u32 = 3;
}

const _: () = assert!(
    size_of::<ParentsConfig>() == (3 + 2 * MAX_WRAPPERS) * 8 + size_of::<BaggageConfig>() + 10 * 4
        && size_of::<ContextType>() == 16
);

// SAFETY: three 64-bit settings and an even number of 32-bit ones (see the size assertion above).
unsafe impl ReadOnlyData for ParentsConfig {}
