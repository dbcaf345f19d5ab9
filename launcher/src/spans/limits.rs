//! The SDK's limits on spans (`OTEL_SPAN_*_LIMIT`, `OTEL_ATTRIBUTE_*_LIMIT`), applied when a span is finished.

use opentelemetry::{KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// At most how much of a span is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLimits {
    /// Attributes of a span (`OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`).
    pub attributes: usize,
    /// Characters of a string value (`OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`); `None` for no limit.
    pub value_length: Option<usize>,
    /// Events of a span (`OTEL_SPAN_EVENT_COUNT_LIMIT`).
    pub events: usize,
    /// Attributes of an event (`OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`).
    pub event_attributes: usize,
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self { attributes: 128, value_length: None, events: 128, event_attributes: 128 }
    }
}

impl SpanLimits {
    /// Cuts the span to the limits and counts what was dropped.
    pub fn apply(&self, span: &mut SpanData) {
        span.dropped_attributes_count += cut(&mut span.attributes, self.attributes);
        if let Some(length) = self.value_length {
            span.attributes.iter_mut().for_each(|attribute| cut_value(attribute, length));
        }
        span.events.dropped_count += cut(&mut span.events.events, self.events);
        for event in &mut span.events.events {
            event.dropped_attributes_count += cut(&mut event.attributes, self.event_attributes);
            if let Some(length) = self.value_length {
                event.attributes.iter_mut().for_each(|attribute| cut_value(attribute, length));
            }
        }
    }
}

/// Shortens a list; returns how much was cut.
fn cut<T>(list: &mut Vec<T>, limit: usize) -> u32 {
    let dropped = list.len().saturating_sub(limit);
    list.truncate(limit);
    u32::try_from(dropped).unwrap_or(u32::MAX)
}

fn cut_value(attribute: &mut KeyValue, length: usize) {
    if let Value::String(text) = &attribute.value
        && let Some((at, _)) = text.as_str().char_indices().nth(length)
    {
        let short = text.as_str().get(..at).unwrap_or_default().to_owned();
        attribute.value = Value::String(StringValue::from(short));
    }
}
