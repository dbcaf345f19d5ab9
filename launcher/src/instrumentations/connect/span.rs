//! Captured values of a call by Connect into its span.
//!
//! <https://opentelemetry.io/docs/specs/semconv/rpc/connect-rpc/>

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use crate::captured::{Captured, Failure, Value};
use crate::instrumentations::{http, rpc};

/// Under this name is captured whether an error is one that the server has sent.
pub(super) const IS_SENT: &str = "is sent";
/// The text of the error that is wrapped.
pub(super) const INNERMOST: &str = "innermost";
const SYSTEM: &str = "connectrpc";

/// The code of an error (`code.go`); there is none of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code(i64);

impl Code {
    const CANCELED: Self = Self(1);
    const UNKNOWN: Self = Self(2);
    const DEADLINE_EXCEEDED: Self = Self(4);
    /// From 1 on.
    const NAMES: [&str; 16] = [
        "canceled",
        "unknown",
        "invalid_argument",
        "deadline_exceeded",
        "not_found",
        "already_exists",
        "permission_denied",
        "resource_exhausted",
        "failed_precondition",
        "aborted",
        "out_of_range",
        "unimplemented",
        "internal",
        "unavailable",
        "data_loss",
        "unauthenticated",
    ];

    /// That of an error, which may have none of its own.
    fn of(captured: &Captured<'_>, failure: &Failure) -> Self {
        match (captured.integer("code"), failure.type_name.as_str()) {
            (Some(code), _) => Self(code),
            (None, "context.Canceled") => Self::CANCELED,
            (None, "context.DeadlineExceeded") => Self::DEADLINE_EXCEEDED,
            (None, _) => Self::UNKNOWN,
        }
    }

    /// As `Code.String` has it.
    fn name(self) -> Cow<'static, str> {
        let known = usize::try_from(self.0).ok().and_then(|number| Self::NAMES.get(number.checked_sub(1)?));
        known.map_or_else(|| Cow::Owned(format!("code_{}", self.0)), |name| Cow::Borrowed(*name))
    }

    /// Whether it says that it is the server's fault.
    fn is_servers_fault(self) -> bool {
        matches!(
            self.name().as_ref(),
            "unknown" | "deadline_exceeded" | "unimplemented" | "internal" | "unavailable" | "data_loss"
        )
    }
}

/// A call that a server has begun to handle.
pub(super) fn served(captured: &Captured<'_>, span: &mut SpanData) {
    rpc::name(span, SYSTEM, captured.text("procedure").unwrap_or_default());
}

/// A call ends at the server, with an error.
pub(super) fn failed(captured: &Captured<'_>, span: &mut SpanData) {
    if let Some(failure) = captured.failure() {
        add_code(Code::of(captured, &failure), Code::is_servers_fault, failure.message.as_deref(), span);
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
        add_code(Code::of(captured, &failure), |_code| true, failure.message.as_deref(), span);
    }
}

fn add_code(code: Code, is_error: impl Fn(Code) -> bool, message: Option<&str>, span: &mut SpanData) {
    span.attributes.push(KeyValue::new(semconv::RPC_RESPONSE_STATUS_CODE, code.name()));
    if is_error(code) {
        span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, code.name()));
        span.status = Status::error(message.unwrap_or_default().to_owned());
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
        assert_eq!(Code(1).name(), "canceled");
        assert_eq!(Code(5).name(), "not_found");
        assert_eq!(Code(16).name(), "unauthenticated");
        assert_eq!(Code(17).name(), "code_17");
        assert_eq!(Code(0).name(), "code_0");
        assert_eq!(Code(-1).name(), "code_-1");
        assert!(Code::UNKNOWN.is_servers_fault() && !Code::CANCELED.is_servers_fault());
    }
}
