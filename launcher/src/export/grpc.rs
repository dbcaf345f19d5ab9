//! What gRPC adds to HTTP/2 for a unary call: a prefix before the message, and a status behind it.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, StatusCode};
use prost::Message as _;

use super::failure::{Failure, FailureKind};

/// The method that takes spans.
pub(super) const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Length of the prefix: whether the message is compressed, and its length.
pub(super) const PREFIX: usize = 5;

/// Base64 of binary metadata: the padding may be left out.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Fills in the prefix of `message`, whose first [`PREFIX`] bytes are free.
pub(super) fn prefix(message: &mut [u8], is_compressed: bool) {
    let len = u32::try_from(message.len().saturating_sub(PREFIX)).unwrap_or(u32::MAX);
    if let Some((prefix, _)) = message.split_first_chunk_mut::<PREFIX>() {
        let [a, b, c, d] = len.to_be_bytes();
        *prefix = [u8::from(is_compressed), a, b, c, d];
    }
}

/// The one message of an answer, if it is there and not compressed (we do not ask for that).
pub(super) fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = body.split_first_chunk::<PREFIX>()?;
    let [0, a, b, c, d] = *prefix else { return None };
    rest.get(..usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?)
}

/// What the status (in the trailers, or in the headers of an answer that has nothing else) says.
pub(super) fn status(http_status: StatusCode, headers: &HeaderMap, trailers: &HeaderMap) -> Result<(), Failure> {
    let map = if trailers.contains_key("grpc-status") { trailers } else { headers };
    let Some(status) = map.get("grpc-status") else {
        return Err(no_status(http_status));
    };
    let code = status.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    let (name, may_retry) = match code {
        Some(0) => return Ok(()),
        Some(code) => meaning(code),
        None => ("an unreadable gRPC status", false),
    };
    let text = map.get("grpc-message").map(|text| percent_decode(text.as_bytes())).unwrap_or_default();
    let message = if text.is_empty() { name.to_owned() } else { format!("{name}: {text}") };
    let pause = retry_info(map);
    // RESOURCE_EXHAUSTED is a rate limit only where the collector says when to come back.
    let kind =
        if may_retry || (code == Some(8) && pause.is_some()) { FailureKind::Retryable(pause) } else { FailureKind::Permanent };
    Err(Failure::new(kind, message))
}

/// An answer of something that is not gRPC, such as a proxy.
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn no_status(http_status: StatusCode) -> Failure {
    match http_status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Failure::retryable(format_args!("HTTP status {http_status}")),
        other => Failure::permanent(format_args!("HTTP status {other} and no gRPC status: is this an OTLP gRPC port?")),
    }
}

/// The code's name, and whether OTLP says to send again.
/// <https://opentelemetry.io/docs/specs/otlp/#failures>
fn meaning(code: u32) -> (&'static str, bool) {
    match code {
        1 => ("CANCELLED", true),
        3 => ("INVALID_ARGUMENT", false),
        4 => ("DEADLINE_EXCEEDED", true),
        5 => ("NOT_FOUND", false),
        6 => ("ALREADY_EXISTS", false),
        7 => ("PERMISSION_DENIED", false),
        8 => ("RESOURCE_EXHAUSTED", false),
        9 => ("FAILED_PRECONDITION", false),
        10 => ("ABORTED", true),
        11 => ("OUT_OF_RANGE", true),
        12 => ("UNIMPLEMENTED", false),
        13 => ("INTERNAL", false),
        14 => ("UNAVAILABLE", true),
        15 => ("DATA_LOSS", true),
        16 => ("UNAUTHENTICATED", false),
        _ => ("UNKNOWN", false),
    }
}

/// `google.rpc.Status`, as far as it matters.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The pause that the collector asks for.
fn retry_info(map: &HeaderMap) -> Option<Duration> {
    let details = BASE64.decode(map.get("grpc-status-details-bin")?.as_bytes()).ok()?;
    let status = RpcStatus::decode(details.as_slice()).ok()?;
    let info = status.details.iter().find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
}

/// `%20` and its like, as gRPC writes its messages.
fn percent_decode(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| std::str::from_utf8(tail.get(..2)?).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests;
