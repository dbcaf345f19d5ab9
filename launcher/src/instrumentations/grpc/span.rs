//! Captured values of a call by gRPC into its span.
//!
//! <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>

use std::borrow::Cow;
use std::net::SocketAddr;

use opentelemetry::{KeyValue, Value as Attribute};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::target;
use crate::captured::{Captured, Failure};
use crate::instrumentations::rpc::{self, Code};

/// Under this name the address of the other end is captured.
pub(super) const PEER_ADDRESS: &str = "peer address";
/// Its port.
pub(super) const PEER_PORT: &str = "peer port";
/// Address and port in one: where a server of `net/http` has the connection.
pub(super) const REMOTE: &str = "remote";
const SYSTEM: &str = "grpc";
/// How often grpc itself has made the call again.
const RETRIES: &str = "rpc.request.resend_count";
/// How the messages begin that `grpc.Server` itself answers such a call with (`server.go`, `handleStream`).
const UNKNOWN: [&str; 2] = ["unknown service ", "unknown method "];
/// The same of a name that is none: with `UNIMPLEMENTED`, or `RESOURCE_EXHAUSTED` in older versions.
const MALFORMED: &str = "malformed method name";

/// As the conventions write it; the number of one that has no name.
fn code_name(code: Code) -> Cow<'static, str> {
    code.name().map_or_else(|| Cow::Owned(code.0.to_string()), Cow::Borrowed)
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
    rpc::add_status(code_name(code), code.is_servers_fault(), message, span);
    let is_unknown = code == Code::UNIMPLEMENTED && UNKNOWN.iter().any(|known| message.starts_with(known));
    if is_unknown || message.starts_with(MALFORMED) {
        span.attributes.push(KeyValue::new(semconv::RPC_METHOD, rpc::OTHER));
    }
}

/// A call that a server has handled.
pub(super) fn served(captured: &Captured<'_>, span: &mut SpanData) {
    let procedure = captured.text("method").unwrap_or_default();
    if attribute(span, semconv::RPC_METHOD).is_some() {
        rpc::name_unknown(span, SYSTEM, procedure);
    } else {
        rpc::name(span, SYSTEM, procedure);
    }
    peer(captured, span);
}

/// A call that a client has made.
pub(super) fn called(captured: &Captured<'_>, span: &mut SpanData) {
    span.attributes.reserve(8);
    rpc::name(span, SYSTEM, captured.text("method").unwrap_or_default());
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
    let code = failure.as_ref().map_or(Code::OK, |failure| Code::of(captured, failure));
    let message = captured.text("message").or(failure.as_ref().and_then(|failure| failure.message.as_deref()));
    rpc::add_status(code_name(code), code != Code::OK, message.unwrap_or_default(), span);
}

/// Whether an error says that a stream has come to its end (`io.EOF`).
fn is_end_of_stream(failure: &Failure) -> bool {
    &*failure.type_name == "*errors.errorString" && failure.message.as_deref() == Some("EOF")
}

/// Adds the other end of the connection.
fn peer(captured: &Captured<'_>, span: &mut SpanData) {
    let of_request = || captured.text(REMOTE).and_then(|remote| remote.parse::<SocketAddr>().ok());
    let (address, port) = match captured.shared_text(PEER_ADDRESS) {
        Some(address) => (Some(address.clone()), captured.integer(PEER_PORT)),
        None => of_request().map(|remote| (remote.ip().to_string().into(), i64::from(remote.port()))).unzip(),
    };
    span.attributes.extend(address.map(|address| KeyValue::new(semconv::NETWORK_PEER_ADDRESS, address)));
    span.attributes.extend(port.map(|port| KeyValue::new(semconv::NETWORK_PEER_PORT, port)));
}

#[cfg(test)]
mod tests;
