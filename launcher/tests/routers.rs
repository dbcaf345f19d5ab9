//! `http.route` of what routers have found: the whole pattern in their own syntax, whatever a middleware has made of the request, and none
//! where nothing was found.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::PathBuf;

use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::routing::{Case, Router, found};

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
