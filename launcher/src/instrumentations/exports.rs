//! Spans of what the program exports itself ([`bpf::trace::exports`]), which are not reported.

use bpf::trace::exports::{METHOD, PATHS, SERVICES};
use opentelemetry::trace::{SpanId, SpanKind};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

/// Whether a span of a program that has an exporter is that of an export. One with a parent is not taken for one: it is part of something that
/// the program does.
#[must_use]
pub fn is_export(span: &SpanData) -> bool {
    if span.span_kind != SpanKind::Client || span.parent_span_id != SpanId::INVALID {
        return false;
    }
    let text = |key: &str| {
        let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
        attribute.map(|attribute| attribute.value.as_str()).unwrap_or_default()
    };
    let url = text(semconv::URL_FULL);
    let is_posted = || text(semconv::HTTP_REQUEST_METHOD) == METHOD && PATHS.iter().any(|known| path(&url).ends_with(known));
    let is_called = || text(semconv::RPC_SYSTEM_NAME) == "grpc" && text(semconv::RPC_METHOD).starts_with(SERVICES);
    is_posted() || is_called()
}

/// What stands in a URL between the authority and the query.
fn path(url: &str) -> &str {
    let (_scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split_once('?').map_or(rest, |(rest, _query)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::TraceState;

    use super::*;
    use crate::instrumentations::http;

    fn span(kind: SpanKind, parent: u64, attributes: &[(&'static str, &'static str)]) -> SpanData {
        let identity = bpf::records::SpanIdentity { parent_span_id: parent.to_be_bytes(), ..bpf::records::SpanIdentity::NONE };
        let open = http::open_span(kind, &identity, TraceState::default(), std::time::SystemTime::UNIX_EPOCH);
        let attributes = attributes.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect();
        SpanData { attributes, ..open }
    }

    #[test]
    fn an_export_is_a_request_of_nobody_to_a_collector() {
        let post = |url| [(semconv::HTTP_REQUEST_METHOD, "POST"), (semconv::URL_FULL, url)];
        let traces = post("http://collector:4318/v1/traces");
        assert!(is_export(&span(SpanKind::Client, 0, &traces)));
        assert!(is_export(&span(SpanKind::Client, 0, &post("https://example.com/otlp/v1/metrics"))));
        assert!(is_export(&span(SpanKind::Client, 0, &post("http://collector:4318/v1/traces?api-key=x"))));
        assert!(!is_export(&span(SpanKind::Client, 0, &post("http://shop/orders?next=/v1/traces"))));
        assert!(!is_export(&span(SpanKind::Client, 0, &post("http://v1/traces"))));
        assert!(!is_export(&span(SpanKind::Client, 1, &traces)));
        assert!(!is_export(&span(SpanKind::Server, 0, &traces)));
        assert!(!is_export(&span(SpanKind::Client, 0, &post("http://shop/v1/orders"))));
        let got = [(semconv::HTTP_REQUEST_METHOD, "GET"), traces[1]];
        assert!(!is_export(&span(SpanKind::Client, 0, &got)));
        let call = |method| [(semconv::RPC_SYSTEM_NAME, "grpc"), (semconv::RPC_METHOD, method)];
        let exported = call("opentelemetry.proto.collector.trace.v1.TraceService/Export");
        assert!(is_export(&span(SpanKind::Client, 0, &exported)));
        assert!(!is_export(&span(SpanKind::Client, 0, &call("shop.v1.Orders/Export"))));
    }
}
