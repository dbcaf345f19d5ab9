//! What the probes of the OpenTelemetry API need to know of a program.
//!
//! The API for Go records spans for a tracer outside in two places, which are copies of each other: `go.opentelemetry.io/auto/sdk`, and
//! `go.opentelemetry.io/otel/trace` (`auto.go`, 1.36 and newer).

use core::mem::size_of;

use super::{ABSENT, MapLayout, NO_MAP, Offset, ReadOnlyData, Setting};

/// One of the two copies.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CopyConfig {
    /// `span.spanContext trace.SpanContext`.
    pub identity: Offset,
    /// `span.sampled atomic.Bool`.
    pub sampled: Offset,
    /// `tracer.name string`.
    pub tracer_name: Offset,
    /// Zero.
    pub padding: Setting<u32>,
}

/// Functions of the SDK that are known.
pub const SDK_FUNCTIONS: usize = 3;

/// Where the baggage is that came with a request, and what parses it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ReceivedConfig {
    /// `baggage.Parse`: its address in the file; 0 where the program's contexts have none of what came.
    pub parse: Setting<u64>,
    /// The descriptor of `google.golang.org/grpc/metadata.mdIncomingKey` in the file; 0 where there is none.
    pub metadata_key: Setting<u64>,
    /// `http.Header`, and `metadata.MD`.
    pub map: MapLayout,
    /// `http.response.req *Request`.
    pub request: Offset,
    /// `http.Request.Header Header`.
    pub header: Offset,
    /// Of an HTTP/2 server of the standard library, and of that of `golang.org/x/net/http2`: `responseWriter.rws *responseWriterState`.
    pub state: [Offset; 2],
    /// `responseWriterState.req *http.Request`; [`ABSENT`] since Go 1.27, where it is a `http2.ServerRequest` within the state.
    pub state_request: [Offset; 2],
    /// Its field `Header http.Header`; where it lies within the state, in that.
    pub state_header: [Offset; 2],
}

/// None.
pub const NO_RECEIVED: ReceivedConfig = ReceivedConfig {
    parse: Setting::new(0),
    metadata_key: Setting::new(0),
    map: NO_MAP,
    request: Setting::new(ABSENT),
    header: Setting::new(ABSENT),
    state: [const { Setting::new(ABSENT) }; 2],
    state_request: [const { Setting::new(ABSENT) }; 2],
    state_header: [const { Setting::new(ABSENT) }; 2],
};

/// The program's API.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OtelApiConfig {
    /// The itab of the type of span that stands in for one of ours, for `trace.Span`, in the file; 0 where none can.
    pub stand_in_table: Setting<u64>,
    /// The method of that type by which a span says whether it is recorded; 0 where it is not known.
    pub is_recording: Setting<u64>,
    /// `trace.attributeOption`: the address of its descriptor in the file; 0 where the program has none, as below.
    pub attribute_option: Setting<u64>,
    /// `trace.timestampOption`.
    pub timestamp_option: Setting<u64>,
    /// `trace.spanOptionFunc`.
    pub function_option: Setting<u64>,
    /// Functions of the SDK that ask for the span of a context where one begins: from where to where, in the file; zeros where there is none.
    pub sdk_code: [[Setting<u64>; 2]; SDK_FUNCTIONS],
    /// The baggage that came.
    pub received: ReceivedConfig,
    /// The two copies: `auto/sdk`, and `otel/trace`.
    pub copies: [CopyConfig; 2],
    /// Where a stand-in has its `trace.SpanContext`.
    pub stand_in_identity: Offset,
    /// `trace.SpanConfig.spanKind`.
    pub sdk_kind: Offset,
    /// Words of the itab.
    pub table_words: Setting<u32>,
    /// Zero.
    pub padding: Setting<u32>,
}

const NO_COPY: CopyConfig = CopyConfig {
    identity: Setting::new(ABSENT),
    sampled: Setting::new(ABSENT),
    tracer_name: Setting::new(ABSENT),
    padding: Setting::new(0),
};

/// Before the launcher has set anything.
pub const EMPTY_OTEL_API: OtelApiConfig = OtelApiConfig {
    stand_in_table: Setting::new(0),
    is_recording: Setting::new(0),
    attribute_option: Setting::new(0),
    timestamp_option: Setting::new(0),
    function_option: Setting::new(0),
    sdk_code: [const { [const { Setting::new(0) }; 2] }; SDK_FUNCTIONS],
    received: NO_RECEIVED,
    copies: [NO_COPY; 2],
    stand_in_identity: Setting::new(ABSENT),
    sdk_kind: Setting::new(ABSENT),
    table_words: Setting::new(0),
    padding: Setting::new(0),
};

/// What a hit means ([`super::Cookie::event`]). Where there are two copies, [`SECOND`] is added for the other.
pub mod event {
    /// `global.(*tracer).newSpan`: the fourth word is the address of what switches spans on.
    pub const SWITCH: u32 = 1;
    /// `trace.noopSpan.tracerProvider`: the third word is.
    pub const SWITCH_PROVIDER: u32 = 2;
    /// `(*tracer).start`: the tracer, the context, the span, and the addresses of the parent's identity, the sampler's decision and the
    /// span's own identity.
    pub const START: u32 = 3;
    /// `(*span).ended`: the span, and what is exported of it: `[]byte`.
    pub const ENDED: u32 = 4;
    /// `trace.SpanFromContext`: the context.
    pub const CURRENT: u32 = 5;
    /// `(*tracer).newSpan` of the SDK: the tracer, the context, the name, the configuration.
    pub const SDK_START: u32 = 6;
    /// `global.SetTracerProvider`: the program has a provider of its own.
    pub const PROVIDED: u32 = 7;
    /// `baggage.ListFromContext`: the context.
    pub const BAGGAGE: u32 = 8;
    /// `(*span).SetAttributes`: the span, `[]attribute.KeyValue`.
    pub const SET_ATTRIBUTES: u32 = 16;
    /// `(*span).AddEvent`: the span, the name, `[]trace.EventOption`.
    pub const ADD_EVENT: u32 = 17;
    /// `(*span).RecordError`: the span, the error, `[]trace.EventOption`.
    pub const RECORD_ERROR: u32 = 18;
    /// `(*span).SetStatus`: the span, the code, the description.
    pub const SET_STATUS: u32 = 19;
    /// `(*span).SetName`: the span, the name.
    pub const SET_NAME: u32 = 20;
    /// `(*span).AddLink`: the span; the link is on the stack.
    pub const ADD_LINK: u32 = 21;
    /// Added for the second copy.
    pub const SECOND: u32 = 32;
}

const _: () = assert!(
    size_of::<ReceivedConfig>() == 2 * 8 + (16 + 8) * 4
        && size_of::<OtelApiConfig>() == (5 + 2 * SDK_FUNCTIONS) * 8 + size_of::<ReceivedConfig>() + 2 * 16 + 4 * 4
);

// SAFETY: 64-bit settings, then an even number of 32-bit ones (see the size assertion above).
unsafe impl ReadOnlyData for OtelApiConfig {}
