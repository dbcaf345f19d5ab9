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
    let description = add_exception(span, value);
    fail(span, Cow::Owned(value.type_name.clone()), &description);
}

/// Something has recovered from a panic in the handler of a call, and has answered that. Where it has answered that all is well, it was not the
/// handler's that counts.
pub(super) fn recovered(span: &mut SpanData, value: &PanicValue) {
    let is_status = |attribute: &&KeyValue| attribute.key.as_str() == semconv::RPC_RESPONSE_STATUS_CODE;
    let has_failed = span.attributes.iter().find(is_status).is_some_and(|status| status.value.as_str() != "OK");
    if span.status == Status::Unset && !has_failed {
        return;
    }
    let description = add_exception(span, value);
    if span.status == Status::Unset {
        fail(span, Cow::Owned(value.type_name.clone()), &description);
    }
}

/// Adds the event; returns what describes it in a status.
fn add_exception(span: &mut SpanData, value: &PanicValue) -> String {
    let PanicValue { type_name, message } = value;
    let mut attributes = vec![KeyValue::new(semconv::EXCEPTION_TYPE, type_name.clone())];
    attributes.extend(message.clone().map(|message| KeyValue::new(semconv::EXCEPTION_MESSAGE, message)));
    span.events.events.push(Event::new("exception", span.end_time, attributes, 0));
    format!("panic: {}", message.as_deref().unwrap_or_default())
}
