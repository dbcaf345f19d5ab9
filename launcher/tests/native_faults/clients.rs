//! Programs that send requests, whose headers the probes write: what arrives is what was sent, whatever goes wrong in a probe.

use std::process::Output;

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::driving::planting;
use crate::support::apps::{self, GoVersion, Variant, tests_all};
use crate::support::receiver::Receiver;
use crate::support::server::sending_to;
use crate::support::sink::{Counted, Sink};

/// Of these each tenth has headers of its own.
const REQUESTS: u64 = 3_000;

/// Sends requests of all kinds, which the program compares with what has arrived; what the sink has counted, and the spans.
fn drive(fault: &str, version: GoVersion, libraries: &str) -> (Output, Counted, Vec<Span>) {
    let sink = Sink::of_headers();
    let receiver = Receiver::start();
    let mut command = planting(fault);
    sending_to(&mut command, &receiver);
    command.arg("--").arg(apps::build("headers", version, Variant::Stripped));
    command.args(["drive", &REQUESTS.to_string(), "20", libraries, &sink.url, &sink.secure]);
    let output = command.output().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(stdout, format!("sent {REQUESTS} failed 0\n"), "{fault} {version:?} {libraries}: {stderr}");
    assert!(output.status.success(), "{fault} {version:?} {libraries}: {stderr}");
    (output, sink.end(), receiver.spans())
}

fn versions() -> &'static [GoVersion] {
    if tests_all() { &GoVersion::ALL } else { &[GoVersion::GO_1_27] }
}

#[test]
fn with_wild_reads() {
    for &version in versions() {
        for libraries in ["http1", "http2,xnet"] {
            let (_, counted, spans) = drive("wild", version, libraries);
            assert_eq!((counted.good, counted.own, counted.missing), (REQUESTS - REQUESTS / 10, REQUESTS / 10, 0));
            assert_eq!(spans.len() as u64, REQUESTS);
        }
    }
}

/// A request of a hit that was left has no header of ours, or no span; none has a wrong one.
#[test]
fn with_hits_that_are_left() {
    for &version in versions() {
        for fault in ["panic", "reserved", "scratch", "null"] {
            for libraries in ["http1", "http2,xnet"] {
                let (output, counted, spans) = drive(fault, version, libraries);
                let all = counted.good + counted.own + counted.missing;
                assert_eq!((all, counted.own), (REQUESTS, REQUESTS / 10), "{fault} {libraries}: {counted:?}");
                assert!(spans.len() as u64 > REQUESTS / 10 && (spans.len() as u64) < REQUESTS, "{fault} {libraries}");
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(stderr.contains("a probe failed"), "{fault}: {stderr}");
            }
        }
    }
}
