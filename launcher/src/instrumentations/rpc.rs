//! Spans of calls of procedures, whatever the system: names, status codes, and what of HTTP is left of one that `net/http` serves. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::Status;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use crate::captured::{Captured, Failure};

/// A status code, of gRPC (`codes/codes.go`) and of Connect (`code.go`), which has all but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i64);

impl Code {
    /// Success.
    pub const OK: Self = Self(0);
    /// Cancelled, by whoever has called.
    pub const CANCELLED: Self = Self(1);
    /// An error that is none of a procedure call.
    pub const UNKNOWN: Self = Self(2);
    /// It took too long.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// There is no such procedure.
    pub const UNIMPLEMENTED: Self = Self(12);
    const INTERNAL: Self = Self(13);
    const UNAVAILABLE: Self = Self(14);
    const DATA_LOSS: Self = Self(15);
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

    /// That of an error, which may have none of its own: captured as `code`.
    #[must_use]
    pub fn of(captured: &Captured<'_>, failure: &Failure) -> Self {
        match (captured.integer("code"), &*failure.type_name) {
            (Some(code), _) => Self(code),
            (None, "context.Canceled") => Self::CANCELLED,
            (None, "context.DeadlineExceeded") => Self::DEADLINE_EXCEEDED,
            (None, _) => Self::UNKNOWN,
        }
    }

    /// Its name, as the conventions write it; `None` of a number that has none.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        usize::try_from(self.0).ok().and_then(|number| Self::NAMES.get(number)).copied()
    }

    /// Whether the conventions call it an error of the server: one of those that say that it is the server's fault.
    #[must_use]
    pub fn is_servers_fault(self) -> bool {
        [Self::UNKNOWN, Self::DEADLINE_EXCEEDED, Self::UNIMPLEMENTED, Self::INTERNAL, Self::UNAVAILABLE, Self::DATA_LOSS]
            .contains(&self)
    }
}

/// Adds a status by the name of its code, of an error with its message.
pub fn add_status(name: Cow<'static, str>, is_error: bool, message: &str, span: &mut SpanData) {
    span.attributes.push(KeyValue::new(semconv::RPC_RESPONSE_STATUS_CODE, name.clone()));
    if is_error {
        span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, name));
        span.status = Status::error(message.to_owned());
    }
}

/// Adds an error without a code, by the name of its type.
pub fn add_error(type_name: Arc<str>, message: &str, span: &mut SpanData) {
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, type_name));
    span.status = Status::error(message.to_owned());
}

/// The full method of a procedure: `pkg.Service/Method`.
#[must_use]
pub fn method(procedure: &str) -> &str {
    procedure.strip_prefix('/').unwrap_or(procedure)
}

/// Gives a span the name of a procedure (`/pkg.Service/Method`) of a system.
pub fn name(span: &mut SpanData, system: &'static str, procedure: &str) {
    let method = method(procedure);
    span.name = Cow::Owned(method.to_owned());
    span.attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, system));
    span.attributes.push(KeyValue::new(semconv::RPC_METHOD, method.to_owned()));
}

/// What a method is called that a server does not have: who calls may call it anything.
pub const OTHER: &str = "_OTHER";

/// Gives a span of a procedure that there is not the name of the system alone.
pub fn name_unknown(span: &mut SpanData, system: &'static str, procedure: &str) {
    span.name = Cow::Borrowed(system);
    span.attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, system));
    span.attributes.push(KeyValue::new(semconv::RPC_METHOD_ORIGINAL, method(procedure).to_owned()));
}

/// Under this name stands a code of which it is not known yet whose it is. It leaves with no span.
const HEARD: &str = "\0code";

/// Notes a code that was heard of while a request is served.
pub fn hear(span: &mut SpanData, code: String) {
    forget_heard(span);
    span.attributes.push(KeyValue::new(HEARD, code));
}

/// The code that was last heard of, which is taken away.
pub fn forget_heard(span: &mut SpanData) -> Option<String> {
    let at = span.attributes.iter().position(|attribute| attribute.key.as_str() == HEARD)?;
    Some(span.attributes.remove(at).value.to_string())
}

/// Of a request that was a call, what speaks of HTTP is left out: the call says it better. Its name is that of the procedure, whatever
/// routers have found since.
pub fn settle(span: &mut SpanData) {
    forget_heard(span);
    let is_method = |attribute: &&KeyValue| attribute.key.as_str() == semconv::RPC_METHOD;
    let Some(KeyValue { value: Value::String(method), .. }) = span.attributes.iter().find(is_method) else {
        return;
    };
    span.name = Cow::Owned(method.as_str().to_owned());
    span.attributes.retain(|attribute| {
        let key = attribute.key.as_str();
        !(key.starts_with("http.") || key.starts_with("url."))
    });
}
