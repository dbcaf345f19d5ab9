//! What the program exports itself: its OpenTelemetry SDK sends what it records by clients like any other, and each of these requests would be a
//! trace of one span, every few seconds, about nothing that the program does. The launcher reports none of them. Natively they are not sampled,
//! either, so that what receives them does not name a parent that nobody knows.

use crate::go::string::GoString;
use crate::records::operation::{OperationStart, ValueHead};
use crate::records::{RecordBuffer, SpanIdentity};
use crate::target::{Lookup, Target};

/// How the paths of exports end: those of the OTLP specification ("OTLP/HTTP Request"), and Zipkin's (`exporters/zipkin/zipkin.go`,
/// `collectorURL`). What stands before them is the user's own.
pub const PATHS: [&str; 5] = ["/v1/traces", "/v1/metrics", "/v1/logs", "/v1development/profiles", "/api/v2/spans"];
/// The method of such a request.
pub const METHOD: &str = "POST";
/// The package of OTLP's services (`opentelemetry-proto`).
pub const SERVICES: &str = "opentelemetry.proto.collector.";
/// Bytes of a path that are looked at.
const LAST: usize = 24;
const _: () = {
    let mut number = 0;
    while number < PATHS.len() {
        assert!(PATHS[number].len() <= LAST);
        number += 1;
    }
};

/// Whether a span may be that of an export, and it matters here: it has no parent, the program has an exporter, and this is no BPF program.
#[inline(always)]
pub fn may_be<T: Target>(target: &T, span: &SpanIdentity) -> bool {
    T::STORES && target.parents().has_exporter.get() != 0 && span.parent_span_id == [0; 8]
}

/// Whether a request with this method and path is an export.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most so many bytes as are looked at")]
pub fn is_request<L: Lookup>(lookup: &L, method: GoString, path: GoString) -> bool {
    let mut bytes = [0; METHOD.len()];
    let is_posted = method.length == METHOD.len() as u64
        && lookup.read_bytes(method.address, METHOD.len() as u32, &mut bytes)
        && bytes == METHOD.as_bytes();
    if !is_posted {
        return false;
    }
    let mut last = [0; LAST];
    let length = path.length.min(LAST as u64);
    let is_read = lookup.read_bytes(path.address.wrapping_add(path.length - length), length as u32, &mut last);
    let read = last.get(..length as usize).unwrap_or_default();
    is_read && PATHS.iter().any(|path| read.ends_with(path.as_bytes()))
}

/// Whether the first value that is captured of a call is the method of an export: a slash, then the service.
#[inline(always)]
#[must_use]
pub fn is_export_call(record: &RecordBuffer) -> bool {
    // Behind the slash.
    let method = size_of::<OperationStart>() + size_of::<ValueHead>() + 1;
    record.bytes.get(method..method + SERVICES.len()) == Some(SERVICES.as_bytes())
        && record.length >= (method + SERVICES.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_server::EMPTY_HTTP_SERVER;
    use crate::target::fake::FakeProcess;

    #[test]
    fn requests_that_are_exports() {
        let process = FakeProcess::new(EMPTY_HTTP_SERVER);
        let is_export = |method: &str, path: &str| {
            let [method, path] = [method, path].map(|text| {
                let [address, length] = process.string(text);
                GoString { address, length }
            });
            is_request(&process, method, path)
        };
        for path in PATHS {
            assert!(is_export("POST", path) && is_export("POST", &format!("/otlp/of/a/tenant{path}")), "{path}");
            assert!(!is_export("GET", path) && !is_export("PUT", path), "{path}");
        }
        assert!(!is_export("POST", "/v1/trace") && !is_export("POST", "/v1/traces/7") && !is_export("POST", ""));
    }

    #[test]
    fn calls_that_are_exports() {
        let is_export = |method: &str| {
            let mut record = Box::new(RecordBuffer::EMPTY);
            let at = size_of::<OperationStart>() + size_of::<ValueHead>();
            record.bytes[at..at + method.len()].copy_from_slice(method.as_bytes());
            record.length = (at + method.len()) as u64;
            is_export_call(&record)
        };
        assert!(is_export("/opentelemetry.proto.collector.trace.v1.TraceService/Export"));
        assert!(!is_export("/opentelemetry.proto.collector") && !is_export("/shop.v1.Orders/Get") && !is_export(""));
    }
}
