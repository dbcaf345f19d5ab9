//! The BPF programs of the object: one for each body, in two forms.

use crate::kernel::UprobeKind;
use crate::probes::probe::Body;

/// The name of the BPF program in the object (`bpf/src/main.rs`): its ELF section decides how it may be attached.
pub(super) const fn name(body: Body, kind: UprobeKind) -> &'static str {
    match (body, kind) {
        (Body::HttpServer, UprobeKind::Multi) => "http_server",
        (Body::HttpServer, UprobeKind::PerfEvent) => "http_server_p",
        (Body::Http2Request, UprobeKind::Multi) => "http2_request",
        (Body::Http2Request, UprobeKind::PerfEvent) => "http2_request_p",
        (Body::HttpRoute, UprobeKind::Multi) => "http_route",
        (Body::HttpRoute, UprobeKind::PerfEvent) => "http_route_p",
        (Body::HttpClient, UprobeKind::Multi) => "http_client",
        (Body::HttpClient, UprobeKind::PerfEvent) => "http_client_p",
        (Body::Operations, UprobeKind::Multi) => "operations",
        (Body::Operations, UprobeKind::PerfEvent) => "operations_p",
        (Body::Annotations, UprobeKind::Multi) => "annotations",
        (Body::Annotations, UprobeKind::PerfEvent) => "annotations_p",
        (Body::ServedOperations, UprobeKind::Multi) => "served_operations",
        (Body::ServedOperations, UprobeKind::PerfEvent) => "served_operations_p",
        (Body::GrpcClient, UprobeKind::Multi) => "grpc_client",
        (Body::GrpcClient, UprobeKind::PerfEvent) => "grpc_client_p",
        (Body::FasthttpServer, UprobeKind::Multi) => "fasthttp_server",
        (Body::FasthttpServer, UprobeKind::PerfEvent) => "fasthttp_server_p",
        (Body::HertzServer, UprobeKind::Multi) => "hertz_server",
        (Body::HertzServer, UprobeKind::PerfEvent) => "hertz_server_p",
        (Body::OtelApi, UprobeKind::Multi) => "otel_api_spans",
        (Body::OtelApi, UprobeKind::PerfEvent) => "otel_api_spans_p",
        (Body::OtelApiCalls, UprobeKind::Multi) => "otel_api_calls",
        (Body::OtelApiCalls, UprobeKind::PerfEvent) => "otel_api_calls_p",
        (Body::NewGoroutine, UprobeKind::Multi) => "new_goroutine",
        (Body::NewGoroutine, UprobeKind::PerfEvent) => "new_goroutine_p",
    }
}
