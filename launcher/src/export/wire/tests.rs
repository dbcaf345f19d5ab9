//! Pairs around the length up to which they are written the short way, as the library reads them.

use opentelemetry_proto::tonic::trace::v1::Span as SpanMessage;
use opentelemetry_proto::transform::common::tonic::Attributes;
use prost::Message as _;

use super::*;

#[test]
fn pairs_of_every_length() {
    for name in (1..140).map(|len| "n".repeat(len)) {
        let texts = [0, 1, 2, 60, 110, 119, 120, 121, 122, 127, 128, 300].map(|len| Value::from("v".repeat(len)));
        let numbers = [0, 1, -1, 127, 128, i64::MAX, i64::MIN].map(Value::from);
        let pairs: Vec<_> = texts.into_iter().chain(numbers).map(|value| KeyValue::new(name.clone(), value)).collect();
        let mut out = Vec::new();
        key_values(&mut out, 9, &pairs);
        let Attributes(expected) = pairs.into();
        assert_eq!(SpanMessage::decode(out.as_slice()).unwrap().attributes, expected, "{}", name.len());
        assert_eq!(SpanMessage { attributes: expected, ..SpanMessage::default() }.encode_to_vec(), out);
    }
}
