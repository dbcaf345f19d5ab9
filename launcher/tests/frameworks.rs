//! `http.route` of frameworks that bring a router, with or without a server of their own.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::PathBuf;

use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::routing::{Case, Router, found};

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

const FRAMEWORKS: &[Router] = &[("beego", &[COLONS, BEEGO]), ("go-zero", &[COLONS]), ("kratos", &[BRACES])];

/// The newest versions with the newest Go, and the oldest with the oldest, with the other version of beego; with `TEST_ALL` each with both, and
/// in both ways to build.
fn builds() -> Vec<PathBuf> {
    let newest = ModuleFile::named("frameworks", "newest");
    let [_, go] = newest.go_versions();
    let mut builds = vec![
        apps::build_with("frameworks", go, Variant::Stripped, &newest),
        apps::build_tagged("frameworks", GoVersion::GO_1_21, Variant::Stripped, "beego1", None),
    ];
    if tests_all() {
        builds.push(apps::build_tagged("frameworks", go, Variant::Stripped, "beego1", Some(&newest)));
        builds.push(apps::build_with("frameworks", go, Variant::Default, &newest));
        builds
            .extend([Variant::Stripped, Variant::Default].map(|variant| apps::build("frameworks", GoVersion::GO_1_21, variant)));
    }
    builds
}

#[test]
fn routes_of_frameworks() {
    for app in builds() {
        found(&app, FRAMEWORKS);
    }
}
