//! The records of a round trip into a CLIENT span, by the semantic conventions for HTTP clients.

use std::fmt::Write as _;
use std::sync::Arc;

use bpf::records::http_client::{HttpClientEnd, Peer};
use opentelemetry::trace::{SpanKind, Status, TraceState};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use crate::clock::WallClock;
use crate::config::KnownMethods;
use crate::events::decode::ClientStart;
use crate::instrumentations::http;
use crate::panic_value::PanicValue;

/// A span has at most this many attributes of ours; room is made once.
const ATTRIBUTES: usize = 14;

/// The span of a round trip that has begun, whose attributes are put into this list.
#[must_use]
pub fn start(record: &ClientStart<'_>, clock: &WallClock, known: &KnownMethods, mut attributes: Vec<KeyValue>) -> SpanData {
    let [method, scheme, host, _, _, sent_host] = record.texts.map(|(bytes, _cut)| http::text(bytes));
    attributes.reserve(ATTRIBUTES);
    let name = http::method_attributes(&method, known, &mut attributes);
    attributes.push(KeyValue::new(semconv::URL_FULL, url(record)));
    // The conventions: that of the `Host` header or of `:authority`. It stands in a proxy's request target too
    // (`(*http.Request).write`).
    let host = if sent_host.is_empty() { host } else { sent_host };
    if let (Some(address), port) = http::split_host_port(&host) {
        let default = if scheme == "https" { 443 } else { 80 };
        attributes.push(KeyValue::new(semconv::SERVER_ADDRESS, address.to_owned()));
        attributes.push(KeyValue::new(semconv::SERVER_PORT, i64::from(port.unwrap_or(default))));
    }
    if record.content_length > 0 {
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_BODY_SIZE, record.content_length));
    }
    if record.redirects > 0 {
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_RESEND_COUNT, i64::from(record.redirects)));
    }
    let time = clock.time(record.time);
    let open = http::open_span(SpanKind::Client, &record.span, TraceState::default(), time);
    SpanData { name, attributes, ..open }
}

/// `url.full`, without the user's name and password and without the values of secret parameters.
fn url(record: &ClientStart<'_>) -> String {
    let [_method, scheme, host, path, query, _sent_host] = record.texts.map(|(bytes, _cut)| bytes);
    let query = http::text(query);
    let mut url = String::with_capacity(scheme.len() + host.len() + path.len() + query.len() + 24);
    url.push_str(&http::text(scheme));
    url.push_str("://");
    if record.has_user {
        url.push_str("REDACTED:REDACTED@");
    }
    url.push_str(&http::text(host));
    escape_path(&mut url, path);
    if !query.is_empty() {
        url.push('?');
        url.push_str(&http::redact_query(&query));
    }
    url
}

/// A path as it stands in a URL: Go keeps it decoded (`url.URL.Path`).
fn escape_path(url: &mut String, path: &[u8]) {
    for &byte in path {
        // RFC 3986, `pchar` and the slash.
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// Completes the span of a round trip; `error` describes the error that it returned, if it did.
pub fn finish(span: &mut SpanData, end: &HttpClientEnd, error: Option<PanicValue>) {
    add_peer(span, &end.peer);
    if let Ok(again @ 1..) = i64::try_from(end.writes.saturating_sub(1)) {
        resent(span, again);
    }
    if end.status != 0 {
        span.attributes.push(KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(end.status)));
        span.attributes
            .push(KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, http::protocol_version((end.proto_major, end.proto_minor))));
        if end.content_length > 0 && has_body(span, end.status) {
            span.attributes.push(KeyValue::new(semconv::HTTP_RESPONSE_BODY_SIZE, end.content_length));
        }
        if end.status >= 400 {
            // The conventions: no description where the status code says it all.
            fail(span, end.status.to_string(), "");
        }
    }
    if let Some(PanicValue { type_name, message }) = error {
        let message = message.unwrap_or_default();
        fail(span, error_type(type_name, &message), &message);
    }
}

