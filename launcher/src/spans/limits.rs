//! The SDK's limits on spans (`OTEL_SPAN_*_LIMIT`, `OTEL_ATTRIBUTE_*_LIMIT`), applied when a span is finished.

use opentelemetry::{KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

use crate::config::Limits;

/// Cuts the span to the limits and counts what was dropped.
pub fn apply(limits: &Limits, span: &mut SpanData) {
    span.dropped_attributes_count += cut(&mut span.attributes, limits.span_attributes);
    span.events.dropped_count += cut(&mut span.events.events, limits.span_events);
    for event in &mut span.events.events {
        event.dropped_attributes_count += cut(&mut event.attributes, limits.event_attributes);
    }
    if let Some(length) = limits.attribute_value_length {
        let of_events = span.events.events.iter_mut().flat_map(|event| &mut event.attributes);
        span.attributes.iter_mut().chain(of_events).for_each(|attribute| cut_value(attribute, length));
    }
}

/// Shortens a list; returns how much was cut.
fn cut<T>(list: &mut Vec<T>, limit: usize) -> u32 {
    let dropped = list.len().saturating_sub(limit);
    list.truncate(limit);
    u32::try_from(dropped).unwrap_or(u32::MAX)
}

/// Cuts a string value to `length` characters.
fn cut_value(attribute: &mut KeyValue, length: usize) {
    if let Value::String(text) = &attribute.value
        && let Some((at, _)) = text.as_str().char_indices().nth(length)
    {
        let short = text.as_str().get(..at).unwrap_or_default().to_owned();
        attribute.value = Value::String(StringValue::from(short));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_at_characters() {
        let mut attribute = KeyValue::new("key", "aüb");
        cut_value(&mut attribute, 3);
        assert_eq!(attribute.value.as_str(), "aüb");
        cut_value(&mut attribute, 2);
        assert_eq!(attribute.value.as_str(), "aü");
        let mut number = KeyValue::new("key", 12_345);
        cut_value(&mut number, 2);
        assert_eq!(number.value, Value::I64(12_345));
    }

    #[test]
    fn lists_are_cut_and_counted() {
        let mut list = vec![1, 2, 3];
        assert_eq!(cut(&mut list, 5), 0);
        assert_eq!(cut(&mut list, 1), 2);
        assert_eq!(list, [1]);
    }
}
