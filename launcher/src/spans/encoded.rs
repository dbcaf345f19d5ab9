//! Spans that the program has made by the OpenTelemetry API: OTLP as JSON, in parts, into finished spans.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde_json::value::RawValue;

use json::{AnyValue, Attribute, TracesData};

use super::MAX_REMEMBERED;
use super::calls::set;
use crate::events::otel_api::EncodedPart;

mod json;

/// Bytes of spans of which parts are missing.
const MAX_BYTES: usize = 64 << 20;

/// Spans of which parts have come.
#[derive(Debug, Default)]
pub struct EncodedSpans {
    /// By the address of the span in the process.
    begun: HashMap<u64, Vec<u8>>,
    /// Spans of which a part was lost, or which are not as expected.
    lost: u64,
    /// Those that the program could not encode.
    unencoded: u64,
}

impl EncodedSpans {
    /// Takes a part; the span, where it was the last.
    pub fn take(&mut self, part: &EncodedPart<'_>) -> Option<SpanData> {
        let EncodedPart { head, bytes } = part;
        if head.total == 0 {
            self.unencoded += 1;
            return None;
        }
        if head.before == 0 && head.total == bytes.len() as u64 {
            return self.decode(bytes);
        }
        let held: usize = if self.begun.len() % 64 == 63 { self.begun.values().map(Vec::len).sum() } else { 0 };
        if self.begun.len() >= MAX_REMEMBERED || held > MAX_BYTES {
            self.lost += self.begun.len() as u64;
            self.begun.clear();
        }
        let before = if head.before == 0 { Vec::new() } else { self.begun.remove(&head.span).unwrap_or_default() };
        if before.len() as u64 != head.before {
            self.lost += 1;
            return None;
        }
        let mut all = before;
        all.extend_from_slice(bytes);
        if all.len() as u64 == head.total {
            return self.decode(&all);
        }
        self.begun.insert(head.span, all);
        None
    }

    /// How many were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost + self.begun.len() as u64
    }

    /// How many the program could not encode.
    #[must_use]
    pub fn unencoded(&self) -> u64 {
        self.unencoded
    }

    fn decode(&mut self, bytes: &[u8]) -> Option<SpanData> {
        let decoded = decode(bytes);
        self.lost += u64::from(decoded.is_none());
        decoded
    }
}

