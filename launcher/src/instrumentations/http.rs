//! What HTTP instrumentations share: methods, redaction, addresses, by the OpenTelemetry semantic conventions.
//!
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::SystemTime;

use bpf::records::SpanIdentity;
use bpf::records::http_client::Peer;
use opentelemetry::trace::{SpanKind, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::identity;
use crate::config::KnownMethods;

/// The instrumentation scope of spans of `net/http`.
static NET_HTTP: LazyLock<InstrumentationScope> = LazyLock::new(|| identity::scope_named("go-auto-launch/net/http"));

/// Query parameters whose values are secrets, in lower case: those that the conventions name, and the usual ones.
const SECRET_PARAMETERS: [&str; 22] = [
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "auth_token",
    "api_key",
    "apikey",
    "api-key",
    "client_secret",
    "secret",
    "password",
    "passwd",
    "pwd",
    "jwt",
    "authorization",
];

/// The span of a request that has begun, without name and attributes. Its end time is its start time until it is finished.
#[must_use]
pub fn open_span(kind: SpanKind, identity: &SpanIdentity, trace_state: TraceState, start_time: SystemTime) -> SpanData {
    identity::open_span(kind, identity, trace_state, NET_HTTP.clone(), start_time)
}

/// The bytes as text, those that are no UTF-8 replaced. Most are UTF-8, and looked at faster for it.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Adds the method; returns the span's name as long as there is no route.
pub fn method_attributes(method: &str, known: &KnownMethods, attributes: &mut Vec<KeyValue>) -> Cow<'static, str> {
    if let Some(known) = known.known(method) {
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD, known.clone()));
        known
    } else {
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD, "_OTHER"));
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD_ORIGINAL, method.to_owned()));
        Cow::Borrowed("HTTP")
    }
}

/// Whether the request of a span has this method.
#[must_use]
pub fn has_method(span: &SpanData, method: &str) -> bool {
    let is = |attribute: &KeyValue| {
        let name = attribute.key.as_str();
        // A method need not be known.
        (name == semconv::HTTP_REQUEST_METHOD || name == semconv::HTTP_REQUEST_METHOD_ORIGINAL)
            && attribute.value.as_str() == method
    };
    // They were the first (`method_attributes`).
    span.attributes.iter().take(2).any(is)
}

/// `network.protocol.version` of major and minor.
#[must_use]
pub fn protocol_version(version: (u16, u16)) -> Cow<'static, str> {
    match version {
        (1, 1) => "1.1".into(),
        (1, 0) => "1.0".into(),
        (2, _) => "2".into(),
        (3, _) => "3".into(),
        (major, minor) => format!("{major}.{minor}").into(),
    }
}

/// The query with the values of secret parameters replaced by `REDACTED`.
#[must_use]
pub fn redact_query(query: &str) -> Cow<'_, str> {
    let is_secret = |pair: &str| {
        let name = pair.split_once('=').map_or("", |(name, _value)| name);
        let name = percent_decode(name);
        SECRET_PARAMETERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
    };
    let separators = ['&', ';'];
    if !query.split(separators).any(is_secret) {
        return Cow::Borrowed(query);
    }
    let mut redacted = String::with_capacity(query.len());
    for piece in query.split_inclusive(separators) {
        let (pair, separator) = match piece.char_indices().next_back() {
            Some((at, last)) if separators.contains(&last) => piece.split_at(at),
            Some(_) | None => (piece, ""),
        };
        match pair.split_once('=') {
            Some((name, _value)) if is_secret(pair) => {
                redacted.push_str(name);
                redacted.push_str("=REDACTED");
            }
            Some(_) | None => redacted.push_str(pair),
        }
        redacted.push_str(separator);
    }
    Cow::Owned(redacted)
}

/// A parameter's name without its percent encoding; what is not ASCII cannot be a secret's name.
fn percent_decode(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            decoded.push(char::from(byte));
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push('%');
            rest = after;
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`. An empty host is none.
#[must_use]
pub fn split_host_port(authority: &str) -> (Option<&str>, Option<u16>) {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').unwrap_or((rest, ""));
        (host, after.strip_prefix(':'))
    } else {
        match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            // An IPv6 address without brackets, or no colon at all.
            Some(_) | None => (authority, None),
        }
    };
    (Some(host).filter(|host| !host.is_empty()), port.and_then(|port| port.parse().ok()))
}

/// The route in a `ServeMux` pattern `[METHOD ][HOST]/[PATH]`: the path. One of `hertz` is no more than that.
#[must_use]
pub fn route_of_pattern(pattern: &str) -> Option<&str> {
    if pattern.starts_with('/') {
        return Some(pattern);
    }
    let without_method = pattern.split_once([' ', '\t']).map_or(pattern, |(_method, rest)| rest.trim_start());
    without_method.find('/').and_then(|at| without_method.get(at..))
}

/// The IP address of a peer.
#[must_use]
pub fn peer_address(peer: &Peer) -> Option<IpAddr> {
    ip_address(peer.address.get(..peer.length as usize)?)
}

/// An IP address by its bytes; Go may hold one of version 4 in sixteen of them.
#[must_use]
pub fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_and_nothing_else() {
        assert_eq!(redact_query("a=1&b=2"), "a=1&b=2");
        assert_eq!(redact_query("sig=abc&x=1"), "sig=REDACTED&x=1");
        assert_eq!(redact_query("x=1;Signature=a=b&AWSAccessKeyId=k"), "x=1;Signature=REDACTED&AWSAccessKeyId=REDACTED");
        assert_eq!(redact_query("pass%77ord=x&&"), "pass%77ord=REDACTED&&");
        assert_eq!(redact_query("design=1&token"), "design=1&token");
        assert_eq!(redact_query("%zz=1&%=2&token=ü"), "%zz=1&%=2&token=REDACTED");
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(split_host_port("example.com:8080"), (Some("example.com"), Some(8080)));
        assert_eq!(split_host_port("example.com"), (Some("example.com"), None));
        assert_eq!(split_host_port("[::1]:80"), (Some("::1"), Some(80)));
        assert_eq!(split_host_port("[::1]"), (Some("::1"), None));
        assert_eq!(split_host_port("::1"), (Some("::1"), None));
        assert_eq!(split_host_port(":80"), (None, Some(80)));
        assert_eq!(split_host_port("h:99999"), (Some("h"), None));
        assert_eq!(split_host_port(""), (None, None));
    }

    #[test]
    fn routes_of_patterns() {
        assert_eq!(route_of_pattern("GET /items/{id}"), Some("/items/{id}"));
        assert_eq!(route_of_pattern("/"), Some("/"));
        assert_eq!(route_of_pattern("POST example.com/b/{$}"), Some("/b/{$}"));
        assert_eq!(route_of_pattern(""), None);
    }
}
