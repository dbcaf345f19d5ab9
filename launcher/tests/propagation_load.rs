//! No byte is wrong and none is missing, whatever a client sends and however busy it is: HTTP/1 and HTTP/2, of the standard
//! library and of golang.org/x/net. The program compares what has arrived with what it has sent, and the sink looks at
//! the traceparent headers.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, Variant};
use support::receiver::{Attributes as _, Receiver};
use support::server::{launcher, sending_to};
use support::sink::{Counted, Sink};
use support::traces::sum_of_ids;

/// Each needs a standard library of its own, which takes half a minute to build.
fn race_versions() -> &'static [GoVersion] {
    if apps::tests_all() { &[GoVersion::GO_1_21, GoVersion::GO_1_27] } else { &[GoVersion::GO_1_27] }
}

/// Sends requests of all kinds from 50 workers; each tenth is one whose traceparent the program sets.
fn drive(mut command: Command, version: GoVersion, variant: Variant, requests: u64, libraries: &str) {
    let what = format!("{version:?} {variant:?} {libraries}");
    let sink = Sink::of_headers();
    let receiver = Receiver::start();
    sending_to(&mut command, &receiver);
    command.arg("--").arg(apps::build("headers", version, variant));
    command.args(["drive", &requests.to_string(), "50", libraries, &sink.url, &sink.secure]);
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let profiled = command.get_envs().any(|(name, _)| name == "HEADERS_PROFILE");
    let expected = format!("sent {requests} failed 0\n{}", if profiled { "profile true\n" } else { "" });
    assert_eq!(stdout, expected, "{what}: {stderr}");
    assert!(output.status.success(), "{what}: {stderr}");

    let spans = receiver.spans();
    let (own, ours): (Vec<_>, Vec<_>) = spans.iter().partition(|span| !span.parent_span_id.is_empty());
    let (good, sum) = (requests - requests / 10, sum_of_ids(ours.iter().copied()));
    assert_eq!(sink.end(), Counted { good, own: requests / 10, missing: 0, sampled: good, sum }, "{what}: {stderr}");
    assert_eq!((ours.len() as u64, own.len() as u64), (good, requests / 10), "{what}: {stderr}");
    let protocol = if libraries == "http1" { "1.1" } else { "2" };
    for span in &spans {
        assert_eq!(span.kind(), SpanKind::Client, "{what}");
        assert_eq!(span.text("network.protocol.version").as_deref(), Some(protocol), "{what}");
        assert_eq!(span.number("http.response.status_code"), Some(200), "{what}");
        assert_eq!(span.text("network.peer.address").as_deref(), Some("127.0.0.1"), "{what}");
    }
}

/// The first request of a connection, large headers, bodies and trailers, 20,000 in all.
fn every_request(version: GoVersion) {
    drive(launcher(), version, Variant::Stripped, 20_000, "http2,xnet");
}

macro_rules! versions {
    ($($name:ident: $version:ident,)*) => { $(
        #[test]
        fn $name() {
            every_request(GoVersion::$version);
        }
    )* };
}

versions! {
    http2_go_1_21: GO_1_21,
    http2_go_1_22: GO_1_22,
    http2_go_1_23: GO_1_23,
    http2_go_1_24: GO_1_24,
    http2_go_1_25: GO_1_25,
    http2_go_1_26: GO_1_26,
    http2_go_1_27: GO_1_27,
}

/// Collections all the time, stacks that are written out and grow.
#[test]
fn http2_under_stress() {
    let requests = if apps::tests_all() { 20_000 } else { 10_000 };
    for &version in GoVersion::sampled() {
        let mut command = launcher();
        command.envs([("CHAIN_STRESS", "1"), ("GOGC", "1")]);
        drive(command, version, Variant::Stripped, requests, "http2,xnet");
    }
}

/// HTTP/1 with headers, bodies and trailers of all kinds.
#[test]
fn http1() {
    for &version in GoVersion::sampled() {
        drive(launcher(), version, Variant::Stripped, 20_000, "http1");
    }
}

/// The race detector sees no writes but the program's own, and its shadow memory stays as it is.
#[test]
fn http1_with_the_race_detector() {
    for &version in race_versions() {
        drive(launcher(), version, Variant::Race, 20_000, "http1");
    }
}

#[test]
fn http2_with_the_race_detector() {
    for &version in race_versions() {
        drive(launcher(), version, Variant::Race, 5_000, "http2,xnet");
    }
}

/// `SIGPROF` interrupts the program anywhere.
#[test]
fn http1_while_the_program_profiles_itself() {
    while_profiled(20_000, "http1");
}

#[test]
fn http2_while_the_program_profiles_itself() {
    while_profiled(5_000, "http2,xnet");
}

fn while_profiled(requests: u64, libraries: &str) {
    for &version in GoVersion::sampled() {
        let mut command = launcher();
        command.env("HEADERS_PROFILE", "1");
        drive(command, version, Variant::Stripped, requests, libraries);
    }
}
