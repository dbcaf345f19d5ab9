//! Spans of operations that have failed, each with its reason.

use std::time::SystemTime;

use opentelemetry::trace::{Event, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use crate::panic_value::PanicValue;

/// `error.type` of a span whose end was not seen.
pub(super) const UNFINISHED: &str = "unfinished";

/// Marks the span as failed; a later, more telling reason replaces `error.type`.
pub(super) fn fail(span: &mut SpanData, error_type: impl Into<Value>, description: &str) {
    span.attributes.retain(|attribute| attribute.key.as_str() != semconv::ERROR_TYPE);
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, error_type));
    span.status = Status::error(description.to_owned());
}

/// Nobody knows how the operation has ended.
pub(super) fn unfinished(span: &mut SpanData) {
    fail(span, UNFINISHED, "the end of this operation was not seen");
}

/// A panic has unwound the operation.
pub(super) fn panicked(span: &mut SpanData, value: &PanicValue) {
    let end = span.end_time;
    add_exception(span, value, end);
    let message = value.message.as_deref().unwrap_or_default();
    fail(span, value.type_name.clone(), &format!("panic: {message}"));
}

/// Something has recovered from a panic at this time within a call that is served, which was an error afterwards. One that was none has not
/// failed by that: some packages panic within themselves.
pub(super) fn recovered(span: &mut SpanData, value: &PanicValue, time: SystemTime) {
    if matches!(span.status, Status::Error { .. }) {
        add_exception(span, value, time);
    }
}

fn add_exception(span: &mut SpanData, value: &PanicValue, time: SystemTime) {
    let PanicValue { type_name, message } = value;
    let mut attributes = vec![KeyValue::new(semconv::EXCEPTION_TYPE, type_name.clone())];
    attributes.extend(message.clone().map(|message| KeyValue::new(semconv::EXCEPTION_MESSAGE, message)));
    span.events.events.push(Event::new("exception", time, attributes, 0));
}
