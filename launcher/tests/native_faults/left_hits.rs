//! What goes wrong in a body besides: the hit is left, and the program goes on as if there were no probe. After 100 of these the engine
//! is switched off. What it has taken is given back: spans of other hits are right.

use crate::driving::{drive, planting, spans_by_request, start};
use crate::support::apps::{self, GoVersion, Variant, tests_all};

/// So many requests have some failing hits, but far less than 100.
const FIRST: usize = 400;
/// After so many more the engine is switched off.
const MORE: usize = 8_000;

fn survives(fault: &str, version: GoVersion) {
    let app = apps::build("stress", version, Variant::Stripped);
    let server = start(planting(fault), &app, &["-collect"]);
    drive(&server, 0..FIRST);
    // The launcher has looked at the ring then, and has said what it has found.
    server.receiver.wait_for(|span| span.trace_id >= (FIRST as u128 * 9 / 10).to_be_bytes().to_vec());
    drive(&server, FIRST..FIRST + MORE);
    let left = server.end();
    assert!(left.status.success(), "{fault}: {}", left.stderr);

    let said: Vec<&str> = left.stderr.lines().filter(|line| line.contains("a probe failed")).collect();
    let [first, last] = said[..] else { panic!("{fault}: once, and once more: {}", left.stderr) };
    assert!(!first.contains("nothing more is traced") && last.contains("nothing more is traced"), "{fault}: {said:#?}");
    let signal = if fault == "null" { "(signal 11 at" } else { "(signal 4 at" };
    assert!(said.iter().all(|line| line.contains(signal) && line.contains("please report")), "{fault}: {said:#?}");

    let counts = spans_by_request(&left.spans);
    assert!(counts.values().all(|count| *count == 1), "{fault}: {counts:?}");
    let early = (0..FIRST).filter(|number| counts.contains_key(number)).count();
    assert!((FIRST * 3 / 4..FIRST).contains(&early), "{fault}: {early} of {FIRST}");
    let late = (FIRST + MORE / 2..FIRST + MORE).filter(|number| counts.contains_key(number)).count();
    assert_eq!(late, 0, "{fault}: switched off");
}

fn survives_in_every_version(fault: &str) {
    let versions = if tests_all() { GoVersion::ALL.as_slice() } else { &[GoVersion::GO_1_27] };
    for &version in versions {
        survives(fault, version);
    }
}

#[test]
fn by_a_panic() {
    survives_in_every_version("panic");
}

#[test]
fn by_a_panic_with_a_record_that_is_not_handed_over() {
    survives_in_every_version("reserved");
}

#[test]
fn by_a_panic_with_scratch_memory() {
    survives_in_every_version("scratch");
}

#[test]
fn by_a_load_of_null() {
    survives_in_every_version("null");
}
