//! `http.route` of what routers have found: the whole pattern in their own syntax, whatever a middleware has made of the request, and none
//! where nothing was found.
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

/// What all but chi, gorilla/mux and the `ServeMux` write so.
const COLONS: &[Case] = &[
    ("GET", "/pets", 200, "/pets"),
    ("GET", "/pets/7?x=1", 200, "/pets/:id"),
    ("POST", "/api/v1/shops/7/orders/7", 200, "/api/:version/shops/:shop/orders/:order"),
    ("GET", "/nothing", 404, ""),
    ("DELETE", "/pets/7", 405, ""),
];

const GIN: &[Case] = &[
    ("GET", "/pets/7/nothing", 404, ""),
    ("GET", "/files/a/b", 200, "/files/*path"),
    ("GET", "/panic/1", 500, "/panic/:id"),
    // The route that it is sent to.
    ("GET", "/again/8", 200, "/pets/:id"),
    ("GET", "/pets/", 301, ""),
];

const ECHO: &[Case] = &[("GET", "/files/a/b", 200, "/files/*")];

const CHI: &[Case] = &[
    ("GET", "/pets", 200, "/pets"),
    ("GET", "/pets/7", 200, "/pets/{id}"),
    ("GET", "/dates/2024-05", 200, "/dates/{year:[0-9]+}-{month}"),
    ("GET", "/files/a/b", 200, "/files/*"),
    ("GET", "/api/v1/status", 200, "/api/{version}/status"),
    ("GET", "/api/v1/shops/", 200, "/api/{version}/shops"),
    ("POST", "/api/v1/shops/7/orders/9", 200, "/api/{version}/shops/{shop}/orders/{order}"),
    ("GET", "/api/v1/plain/a/b", 200, "/api/{version}/plain/*"),
    ("GET", "/nothing", 404, ""),
    ("GET", "/api/v1/shops/7/nothing", 404, ""),
    ("DELETE", "/pets/7", 405, ""),
    ("DELETE", "/api/v1/shops/7/orders/9", 405, ""),
];

const MUX: &[Case] = &[
    ("GET", "/pets", 200, "/pets"),
    ("GET", "/pets/7", 200, "/pets/{id:[0-9]+}"),
    ("GET", "/files/a/b", 200, "/files/"),
    ("POST", "/api/v1/shops/7/orders/9", 200, "/api/{version}/shops/{shop}/orders/{order}"),
    ("GET", "/nothing", 404, ""),
    ("GET", "/pets/seven", 404, ""),
    ("DELETE", "/pets/7", 405, ""),
];

const HTTPROUTER: &[Case] = &[
    ("GET", "/same/same/same/same", 200, "/same/:same/same/:other"),
    ("GET", "/files/a/b", 200, "/files/*path"),
    ("GET", "/files/", 200, "/files/*path"),
    ("GET", "/pets/7/nothing", 404, ""),
    ("GET", "/pets/", 301, ""),
];

const GATEWAY: &[Case] = &[
    ("GET", "/v1/pets", 200, "/v1/pets"),
    ("GET", "/v1/pets/7?x=1", 200, "/v1/pets/{id}"),
    ("POST", "/v1/pets/7:feed", 200, "/v1/pets/{id}:feed"),
    ("GET", "/old", 200, ""),
    ("GET", "/nothing", 404, ""),
];

const MUXES: &[Case] = &[
    ("GET", "/pets/7", 200, "/pets/"),
    ("GET", "/api/status", 200, "/api/status"),
    ("GET", "/api/shops/orders/7", 200, "/api/shops/orders/"),
    ("GET", "/whole/status", 200, "/whole/status"),
    ("GET", "/nothing", 404, ""),
    // That of the mux which has found one.
    ("GET", "/api/nothing", 404, "/api/"),
];

const MIXED: &[Case] = &[
    ("GET", "/gin/pets/7", 200, "/gin/pets/:id"),
    ("GET", "/chi/api/v1/status", 200, "/chi/api/{version}/status"),
    ("GET", "/mux/pets/7", 200, "/mux/pets/{id:[0-9]+}"),
    ("GET", "/httprouter/pets/7", 200, "/httprouter/pets/:id"),
    ("GET", "/pets/7", 200, "/pets/:id"),
];

/// A router by its name, and its cases.
type Router = (&'static str, &'static [&'static [Case]]);

const ROUTERS: &[Router] = &[
    ("gin", &[COLONS, GIN]),
    ("chi", &[CHI]),
    ("chi5", &[CHI]),
    ("echo3", &[COLONS, ECHO]),
    ("echo4", &[COLONS, ECHO]),
    ("mux", &[MUX]),
    ("httprouter", &[COLONS, HTTPROUTER]),
    ("gateway", &[GATEWAY]),
];
/// A mux tells its patterns in programs whose `go.mod` says Go 1.22 or newer.
const WITH_MUXES: &[Router] = &[("muxes", &[MUXES]), ("mixed", &[MIXED])];
/// What only a new Go can build.
const NEW: &[Router] = &[("echo5", &[COLONS, ECHO]), ("plain:echo5", &[COLONS, ECHO])];
/// Routers that get the server's own request, in which some note what they have found.
const PLAIN: &[Router] = &[
    ("plain:gin", &[COLONS, GIN]),
    ("plain:chi5", &[CHI]),
    ("plain:echo4", &[COLONS, ECHO]),
    ("plain:mux", &[MUX]),
    ("plain:httprouter", &[COLONS, HTTPROUTER]),
    ("plain:muxes", &[MUXES]),
    ("plain:mixed", &[MIXED]),
];

/// The route of a span of a request; its name says the same.
fn route(span: &Span) -> String {
    let route = span.text("http.route").unwrap_or_default();
    let method = span.text("http.request.method").unwrap();
    let name = if route.is_empty() { method } else { format!("{method} {route}") };
    assert_eq!(span.name, name);
    route
}

/// Each case has its route, in spite of a span within.
fn found(app: &Path, routers: &[Router]) {
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

/// Programs with the versions of a module file, or else the oldest; with the oldest Go and the newest that they allow.
fn builds(file: Option<&ModuleFile>) -> Vec<PathBuf> {
    let [oldest, newest] = file.map_or([GoVersion::GO_1_21, GoVersion::GO_1_27], ModuleFile::go_versions);
    let (stripped, default) = ((oldest, Variant::Stripped), (newest, Variant::Default));
    let mut wanted = vec![if file.is_none() { stripped } else { default }];
    if tests_all() {
        wanted = vec![stripped, default, (oldest, Variant::Default), (newest, Variant::Stripped), (newest, Variant::PieStripped)];
    }
    let build = |(version, variant)| match file {
        None => apps::build("routers", version, variant),
        Some(file) => apps::build_tagged("routers", version, variant, "newest", Some(file)),
    };
    wanted.into_iter().map(build).collect()
}

#[test]
fn the_oldest_versions() {
    for app in builds(None) {
        found(&app, ROUTERS);
    }
}

#[test]
fn the_newest_versions() {
    for app in builds(Some(&ModuleFile::named("routers", "newest"))) {
        found(&app, &[ROUTERS, WITH_MUXES, NEW, PLAIN].concat());
    }
}