/// Adds to whom the request was sent.
pub fn add_peer(span: &mut SpanData, to: &Peer) {
    let (own_address, own_port) = (semconv::NETWORK_PEER_ADDRESS, semconv::NETWORK_PEER_PORT);
    if let Some(address) = http::peer_address(to) {
        // Of several, the last counts.
        span.attributes.retain(|attribute| attribute.key.as_str() != own_address && attribute.key.as_str() != own_port);
        span.attributes.push(KeyValue::new(own_address, address.to_string()));
        span.attributes.push(KeyValue::new(own_port, i64::from(to.port)));
    }
}

/// Adds to how often the request was sent again: after redirects, on other connections.
fn resent(span: &mut SpanData, again: i64) {
    let counted = span.attributes.iter_mut().find(|attribute| attribute.key.as_str() == semconv::HTTP_REQUEST_RESEND_COUNT);
    match counted.map(|attribute| &mut attribute.value) {
        Some(Value::I64(count)) => *count += again,
        Some(_) | None => span.attributes.push(KeyValue::new(semconv::HTTP_REQUEST_RESEND_COUNT, again)),
    }
}

/// Whether a response with this status has a body, of whose size `Content-Length` speaks (RFC 9110, sections 6.4.1, 8.6 and
/// 9.3.6).
fn has_body(span: &SpanData, status: u32) -> bool {
    match status {
        100..200 | 204 | 304 => false,
        200..300 => !http::has_method(span, "HEAD") && !http::has_method(span, "CONNECT"),
        _ => !http::has_method(span, "HEAD"),
    }
}

/// `error.type`: the Go type, but for the two errors of a context, whose types say nothing.
fn error_type(type_name: Arc<str>, message: &str) -> Value {
    match (&*type_name, message) {
        ("*errors.errorString", "context canceled") => "context.Canceled".into(),
        ("context.deadlineExceededError", _) => "context.DeadlineExceeded".into(),
        _ => type_name.into(),
    }
}

fn fail(span: &mut SpanData, error_type: impl Into<Value>, description: &str) {
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, error_type));
    span.status = Status::error(description.to_owned());
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bpf::records::SpanIdentity;

    use super::*;

    #[test]
    fn a_path_is_escaped_as_in_a_url() {
        let escaped = |path: &str| {
            let mut url = String::new();
            escape_path(&mut url, path.as_bytes());
            url
        };
        assert_eq!(escaped("/a b/ü?#%"), "/a%20b/%C3%BC%3F%23%25");
        assert_eq!(escaped("/items/7;v=1,2@x:y"), "/items/7;v=1,2@x:y");
    }

    fn span_of(method: &str) -> SpanData {
        let mut span = http::open_span(SpanKind::Client, &SpanIdentity::NONE, TraceState::default(), SystemTime::UNIX_EPOCH);
        http::method_attributes(method, &KnownMethods::default(), &mut span.attributes);
        span
    }

    /// HTTP/2 keeps the `Content-Length` of a 304.
    #[test]
    fn a_length_speaks_of_a_body_only_where_there_may_be_one() {
        for (method, status, expected) in [
            ("GET", 200, true),
            ("GET", 404, true),
            ("GET", 204, false),
            ("GET", 304, false),
            ("GET", 101, false),
            ("HEAD", 200, false),
            ("HEAD", 404, false),
            ("CONNECT", 200, false),
            ("CONNECT", 502, true),
        ] {
            assert_eq!(has_body(&span_of(method), status), expected, "{method} {status}");
        }
    }

    #[test]
    fn redirects_and_other_connections_add_up() {
        let mut span = span_of("GET");
        resent(&mut span, 2);
        resent(&mut span, 3);
        assert_eq!(span.attributes[1..], [KeyValue::new(semconv::HTTP_REQUEST_RESEND_COUNT, 5)]);
    }

    #[test]
    fn the_errors_of_a_context_have_names() {
        assert_eq!(error_type("*errors.errorString".into(), "context canceled"), Value::from("context.Canceled"));
        assert_eq!(error_type("context.deadlineExceededError".into(), ""), Value::from("context.DeadlineExceeded"));
        assert_eq!(error_type("*net.OpError".into(), ""), Value::from("*net.OpError"));
    }
}
