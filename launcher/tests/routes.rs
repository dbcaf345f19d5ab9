//! `http.route` where a middleware replaces the request before the mux sees it, and what that costs where none does.
//!
//! Needs root, or `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_PTRACE`, and a kernel with uprobes: `make test` as root.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use opentelemetry_proto::tonic::trace::v1::Span;
use support::apps::{self, GoVersion, Variant};
use support::receiver::Attributes as _;
use support::server::{Server, curl, get};

fn route(spans: &[Span], path: &str) -> Option<String> {
    let mut found = spans.iter().filter(|span| span.text("url.path").as_deref() == Some(path));
    let span = found.next().unwrap_or_else(|| panic!("{path} has no span"));
    assert!(found.next().is_none(), "{path} has two spans");
    let route = span.text("http.route");
    let method = span.text("http.request.method").unwrap();
    assert_eq!(span.name, route.as_ref().map_or(method.clone(), |route| format!("{method} {route}")));
    route
}

/// The first request already has its route, by HTTP/1 and HTTP/2; what no mux knows has none.
fn replaced(version: GoVersion, variant: Variant) {
    let app = apps::build("http_server", version, variant);
    let server = Server::start(&app, &["-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0", "-replaced"], 2);
    let [plain, tls] = server.addresses[..] else { panic!("two addresses") };
    assert_eq!(get(plain, "/items/7"), 200);
    assert_eq!(get(plain, "/nothing"), 404);
    assert_eq!(get(plain, "/api/inner"), 200);
    assert_eq!(get(plain, "/panic"), 0);
    assert_eq!(curl(&["--http2"], &format!("https://{tls}/items/8")), "2 200");
    let left = server.end();
    let what = format!("{version:?} {variant:?}: {}", left.stderr);
    assert_eq!(left.spans.len(), 5, "{what}");
    assert_eq!(route(&left.spans, "/items/7").as_deref(), Some("/items/{id}"), "{what}");
    assert_eq!(route(&left.spans, "/items/8").as_deref(), Some("/items/{id}"), "{what}");
    assert_eq!(route(&left.spans, "/panic").as_deref(), Some("/panic"), "{what}");
    assert_eq!(route(&left.spans, "/nothing"), None, "{what}");
    // The mux around has cut off what it knows.
    assert_eq!(route(&left.spans, "/api/inner").as_deref(), Some("/api/inner"), "{what}");
}

#[test]
fn requests_that_are_replaced_have_routes() {
    for version in [GoVersion::GO_1_22, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        replaced(version, Variant::Default);
    }
    for variant in [Variant::Stripped, Variant::Pie, Variant::Cgo] {
        replaced(GoVersion::GO_1_27, variant);
    }
}
