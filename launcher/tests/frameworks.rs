//! `http.route` of frameworks that bring a router, with or without a server of their own.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::receiver::Attributes as _;
use support::server::{Client, Server, launcher};

/// A request by its method and path, the status of its answer, and its route; empty: none.
type Case = (&'static str, &'static str, u16, &'static str);

const COLONS: &[Case] = &[
    ("GET", "/pets", 200, "/pets"),
    ("GET", "/pets/7?x=1", 200, "/pets/:id"),
    ("POST", "/api/v1/shops/7/orders/7", 200, "/api/:version/shops/:shop/orders/:order"),
    ("GET", "/nothing", 404, ""),
];

const BEEGO: &[Case] = &[("GET", "/files/a/b", 200, "/files/*"), ("GET", "/pets/7/nothing", 404, "")];

const BRACES: &[Case] = &[
    ("GET", "/pets", 200, "/pets"),
    ("GET", "/pets/7?x=1", 200, "/pets/{id}"),
    ("POST", "/api/v1/shops/7/orders/7", 200, "/api/{version}/shops/{shop}/orders/{order}"),
    ("GET", "/nothing", 404, ""),
];

/// A framework by its name, and its cases.
const FRAMEWORKS: &[(&str, &[&[Case]])] = &[("beego", &[COLONS, BEEGO]), ("go-zero", &[COLONS]), ("kratos", &[BRACES])];

/// The route of a span of a request; its name says the same.
fn route(span: &Span) -> String {
    let route = span.text("http.route").unwrap_or_default();
    let method = span.text("http.request.method").unwrap();
    let name = if route.is_empty() { method } else { format!("{method} {route}") };
    assert_eq!(span.name, name);
    route
}

/// Each case has its route, in spite of a span within.
fn found(app: &Path) {
    let names: Vec<&str> = FRAMEWORKS.iter().map(|(name, _)| *name).collect();
    let mut command = launcher();
    command.args(["--span", "main.traced(w net/http.ResponseWriter)"]);
    let server = Server::start_with(command, app, &names, names.len());
    for ((name, cases), address) in FRAMEWORKS.iter().zip(&server.addresses) {
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
    let cases = FRAMEWORKS.iter().flat_map(|(name, cases)| cases.iter().copied().flatten().map(move |case| (name, case)));
    let expected: Vec<String> =
        cases.map(|(name, (method, path, _, route))| format!("{name} {method} {path}: {route}")).collect();
    assert_eq!(spans.len(), expected.len(), "{}", left.stderr);
    let told: Vec<String> = expected
        .iter()
        .zip(&spans)
        .map(|(expected, span)| format!("{}: {}", expected.split_once(": ").unwrap().0, route(span)))
        .collect();
    assert_eq!(told, expected, "{}", app.display());
}

/// The newest versions with the newest Go, stripped; with `TEST_ALL` the oldest with the oldest, too, and both ways to build each.
fn builds() -> Vec<PathBuf> {
    let newest = ModuleFile::named("frameworks", "newest");
    let [_, go] = newest.go_versions();
    let mut builds = vec![apps::build_with("frameworks", go, Variant::Stripped, &newest)];
    if tests_all() {
        builds.push(apps::build_with("frameworks", go, Variant::Default, &newest));
        builds
            .extend([Variant::Stripped, Variant::Default].map(|variant| apps::build("frameworks", GoVersion::GO_1_21, variant)));
    }
    // The other version of beego.
    builds.push(apps::build_tagged("frameworks", go, Variant::Stripped, "beego1", Some(&newest)));
    builds
}

#[test]
fn routes_of_frameworks() {
    for app in builds() {
        found(&app);
    }
}
