//! What a collector's answer over HTTP means.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use serde_json::Value;

use super::failure::{Failure, FailureKind};

/// A request that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Spans that were refused nevertheless.
    pub(super) refused: u64,
    /// What the collector has to say about it.
    pub(super) message: Option<String>,
}

/// What the answer to a request over HTTP means.
pub(super) fn http(parts: &Parts, body: &[u8]) -> Result<Taken, Failure> {
    if parts.status.is_success() {
        return taken(&parts.headers, body);
    }
    let said = error_message(&parts.headers, body).map(|text| format!(": {text}")).unwrap_or_default();
    let message = format!("HTTP status {}{said}", parts.status);
    let kind = match parts.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => FailureKind::Retryable(retry_after(&parts.headers, SystemTime::now())),
        _ => FailureKind::Permanent,
    };
    Err(Failure::new(kind, message))
}

/// The message of a gRPC answer with status OK.
pub(super) fn grpc(message: Option<&[u8]>) -> Result<Taken, Failure> {
    match message.map(protobuf) {
        Some(Some(taken)) => Ok(taken),
        Some(None) | None => Err(Failure::permanent("the answer is not that of an OTLP collector")),
    }
}

fn taken(headers: &HeaderMap, body: &[u8]) -> Result<Taken, Failure> {
    let parsed = match content_type(headers) {
        _ if body.is_empty() => Some(Taken::default()),
        "application/x-protobuf" | "application/protobuf" => protobuf(body),
        "application/json" => json(body),
        // A web server's page: whoever answers so has not taken any spans.
        "text/html" => None,
        // Some receivers answer `ok`.
        _ => Some(Taken::default()),
    };
    parsed.ok_or_else(|| Failure::permanent("the answer is not that of an OTLP collector: is the URL right?"))
}

fn protobuf(body: &[u8]) -> Option<Taken> {
    let response = ExportTraceServiceResponse::decode(body).ok()?;
    Some(response.partial_success.map_or_else(Taken::default, |partial| Taken {
        refused: u64::try_from(partial.rejected_spans).unwrap_or(0),
        message: Some(partial.error_message).filter(|message| !message.is_empty()),
    }))
}

/// 64-bit numbers are strings in JSON; some receivers write numbers.
fn json(body: &[u8]) -> Option<Taken> {
    let response: Value = serde_json::from_slice(body).ok()?;
    let partial = response.get("partialSuccess");
    let refused = partial.and_then(|partial| partial.get("rejectedSpans"));
    let message = partial.and_then(|partial| partial.get("errorMessage")).and_then(Value::as_str);
    Some(Taken {
        refused: refused.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0),
        message: message.filter(|message| !message.is_empty()).map(str::to_owned),
    })
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// `google.rpc.Status`, as far as it matters.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
}

fn error_message(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let message = match content_type(headers) {
        "application/x-protobuf" | "application/protobuf" => RpcStatus::decode(body).ok()?.message,
        "application/json" => serde_json::from_slice::<Value>(body).ok()?.get("message")?.as_str()?.to_owned(),
        "text/plain" => String::from_utf8_lossy(body).trim().to_owned(),
        _ => return None,
    };
    (!message.is_empty()).then_some(message)
}

/// The pause that the collector asks for: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_seconds_or_a_date() {
        let header = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap();
        assert_eq!(retry_after(&header("17"), now), Some(Duration::from_secs(17)));
        assert_eq!(retry_after(&header("Sun, 06 Nov 1994 08:49:37 GMT"), now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&header("Sun, 06 Nov 1994 08:49:00 GMT"), now), Some(Duration::ZERO));
        assert_eq!(retry_after(&header("soon"), now), None);
    }

    #[test]
    fn refused_spans_are_a_string_or_a_number() {
        let refused = |text: &str| json(text.as_bytes()).map(|taken| taken.refused);
        assert_eq!(refused(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#), Some(3));
        assert_eq!(refused(r#"{"partialSuccess":{"rejectedSpans":4}}"#), Some(4));
        assert_eq!(refused("{}"), Some(0));
        assert_eq!(refused("<html>"), None);
    }
}
