//! Requests to routers one after the other, and the routes that their spans have.

use std::path::Path;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::receiver::Attributes as _;
use super::server::{Client, Server, launcher};

/// A request by its method and path, the status of its answer, and its route; empty: none.
pub(crate) type Case = (&'static str, &'static str, u16, &'static str);

/// A router by its name, and its cases.
pub(crate) type Router = (&'static str, &'static [&'static [Case]]);

/// The route of a span of a request; its name says the same.
fn route(span: &Span) -> String {
    let route = span.text("http.route").unwrap_or_default();
    let method = span.text("http.request.method").unwrap();
    let name = if route.is_empty() { method } else { format!("{method} {route}") };
    assert_eq!(span.name, name);
    route
}

/// Each case has its route, in spite of a span within.
pub(crate) fn found(app: &Path, routers: &[Router]) {
    let names: Vec<&str> = routers.iter().map(|(name, _)| *name).collect();
    let mut command = launcher();
    command.args(["--span", "main.traced(w net/http.ResponseWriter)"]);
    let server = Server::start_with(command, app, &names, names.len());
    for ((name, cases), address) in routers.iter().zip(&server.addresses) {
        let mut client = Client::connect(*address);
        for (method, path, status, _) in cases.iter().copied().flatten() {
            assert_eq!(client.send(method, path, &[], ""), Some(*status), "{name} {method} {path}");
        }
    }
    let left = server.end();
    assert!(left.status.success(), "{}", left.stderr);
    // One after the other.
    let mut spans: Vec<&Span> = left.spans.iter().filter(|span| span.kind() == SpanKind::Server).collect();
    spans.sort_by_key(|span| span.start_time_unix_nano);
    let cases = routers.iter().flat_map(|(name, cases)| cases.iter().copied().flatten().map(move |case| (name, case)));
    let expected = cases.map(|(name, (method, path, _, route))| format!("{name} {method} {path}: {route}"));
    let expected: Vec<String> = expected.collect();
    assert_eq!(spans.len(), expected.len(), "{}", left.stderr);
    let is_right = |(expected, span): &(&String, &&Span)| expected.split_once(": ").unwrap().1 == route(span);
    let wrong: Vec<String> = expected
        .iter()
        .zip(&spans)
        .filter(|pair| !is_right(pair))
        .map(|(expected, span)| format!("{expected}, not {}", route(span)))
        .collect();
    assert!(wrong.is_empty(), "{}: {wrong:#?}", app.display());
}
