//! Reads of addresses at which nothing is mapped: 30 in each hit, of which each request has two at least. They fail, and nothing else happens.

use crate::driving::{all_have_spans, drive, is_quiet, planting, start};
use crate::support::apps::{self, GoVersion, Variant, tests_all};

/// What a program does to itself meanwhile.
const ALL: [&str; 5] = ["-collect", "-notify", "-children", "-urgent", "10000"];

/// Sends requests to a program that is built so.
fn survives(version: GoVersion, variant: Variant, tag: Option<&str>, flags: &[&str]) -> String {
    let app = match tag {
        Some(tag) => apps::build_tagged("stress", version, variant, tag, None),
        None => apps::build("stress", version, variant),
    };
    let requests = if tests_all() { 20_000 } else { 3_000 };
    let mut command = planting("wild");
    command.env("GOGC", "1");
    let server = start(command, &app, &[&ALL, flags].concat());
    drive(&server, 0..requests);
    let left = server.end();
    is_quiet(&left);
    all_have_spans(&left, requests);
    left.stdout
}

#[test]
fn in_every_version() {
    let versions = if tests_all() { GoVersion::ALL.as_slice() } else { &[GoVersion::GO_1_21, GoVersion::GO_1_27] };
    for &version in versions {
        survives(version, Variant::Stripped, None, &[]);
    }
}

#[test]
fn position_independent() {
    let versions = if tests_all() { GoVersion::sampled() } else { &[GoVersion::GO_1_27] };
    for &version in versions {
        survives(version, Variant::PieStripped, None, &[]);
    }
}

/// The number behind a word of what the program prints at its end.
fn number(stdout: &str, name: &str) -> i64 {
    let mut words = stdout.split_whitespace();
    words.find(|word| *word == name);
    words.next().unwrap_or_else(|| panic!("no {name} in {stdout:?}")).parse().unwrap()
}

/// A C library's handler that calls Go's sees each fault; C threads run Go code; children are forked that execute nothing.
#[test]
fn with_c_code() {
    let versions = if tests_all() { GoVersion::sampled() } else { &[GoVersion::GO_1_24] };
    for &version in versions {
        let stdout = survives(version, Variant::Cgo, None, &["-chain", "-threads", "2", "-fork"]);
        assert!(number(&stdout, "chained") > 100_000, "{stdout}");
        assert!(number(&stdout, "called") > 100 && number(&stdout, "forked") > 1, "{stdout}");
        assert!(
            number(&stdout, "urgent") > 1_000 && number(&stdout, "children") > 1 && number(&stdout, "stacks") > 1,
            "{stdout}"
        );
    }
}

/// Go's runtime calls a handler that was there before it for what has happened in C code; a fault of ours has not.
#[test]
fn with_a_handler_from_before_the_runtime() {
    survives(GoVersion::GO_1_24, Variant::Cgo, Some("before"), &["-threads", "2"]);
}

#[test]
fn with_the_race_detector() {
    survives(GoVersion::GO_1_27, Variant::Race, None, &[]);
}
