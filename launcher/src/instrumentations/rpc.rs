//! Spans of calls of procedures, whatever the system: names, and what of HTTP is left of one that `net/http` serves. Pure.

use std::borrow::Cow;

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

/// Gives a span the name of a procedure (`/pkg.Service/Method`) of a system.
pub fn name(span: &mut SpanData, system: &'static str, procedure: &str) {
    let method = procedure.strip_prefix('/').unwrap_or(procedure).to_owned();
    span.name = Cow::Owned(method.clone());
    span.attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, system));
    span.attributes.push(KeyValue::new(semconv::RPC_METHOD, method));
}

/// Of a request that was a call, what speaks of HTTP is left out: the call says it better. Its name is that of the procedure, whatever
/// routers have found since.
pub fn settle(span: &mut SpanData) {
    let is_method = |attribute: &&KeyValue| attribute.key.as_str() == semconv::RPC_METHOD;
    let Some(KeyValue { value: Value::String(method), .. }) = span.attributes.iter().find(is_method) else {
        return;
    };
    span.name = Cow::Owned(method.as_str().to_owned());
    span.attributes.retain(|attribute| {
        let key = attribute.key.as_str();
        !(key.starts_with("http.") || key.starts_with("url."))
    });
}
