//! A span that has begun: whose it is, and nothing more.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bpf::records::SpanIdentity;
use bpf::trace::tracestate::is_valid;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// The instrumentation scope of the spans of a library. Its name is made once and kept for ever: with each span it would be copied.
#[must_use]
pub fn scope(library: &'static str) -> InstrumentationScope {
    static NAMES: Mutex<BTreeMap<&str, &str>> = Mutex::new(BTreeMap::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let name: &'static str = names.entry(library).or_insert_with(|| format!("go-auto-launch/{library}").leak());
    scope_named(name)
}

/// The same by its own name. That of a constant is not copied with each span.
#[must_use]
pub fn scope_named(name: impl Into<Cow<'static, str>>) -> InstrumentationScope {
    InstrumentationScope::builder(name)
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(opentelemetry_semantic_conventions::SCHEMA_URL)
        .build()
}

/// A `tracestate` as it came; one that is malformed is dropped, as W3C Trace Context §3.3.1 says.
#[must_use]
pub fn trace_state(text: &[u8]) -> TraceState {
    let valid = Some(text).filter(|text| is_valid(text)).and_then(|text| std::str::from_utf8(text).ok());
    valid.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The span of an operation that has begun, without name and attributes. Its end time is its start time until it is finished.
#[must_use]
pub fn open_span(
    kind: SpanKind,
    identity: &SpanIdentity,
    trace_state: TraceState,
    scope: InstrumentationScope,
    start_time: SystemTime,
) -> SpanData {
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(identity.trace_id),
            SpanId::from_bytes(identity.span_id),
            TraceFlags::new(identity.trace_flags),
            false,
            trace_state,
        ),
        parent_span_id: SpanId::from_bytes(identity.parent_span_id),
        parent_span_is_remote: identity.parent_is_remote != 0,
        span_kind: kind,
        name: Cow::Borrowed(""),
        start_time,
        end_time: start_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope,
    }
}
