//! Captured values of a call by gRPC into its span.
//!
//! <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>

use std::borrow::Cow;
use std::net::SocketAddr;

use opentelemetry::trace::Status;
use opentelemetry::{KeyValue, Value as Attribute};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::target;
use crate::captured::{Captured, Failure};

/// Under this name the address of the other end is captured.
pub(super) const PEER_ADDRESS: &str = "peer address";
/// Its port.
pub(super) const PEER_PORT: &str = "peer port";
/// Address and port in one: where a server of `net/http` has the connection.
pub(super) const REMOTE: &str = "remote";
/// How often grpc itself has made the call again.
const RETRIES: &str = "rpc.request.resend_count";
/// What a method is called that a server does not have: who calls may call it anything.
const OTHER: &str = "_OTHER";
/// How the messages begin that `grpc.Server` itself answers such a call with (`server.go`, `handleStream`).
const UNKNOWN: [&str; 2] = ["unknown service ", "unknown method "];
/// The same of a name that is none: with `UNIMPLEMENTED`, or `RESOURCE_EXHAUSTED` in older versions.
const MALFORMED: &str = "malformed method name";

/// A status code (`codes/codes.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code(i64);

impl Code {
    const OK: Self = Self(0);
    const CANCELLED: Self = Self(1);
    const UNKNOWN: Self = Self(2);
    const DEADLINE_EXCEEDED: Self = Self(4);
    const UNIMPLEMENTED: Self = Self(12);
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];

    fn name(self) -> Cow<'static, str> {
        let known = usize::try_from(self.0).ok().and_then(|number| Self::NAMES.get(number));
        known.map_or_else(|| Cow::Owned(self.0.to_string()), |name| Cow::Borrowed(*name))
    }

    /// Whether the conventions call it an error of the server: one of those that say that it is the server's fault.
    fn is_servers_fault(self) -> bool {
        matches!(
            self.name().as_ref(),
            "UNKNOWN" | "DEADLINE_EXCEEDED" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS"
        )
    }
}

/// Adds a status, of an error with its message.
fn add_status(code: Code, is_error: bool, message: &str, span: &mut SpanData) {
    span.attributes.push(KeyValue::new(semconv::RPC_RESPONSE_STATUS_CODE, code.name()));
    if is_error {
        span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, code.name()));
        span.status = Status::error(message.to_owned());
    }
}

fn attribute<'s>(span: &'s SpanData, name: &str) -> Option<&'s Attribute> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == name).map(|attribute| &attribute.value)
}

/// A server has answered with a status, which is the call's if it is the first.
pub(super) fn status(captured: &Captured<'_>, span: &mut SpanData) {
    if attribute(span, semconv::RPC_RESPONSE_STATUS_CODE).is_some() {
        return;
    }
    // Of a `Status` of nil there is nothing to be read: it is OK.
    let code = Code(captured.integer("code").unwrap_or_default());
    let message = captured.text("message").unwrap_or_default();
    add_status(code, code.is_servers_fault(), message, span);
    let is_unknown = code == Code::UNIMPLEMENTED && UNKNOWN.iter().any(|known| message.starts_with(known));
    if is_unknown || message.starts_with(MALFORMED) {
        span.attributes.push(KeyValue::new(semconv::RPC_METHOD, OTHER));
    }
}

/// A call that a server has handled.
pub(super) fn served(captured: &Captured<'_>, span: &mut SpanData) {
    let method = method(captured);
    span.attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, "grpc"));
    if attribute(span, semconv::RPC_METHOD).is_some() {
        span.name = Cow::Borrowed("grpc");
        span.attributes.push(KeyValue::new(semconv::RPC_METHOD_ORIGINAL, method.to_owned()));
    } else {
        span.name = Cow::Owned(method.to_owned());
        span.attributes.push(KeyValue::new(semconv::RPC_METHOD, method.to_owned()));
    }
    peer(captured, span);
}

/// A call that a client has made.
pub(super) fn called(captured: &Captured<'_>, span: &mut SpanData) {
    let method = method(captured);
    span.name = Cow::Owned(method.to_owned());
    span.attributes.reserve(8);
    span.attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, "grpc"));
    span.attributes.push(KeyValue::new(semconv::RPC_METHOD, method.to_owned()));
    let (host, port) = target::address(captured.text("target").unwrap_or_default());
    span.attributes.extend(host.map(|host| KeyValue::new(semconv::SERVER_ADDRESS, host.to_owned())));
    span.attributes.extend(port.map(|port| KeyValue::new(semconv::SERVER_PORT, i64::from(port))));
    peer(captured, span);
    if let Some(retries @ 1..) = captured.integer("retries") {
        span.attributes.push(KeyValue::new(RETRIES, retries));
    }
    if !captured.is_ended {
        return;
    }
    let failure = captured.failure().filter(|failure| !is_end_of_stream(failure));
    let code = match (&failure, captured.integer("code")) {
        (None, _) => Code::OK,
        (Some(_), Some(code)) => Code(code),
        (Some(failure), None) => match failure.type_name.as_str() {
            "context.Canceled" => Code::CANCELLED,
            "context.DeadlineExceeded" => Code::DEADLINE_EXCEEDED,
            _ => Code::UNKNOWN,
        },
    };
    let message = captured.text("message").or(failure.as_ref().and_then(|failure| failure.message.as_deref()));
    add_status(code, code != Code::OK, message.unwrap_or_default(), span);
}

/// Whether an error says that a stream has come to its end (`io.EOF`).
fn is_end_of_stream(failure: &Failure) -> bool {
    failure.type_name == "*errors.errorString" && failure.message.as_deref() == Some("EOF")
}

/// The full method: `pkg.Service/Method`.
fn method<'c>(captured: &Captured<'c>) -> &'c str {
    let method = captured.text("method").unwrap_or_default();
    method.strip_prefix('/').unwrap_or(method)
}

/// Adds the other end of the connection.
fn peer(captured: &Captured<'_>, span: &mut SpanData) {
    let of_request = || captured.text(REMOTE).and_then(|remote| remote.parse::<SocketAddr>().ok());
    let (address, port) = match captured.text(PEER_ADDRESS) {
        Some(address) => (Some(address.to_owned()), captured.integer(PEER_PORT)),
        None => of_request().map(|remote| (remote.ip().to_string(), i64::from(remote.port()))).unzip(),
    };
    span.attributes.extend(address.map(|address| KeyValue::new(semconv::NETWORK_PEER_ADDRESS, address)));
    span.attributes.extend(port.map(|port| KeyValue::new(semconv::NETWORK_PEER_PORT, port)));
}

#[cfg(test)]
mod tests;
