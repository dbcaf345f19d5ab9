//! Captured values of a call by Connect into its span.
//!
//! <https://opentelemetry.io/docs/specs/semconv/rpc/connect-rpc/>

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use crate::captured::{Captured, Value};
use crate::instrumentations::rpc::Code;
use crate::instrumentations::{http, rpc};

/// Under this name is captured whether an error is one that the server has sent.
pub(super) const IS_SENT: &str = "is sent";
/// The text of the error that is wrapped.
pub(super) const INNERMOST: &str = "innermost";
const SYSTEM: &str = "connectrpc";

/// As `Code.String` has it (`code.go`); there is none of success.
fn code_name(code: Code) -> Cow<'static, str> {
    match code.name() {
        Some(_) if code == Code::CANCELLED => Cow::Borrowed("canceled"),
        Some(name) if code != Code::OK => Cow::Owned(name.to_ascii_lowercase()),
        Some(_) | None => Cow::Owned(format!("code_{}", code.0)),
    }
}

/// A call that a server has begun to handle.
pub(super) fn served(captured: &Captured<'_>, span: &mut SpanData) {
    rpc::name(span, SYSTEM, captured.text("procedure").unwrap_or_default());
}

/// A call ends at the server, with an error.
pub(super) fn failed(captured: &Captured<'_>, span: &mut SpanData) {
    if let Some(failure) = captured.failure() {
        let code = Code::of(captured, &failure);
        rpc::add_status(code_name(code), code.is_servers_fault(), failure.message.as_deref().unwrap_or_default(), span);
    }
}

/// A call that a client has made.
pub(super) fn called(captured: &Captured<'_>, span: &mut SpanData) {
    // What the round trip has told.
    let told = std::mem::take(&mut span.attributes);
    span.attributes.reserve(told.len() + 8);
    rpc::name(span, SYSTEM, captured.text("procedure").unwrap_or_default());
    if let (Some(address), port) = http::split_host_port(captured.text("host").unwrap_or_default()) {
        let default = if captured.text("scheme") == Some("https") { 443 } else { 80 };
        span.attributes.push(KeyValue::new(semconv::SERVER_ADDRESS, address.to_owned()));
        span.attributes.push(KeyValue::new(semconv::SERVER_PORT, i64::from(port.unwrap_or(default))));
    }
    span.attributes.extend(told);
    if let Some(failure) = captured.failure().filter(|_| !is_end_of_stream(captured)) {
        let code = Code::of(captured, &failure);
        rpc::add_status(code_name(code), true, failure.message.as_deref().unwrap_or_default(), span);
    }
}

/// Whether an error says that all was received: `io.EOF`, with whichever code.
fn is_end_of_stream(captured: &Captured<'_>) -> bool {
    captured.text(INNERMOST) == Some("EOF") && captured.get(IS_SENT) != Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        assert_eq!(code_name(Code(1)), "canceled");
        assert_eq!(code_name(Code(5)), "not_found");
        assert_eq!(code_name(Code(16)), "unauthenticated");
        assert_eq!(code_name(Code(17)), "code_17");
        assert_eq!(code_name(Code(0)), "code_0");
        assert_eq!(code_name(Code(-1)), "code_-1");
        assert!(Code::UNKNOWN.is_servers_fault() && !Code::CANCELLED.is_servers_fault());
    }
}
