//! Servers of fiber, whose server is that of fasthttp: one span for each request, with the route that fiber has found.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, launcher};
use support::traces::{hexadecimal, is_child};

/// A request by its method and path, the status of its answer, and its route; empty: none.
type Case = (&'static str, &'static str, u16, &'static str);

const CASES: &[Case] = &[
    ("GET", "/pets", 200, "/pets"),
    ("GET", "/pets/7?x=1", 200, "/pets/:id"),
    ("GET", "/files/a/b", 200, "/files/*"),
    // More handlers than one, and more routes: the last one counts.
    ("GET", "/two/7", 200, "/two/:a"),
    ("GET", "/on/7", 200, "/on/:b"),
    ("POST", "/api/v1/shops/7/orders/7", 200, "/api/:version/shops/:shop/orders/:order"),
    ("GET", "/mnt/q/7", 200, "/mnt/q/:z"),
    ("GET", "/fail/7", 500, "/fail/:how"),
    ("GET", "/teapot", 418, "/teapot"),
    ("GET", "/panic/7", 500, "/panic/:id"),
    // A middleware has answered it.
    ("GET", "/admin/7", 403, ""),
    ("GET", "/nothing", 404, ""),
    ("DELETE", "/pets/7", 405, ""),
];

/// The program with the oldest versions, and that with the newest, with the names of its servers.
fn builds() -> Vec<(PathBuf, &'static [&'static str])> {
    let newest = ModuleFile::named("fiber", "newest");
    let (old, new): (&[&str], &[&str]) = (&["fiber2"], &["fiber2", "fiber3"]);
    let build = |version, variant| (apps::build_tagged("fiber", version, variant, "newest", Some(&newest)), new);
    let mut builds =
        vec![(apps::build("fiber", GoVersion::GO_1_21, Variant::Stripped), old), build(GoVersion::GO_1_27, Variant::Default)];
    if tests_all() {
        builds.push((apps::build("fiber", GoVersion::GO_1_24, Variant::PieStripped), old));
        builds.push((apps::build("fiber", GoVersion::GO_1_27, Variant::Stripped), old));
        builds.push(build(GoVersion::GO_1_26, Variant::PieStripped));
    }
    builds
}

/// The route of a span of a request; its name says the same.
fn route(span: &Span) -> String {
    let route = span.text("http.route").unwrap_or_default();
    let method = span.text("http.request.method").unwrap();
    assert_eq!(span.name, if route.is_empty() { method } else { format!("{method} {route}") });
    route
}

#[test]
fn routes() {
    for (app, names) in builds() {
        let server = Server::start_with(launcher(), &app, names, names.len());
        for (name, address) in names.iter().zip(&server.addresses) {
            let mut client = Client::connect(*address);
            for (method, path, status, _) in CASES {
                let body = if *method == "POST" { "a body" } else { "" };
                assert_eq!(client.send(method, path, &[], body), Some(*status), "{name} {method} {path}");
            }
        }
        let Left { mut spans, stderr, .. } = server.end();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        let said = |span: &Span| {
            let (path, status) = (span.text("url.path").unwrap(), span.number("http.response.status_code").unwrap());
            format!("{path} {status} {}", route(span))
        };
        let found: Vec<String> = spans.iter().map(said).collect();
        let expected = |(_, path, status, route): &Case| format!("{} {status} {route}", path.split('?').next().unwrap());
        let expected: Vec<String> = names.iter().flat_map(|_| CASES.iter().map(expected)).collect();
        assert_eq!(found, expected, "{}: {stderr}", app.display());
    }
}

/// What a handler calls is its child, and the header names that.
#[test]
fn children() {
    for (app, names) in builds() {
        let server = Server::start_with(launcher(), &app, names, names.len());
        let paths = ["/calls/7", "/context"];
        let mut answers = Vec::new();
        for address in &server.addresses {
            let mut client = Client::connect(*address);
            for path in paths {
                let parent = format!("00-{:032x}-00000000000000aa-01", answers.len() + 1);
                assert_eq!(client.send("GET", path, &[("traceparent".to_owned(), parent)], ""), Some(200), "{path}");
                answers.push(String::from_utf8(client.body.clone()).unwrap());
            }
        }
        let Left { spans, stderr, .. } = server.end();
        assert_eq!(spans.len(), 3 * answers.len(), "{}: {stderr}", app.display());
        for (number, answer) in (1..).zip(&answers) {
            let id = format!("{number:032x}");
            let own: Vec<&Span> = spans.iter().filter(|span| hexadecimal(&span.trace_id) == id).collect();
            let front = own.iter().find(|span| hexadecimal(&span.parent_span_id) == "00000000000000aa").unwrap();
            let call = own.iter().find(|span| is_child(span, front)).unwrap();
            assert_eq!(call.kind(), SpanKind::Client);
            let within = own.iter().find(|span| is_child(span, call)).unwrap();
            assert_eq!((route(within), own.len()), ("/said".to_owned(), 3));
            assert_eq!(*answer, format!("00-{id}-{}-01", hexadecimal(&call.span_id)));
        }
    }
}
