//! What is drawn of a span, taken from it when it ends. All texts are safe to print.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

/// Longer texts are cut; no terminal is that wide.
const MAX_TEXT: usize = 200;

/// The attributes that say most about an operation. Their values are drawn, in this order.
const KEY_ATTRIBUTES: &[&str] = &[
    semconv::HTTP_RESPONSE_STATUS_CODE,
    semconv::RPC_RESPONSE_STATUS_CODE,
    semconv::HTTP_REQUEST_METHOD,
    semconv::URL_FULL,
    semconv::URL_PATH,
    semconv::DB_SYSTEM_NAME,
    semconv::DB_QUERY_TEXT,
    semconv::MESSAGING_DESTINATION_NAME,
];

/// A span as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The name of the service, printable.
    pub(super) service: Arc<str>,
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    /// It has no parent in this process.
    pub(super) is_local_root: bool,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) mood: Mood,
    /// Why it failed.
    pub(super) error: Option<String>,
    pub(super) details: String,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// Not our failure, but not what was wanted either: HTTP 4xx.
    Doubtful,
    Failed,
}

impl Line {
    pub(super) fn new(service: &Arc<str>, span: &SpanData) -> Self {
        let name = printable(&span.name);
        Self {
            service: Arc::clone(service),
            trace: span.span_context.trace_id(),
            id: span.span_context.span_id(),
            parent: span.parent_span_id,
            is_local_root: span.parent_span_is_remote || span.parent_span_id == SpanId::INVALID,
            kind: kind(&span.span_kind),
            start: span.start_time,
            end: span.end_time,
            mood: mood(span),
            error: error(span),
            details: details(&name, &span.attributes),
            name,
        }
    }
}

fn kind(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    }
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| &attribute.value)
}

fn mood(span: &SpanData) -> Mood {
    match &span.status {
        Status::Error { description: _ } => Mood::Failed,
        Status::Ok => Mood::Good,
        Status::Unset => match attribute(&span.attributes, semconv::HTTP_RESPONSE_STATUS_CODE) {
            Some(Value::I64(400..)) => Mood::Doubtful,
            _ => Mood::Good,
        },
    }
}

/// The status' description, else the exception's type and message, else `error.type`.
fn error(span: &SpanData) -> Option<String> {
    let Status::Error { description } = &span.status else { return None };
    if !description.is_empty() {
        return Some(printable(description));
    }
    let exception = span.events.iter().find_map(|event| {
        let value = |key| attribute(&event.attributes, key).map(|value| value.as_str().into_owned());
        match (value(semconv::EXCEPTION_TYPE), value(semconv::EXCEPTION_MESSAGE)) {
            (Some(name), Some(message)) => Some(format!("{name}: {message}")),
            (name, message) => message.or(name),
        }
    });
    let text = exception.or_else(|| attribute(&span.attributes, semconv::ERROR_TYPE).map(|value| value.as_str().into_owned()))?;
    Some(printable(&text))
}

/// The key attributes' values, without those that the name has already.
fn details(name: &str, attributes: &[KeyValue]) -> String {
    let mut details = String::new();
    for value in KEY_ATTRIBUTES.iter().filter_map(|key| attribute(attributes, key)) {
        let text = printable(&value.as_str());
        if !text.is_empty() && !name.split(' ').any(|word| word == text) {
            let separator = if details.is_empty() { "" } else { " " };
            // Writing to a string does not fail.
            let _ = write!(details, "{separator}{text}");
        }
    }
    details
}

/// `text`, cut, with everything escaped that could move the cursor, forge lines or turn the direction of text.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars().take(MAX_TEXT) {
        let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if char.is_control() || turns {
            out.extend(char.escape_default());
        } else {
            out.push(char);
        }
    }
    out
}