/// One span in a `TracesData`, as `go.opentelemetry.io/auto/sdk/internal/telemetry` writes it.
#[must_use]
pub fn decode(json: &[u8]) -> Option<SpanData> {
    // Go writes U+FFFD for what is no UTF-8.
    let traces: TracesData<'_> = serde_json::from_slice(json).ok()?;
    let of_scope = traces.resource_spans.into_iter().next()?.scope_spans.into_iter().next()?;
    let span = of_scope.spans.into_iter().next()?;
    let scope = of_scope.scope.unwrap_or_default();
    let mut builder = InstrumentationScope::builder(scope.name.into_owned());
    if !scope.version.is_empty() {
        builder = builder.with_version(scope.version.into_owned());
    }
    if !of_scope.schema_url.is_empty() {
        builder = builder.with_schema_url(of_scope.schema_url.into_owned());
    }
    let events = span.events.into_iter().map(|event| {
        let attributes = attributes(event.attributes);
        Event::new(event.name.into_owned(), time(event.time_unix_nano), attributes, event.dropped_attributes_count)
    });
    let links = span.links.into_iter().map(|link| {
        // To nowhere, if the program says so.
        let context = context(&link.trace_id, &link.span_id, link.flags, &link.trace_state).unwrap_or(SpanContext::NONE);
        Link::new(context, attributes(link.attributes), link.dropped_attributes_count)
    });
    let status = span.status.unwrap_or_default();
    Some(SpanData {
        span_context: context(&span.trace_id, &span.span_id, span.flags, &span.trace_state)?,
        parent_span_id: SpanId::from_hex(&span.parent_span_id).unwrap_or(SpanId::INVALID),
        parent_span_is_remote: false,
        span_kind: kind(span.kind),
        name: Cow::Owned(span.name.into_owned()),
        start_time: time(span.start_time_unix_nano),
        end_time: time(span.end_time_unix_nano),
        attributes: attributes(span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: {
            let mut all = SpanEvents::default();
            all.events.extend(events);
            all.dropped_count = span.dropped_events_count;
            all
        },
        links: {
            let mut all = SpanLinks::default();
            all.links.extend(links);
            all.dropped_count = span.dropped_links_count;
            all
        },
        status: match status.code {
            1 => Status::Ok,
            2 => Status::error(status.message.into_owned()),
            _ => Status::Unset,
        },
        instrumentation_scope: builder.build(),
    })
}

fn context(trace_id: &str, span_id: &str, flags: u32, state: &str) -> Option<SpanContext> {
    let (trace_id, span_id) = (TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?);
    let [flags, ..] = flags.to_le_bytes();
    Some(SpanContext::new(trace_id, span_id, TraceFlags::new(flags), false, state.parse().unwrap_or_default()))
}

fn time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// `SpanKind` of OTLP.
fn kind(number: u32) -> SpanKind {
    match number {
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn attributes(all: Vec<Attribute<'_>>) -> Vec<KeyValue> {
    let mut found = Vec::with_capacity(all.len());
    let known = all.into_iter().filter_map(|one| Some(KeyValue::new(one.key.into_owned(), value(one.value?, DEPTH)?)));
    // At the start of a span, the program's API leaves keys that are there twice.
    known.for_each(|attribute| set(&mut found, attribute));
    found
}

/// Lists and maps within each other that are looked into: a program may have them from a stranger, and each takes room on the stack.
const DEPTH: u32 = 32;
/// What stands for those that lie deeper.
const TOO_DEEP: &str = "…";

/// A value. One that the model of spans has no type for is written as text, as OpenTelemetry's specification says for all that is not OTLP
/// ("Mapping arbitrary data to OTLP `AnyValue`", the other way round): bytes by base64, maps and mixed lists as JSON.
fn value(json: &RawValue, depth: u32) -> Option<Value> {
    if depth == 0 {
        return Some(Value::String(TOO_DEEP.into()));
    }
    let found: AnyValue<'_> = serde_json::from_str(json.get()).ok()?;
    Some(match found {
        AnyValue { text: Some(text), .. } => Value::String(text.into_owned().into()),
        AnyValue { integer: Some(number), .. } => Value::I64(number.parse().ok()?),
        AnyValue { float: Some(number), .. } => Value::F64(number),
        AnyValue { truth: Some(truth), .. } => Value::Bool(truth),
        AnyValue { base64: Some(base64), .. } => Value::String(base64.into_owned().into()),
        AnyValue { list: Some(list), .. } => {
            array(&list.values.into_iter().map(|one| value(one, depth - 1)).collect::<Option<Vec<_>>>()?, json, depth)
        }
        AnyValue { map: Some(map), .. } => Value::String(plain_map(map.values, depth - 1).to_string().into()),
        AnyValue { .. } => return None,
    })
}

/// A list of values of one type; of several, their JSON.
fn array(values: &[Value], json: &RawValue, depth: u32) -> Value {
    let texts = || values.iter().map(|one| if let Value::String(text) = one { Some(text.clone()) } else { None }).collect();
    let integers = || values.iter().map(|one| if let Value::I64(number) = one { Some(*number) } else { None }).collect();
    let floats = || values.iter().map(|one| if let Value::F64(number) = one { Some(*number) } else { None }).collect();
    let truths = || values.iter().map(|one| if let Value::Bool(truth) = one { Some(*truth) } else { None }).collect();
    let array = Option::map(texts(), Array::String)
        .or_else(|| Option::map(integers(), Array::I64))
        .or_else(|| Option::map(floats(), Array::F64))
        .or_else(|| Option::map(truths(), Array::Bool));
    array.map_or_else(|| Value::String(plain(json, depth).to_string().into()), Value::Array)
}

/// A value as JSON that people write.
fn plain(json: &RawValue, depth: u32) -> serde_json::Value {
    if depth == 0 {
        return TOO_DEEP.into();
    }
    let Ok(value) = serde_json::from_str::<AnyValue<'_>>(json.get()) else {
        return serde_json::Value::Null;
    };
    match value {
        AnyValue { text: Some(text), .. } | AnyValue { base64: Some(text), .. } => text.into(),
        AnyValue { integer: Some(number), .. } => number.parse::<i64>().ok().into(),
        AnyValue { float: Some(number), .. } => number.into(),
        AnyValue { truth: Some(truth), .. } => truth.into(),
        AnyValue { list: Some(list), .. } => list.values.into_iter().map(|one| plain(one, depth - 1)).collect(),
        AnyValue { map: Some(map), .. } => plain_map(map.values, depth - 1),
        AnyValue { .. } => serde_json::Value::Null,
    }
}

fn plain_map(all: Vec<Attribute<'_>>, depth: u32) -> serde_json::Value {
    let pairs =
        all.into_iter().map(|one| (one.key.into_owned(), one.value.map_or(serde_json::Value::Null, |one| plain(one, depth))));
    serde_json::Value::Object(pairs.collect())
}

#[cfg(test)]
mod tests;
