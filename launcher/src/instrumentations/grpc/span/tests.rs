//! Spans as the conventions want them.

use std::time::SystemTime;

use bpf::records::SpanIdentity;
use opentelemetry::trace::{SpanKind, Status, TraceState};

use super::*;
use crate::captured::{ERROR, Value};
use crate::config::Database;
use crate::instrumentations::identity;
use crate::panic_value::PanicValue;

fn span() -> SpanData {
    let scope = identity::scope("grpc");
    identity::open_span(SpanKind::Client, &SpanIdentity::NONE, TraceState::default(), scope, SystemTime::UNIX_EPOCH)
}

fn text(name: &'static str, text: &str) -> (Cow<'static, str>, Value) {
    (name.into(), Value::Text { text: text.into(), is_cut: false })
}

fn number(name: &'static str, number: i64) -> (Cow<'static, str>, Value) {
    (name.into(), Value::Integer(number))
}

fn error(type_name: &str, message: Option<&str>) -> (Cow<'static, str>, Value) {
    let value = PanicValue { type_name: type_name.into(), message: message.map(Into::into) };
    (ERROR.into(), Value::Held(value))
}

fn with(span: &mut SpanData, make: fn(&Captured<'_>, &mut SpanData), values: &[(Cow<'static, str>, Value)]) {
    let database = Database::default();
    make(&Captured { function: "", values, known: &[], database: &database, is_ended: true, is_inner: true }, span);
}

fn of<'s>(span: &'s SpanData, name: &str) -> Option<Cow<'s, str>> {
    attribute(span, name).map(Attribute::as_str)
}

#[test]
fn a_call_that_was_answered() {
    let mut span = span();
    let peer = [text(PEER_ADDRESS, "10.0.0.7"), number(PEER_PORT, 443)];
    let values = [text("method", "/shop.Orders/Place"), text("target", "dns:///orders:443"), number("retries", 0)];
    with(&mut span, called, &[&values[..], &peer[..]].concat());
    assert_eq!(span.name, "shop.Orders/Place");
    let attributes = [
        (semconv::RPC_SYSTEM_NAME, "grpc"),
        (semconv::RPC_METHOD, "shop.Orders/Place"),
        (semconv::SERVER_ADDRESS, "orders"),
        (semconv::SERVER_PORT, "443"),
        (semconv::NETWORK_PEER_ADDRESS, "10.0.0.7"),
        (semconv::NETWORK_PEER_PORT, "443"),
        (semconv::RPC_RESPONSE_STATUS_CODE, "OK"),
    ];
    assert_eq!(span.attributes.len(), attributes.len());
    for (name, value) in attributes {
        assert_eq!(of(&span, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(span.status, Status::Unset);
}

/// To a client, all but OK are errors.
#[test]
fn a_call_that_has_failed() {
    let status = "*google.golang.org/grpc/internal/status.Error";
    let cases = [
        (vec![error(status, None), number("code", 5), text("message", "no such order")], "NOT_FOUND", "no such order"),
        (vec![error(status, None), number("code", 77), text("message", "")], "77", ""),
        (vec![error("context.deadlineExceededError", None)], "DEADLINE_EXCEEDED", "context deadline exceeded"),
        (vec![error("*errors.errorString", Some("context canceled"))], "CANCELLED", "context canceled"),
        (vec![error("*net.OpError", None)], "UNKNOWN", ""),
    ];
    for (values, code, message) in cases {
        let mut span = span();
        with(&mut span, called, &values);
        assert_eq!(of(&span, semconv::RPC_RESPONSE_STATUS_CODE).as_deref(), Some(code));
        assert_eq!(of(&span, semconv::ERROR_TYPE).as_deref(), Some(code));
        assert_eq!(span.status, Status::error(message.to_owned()), "{code}");
    }
    let mut span = span();
    with(&mut span, called, &[error("*errors.errorString", Some("EOF")), number("retries", 2)]);
    assert_eq!(of(&span, semconv::RPC_RESPONSE_STATUS_CODE).as_deref(), Some("OK"));
    assert_eq!(of(&span, RETRIES).as_deref(), Some("2"));
}

/// To a server, those that say that it is at fault; and the first status counts.
#[test]
fn statuses_that_a_server_answers_with() {
    let mut errors = Vec::new();
    for code in 0..=17 {
        let mut span = span();
        with(&mut span, status, &[number("code", code), text("message", "why")]);
        with(&mut span, status, &[number("code", 13), text("message", "the stream is done")]);
        with(&mut span, served, &[text("method", "/shop.Orders/Place")]);
        assert_eq!(span.name, "shop.Orders/Place");
        assert_eq!(of(&span, semconv::RPC_RESPONSE_STATUS_CODE), Some(code_name(Code(code))));
        if span.status != Status::Unset {
            assert_eq!(span.status, Status::error("why"));
            assert_eq!(of(&span, semconv::ERROR_TYPE), Some(code_name(Code(code))));
            errors.push(code);
        }
    }
    assert_eq!(errors, [2, 4, 12, 13, 14, 15]);
}

/// What a stranger calls a method must not become the name of a span.
#[test]
fn a_method_that_a_server_does_not_have() {
    for message in ["unknown service a", "unknown method b for service c", "malformed method name: \"/x\""] {
        let mut span = span();
        with(&mut span, status, &[number("code", 12), text("message", message)]);
        with(&mut span, served, &[text("method", "/a/b")]);
        assert_eq!(span.name, "grpc");
        assert_eq!(of(&span, semconv::RPC_METHOD).as_deref(), Some("_OTHER"));
        assert_eq!(of(&span, semconv::RPC_METHOD_ORIGINAL).as_deref(), Some("a/b"));
    }
    let mut span = span();
    with(&mut span, status, &[number("code", 12), text("message", "not yet")]);
    with(&mut span, served, &[text("method", "/a/b")]);
    assert_eq!(span.name, "a/b", "a handler has said so");
}
