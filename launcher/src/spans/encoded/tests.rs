//! Spans as the OpenTelemetry API's Auto SDK encodes them, and those that are none.

use bpf::records::RecordHeader;
use bpf::records::otel_api::EncodedSpan;

use super::*;

/// As `json.Marshal` of `go.opentelemetry.io/auto/sdk` 1.2.1 writes it.
const SPAN: &str = r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{"name":"shop","version":"v1"},"spans":[{
    "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","flags":1,"name":"größe \u003c1\u003e","kind":3,
    "attributes":[{"key":"s","value":{"stringValue":"a\nb"}},{"key":"i","value":{"intValue":"-5"}},{"key":"f","value":{"doubleValue":1}},
    {"key":"b","value":{"boolValue":false}},{"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"intValue":"2"}]}}},
    {"key":"none","value":{"arrayValue":{"values":[]}}},{"key":"bytes","value":{"bytesValue":"AQI="}},
    {"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"7"}}]}}},
    {"key":"mixed","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"x"}]}}}],"droppedAttributesCount":2,
    "events":[{"name":"e","attributes":[{"key":"k","value":{"stringValue":"v"}}],"timeUnixNano":1700000000000000001}],
    "links":[{"traceId":"0102030405060708090a0b0c0d0e0f11","spanId":"0102030405060709","flags":1}],
    "status":{"message":"bad","code":2},
    "parentSpanId":"1102030405060708","startTimeUnixNano":1700000000000000000,"endTimeUnixNano":1700000000000000009}],
    "schemaUrl":"https://example.com"}]}]}"#;

fn part(bytes: &[u8], total: usize, before: usize) -> EncodedPart<'_> {
    let head = EncodedSpan { header: RecordHeader { kind: 0, size: 0 }, span: 7, total: total as u64, before: before as u64 };
    EncodedPart { head, bytes }
}

#[test]
fn a_span_is_what_the_program_has_said() {
    let span = decode(SPAN.as_bytes()).unwrap();
    assert_eq!((span.name.as_ref(), &span.span_kind), ("größe <1>", &SpanKind::Client));
    assert_eq!(span.span_context.span_id().to_string(), "0102030405060708");
    assert_eq!(span.parent_span_id.to_string(), "1102030405060708");
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_nanos(9));
    let expected = [
        KeyValue::new("s", "a\nb"),
        KeyValue::new("i", -5),
        KeyValue::new("f", 1.0),
        KeyValue::new("b", false),
        KeyValue::new("list", Value::Array(Array::I64(vec![1, 2]))),
        KeyValue::new("none", Value::Array(Array::String(Vec::new()))),
        KeyValue::new("bytes", "AQI="),
        KeyValue::new("map", r#"{"k":7}"#),
        KeyValue::new("mixed", r#"[1,"x"]"#),
    ];
    assert_eq!(span.attributes, expected);
    assert_eq!((span.dropped_attributes_count, span.events.events.len(), span.links.links.len()), (2, 1, 1));
    assert_eq!(span.status, Status::error("bad"));
    let scope = &span.instrumentation_scope;
    assert_eq!((scope.name(), scope.version(), scope.schema_url()), ("shop", Some("v1"), Some("https://example.com")));
}

#[test]
fn parts_are_put_together_and_a_gap_is_a_loss() {
    let (bytes, mut spans) = (SPAN.as_bytes(), EncodedSpans::default());
    let (first, rest) = bytes.split_at(100);
    assert!(spans.take(&part(first, bytes.len(), 0)).is_none());
    assert_eq!(spans.take(&part(rest, bytes.len(), 100)).unwrap().name, "größe <1>");
    assert_eq!(spans.lost(), 0);
    assert!(spans.take(&part(rest, bytes.len(), 100)).is_none());
    assert_eq!(spans.lost(), 1);
}

#[test]
fn what_is_no_span_is_refused() {
    for text in ["", "{}", r#"{"resourceSpans":[]}"#, &SPAN[..SPAN.len() - 1], &SPAN.replace("0102030405060708\"", "xx\"")] {
        assert!(decode(text.as_bytes()).is_none(), "{text}");
    }
}

/// As deep as a stranger likes.
#[test]
fn what_lies_deep_is_left_out() {
    let deep = [r#"{"arrayValue":{"values":["#.repeat(10_000), r#"{"intValue":"1"}"#.to_owned(), "]}}".repeat(10_000)].concat();
    let span = decode(SPAN.replacen(r#"{"intValue":"-5"}"#, &deep, 1).as_bytes()).unwrap();
    let found = span.attributes.iter().find(|one| one.key.as_str() == "i").unwrap();
    assert!(found.value.as_str().contains('…'), "{found:?}");
}
