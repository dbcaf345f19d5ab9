//! The two copies of what the API needs for a tracer outside: their functions and types.

use bpf::config::otel_api::{CopyConfig, event};
use bpf::config::{ABSENT, Setting};

use crate::probes::fields::FieldReader;

/// One of the two copies.
pub(super) struct OneCopy {
    pub(super) start: &'static str,
    pub(super) ended: &'static str,
    pub(super) span: &'static str,
    /// match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).IsRecording(s)
    /// match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).IsRecording(s)
    pub(super) is_recording: &'static str,
    pub(super) tracer: &'static str,
    /// In the order of [`CALLS`].
    pub(super) calls: [&'static str; 6],
}

pub(super) const COPIES: [OneCopy; 2] = [
    OneCopy {
        start: "go.opentelemetry.io/auto/sdk.(*tracer).start",
        ended: "go.opentelemetry.io/auto/sdk.(*span).ended",
        span: "go.opentelemetry.io/auto/sdk.span",
        is_recording: "go.opentelemetry.io/auto/sdk.(*span).IsRecording",
        tracer: "go.opentelemetry.io/auto/sdk.tracer",
        calls: [
            "go.opentelemetry.io/auto/sdk.(*span).SetAttributes",
            "go.opentelemetry.io/auto/sdk.(*span).AddEvent",
            "go.opentelemetry.io/auto/sdk.(*span).RecordError",
            "go.opentelemetry.io/auto/sdk.(*span).SetStatus",
            "go.opentelemetry.io/auto/sdk.(*span).SetName",
            "go.opentelemetry.io/auto/sdk.(*span).AddLink",
        ],
    },
    OneCopy {
        start: "go.opentelemetry.io/otel/trace.(*autoTracer).start",
        ended: "go.opentelemetry.io/otel/trace.(*autoSpan).ended",
        span: "go.opentelemetry.io/otel/trace.autoSpan",
        is_recording: "go.opentelemetry.io/otel/trace.(*autoSpan).IsRecording",
        tracer: "go.opentelemetry.io/otel/trace.autoTracer",
        calls: [
            "go.opentelemetry.io/otel/trace.(*autoSpan).SetAttributes",
            "go.opentelemetry.io/otel/trace.(*autoSpan).AddEvent",
            "go.opentelemetry.io/otel/trace.(*autoSpan).RecordError",
            "go.opentelemetry.io/otel/trace.(*autoSpan).SetStatus",
            "go.opentelemetry.io/otel/trace.(*autoSpan).SetName",
            "go.opentelemetry.io/otel/trace.(*autoSpan).AddLink",
        ],
    },
];

/// What is called of a span.
pub(super) const CALLS: [(u32, &str); 6] = [
    (event::SET_ATTRIBUTES, "attributes of a span are set"),
    (event::ADD_EVENT, "an event is added to a span"),
    (event::RECORD_ERROR, "an error is recorded with a span"),
    (event::SET_STATUS, "the status of a span is set"),
    (event::SET_NAME, "the name of a span is set"),
    (event::ADD_LINK, "a link is added to a span"),
];

/// The number of an event of this copy.
pub(super) const fn of_copy(number: u32, copy: usize) -> u32 {
    if copy == 0 { number } else { number + event::SECOND }
}

pub(super) fn copy(fields: &mut FieldReader<'_>, copy: &OneCopy) -> CopyConfig {
    CopyConfig {
        identity: fields.optional(copy.span, "spanContext"),
        sampled: fields.optional(copy.span, "sampled"),
        tracer_name: fields.optional(copy.tracer, "name"),
        padding: Setting::new(0),
    }
}

/// Whether the program has it as it is expected.
pub(super) fn is_known(copy: &CopyConfig) -> bool {
    [copy.identity.get(), copy.sampled.get(), copy.tracer_name.get()].iter().all(|offset| *offset != ABSENT)
}
