//! Spans of operations that have failed, each with its reason.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Status};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::open::UNFINISHED;
use crate::panic_value::PanicValue;

/// Marks the span as failed; a later, more telling reason replaces `error.type`.
pub(super) fn fail(span: &mut SpanData, error_type: Cow<'static, str>, description: &str) {
    span.attributes.retain(|attribute| attribute.key.as_str() != semconv::ERROR_TYPE);
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, error_type));
    span.status = Status::error(description.to_owned());
}

/// Nobody knows how the operation has ended.
pub(super) fn unfinished(span: &mut SpanData) {
    fail(span, UNFINISHED.into(), "the end of this operation was not seen");
}

/// A panic has unwound the operation.
pub(super) fn panicked(span: &mut SpanData, value: &PanicValue) {
    let PanicValue { type_name, message } = value;
    let mut attributes = vec![KeyValue::new(semconv::EXCEPTION_TYPE, type_name.clone())];
    attributes.extend(message.clone().map(|message| KeyValue::new(semconv::EXCEPTION_MESSAGE, message)));
    span.events.events.push(Event::new("exception", span.end_time, attributes, 0));
    fail(span, Cow::Owned(type_name.clone()), &format!("panic: {}", message.as_deref().unwrap_or_default()));
}
