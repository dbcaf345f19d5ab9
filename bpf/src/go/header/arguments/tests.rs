//! Lists of headers in the fake process.

use super::*;
use crate::config::{Propagators, Setting};
use crate::go::header::{InPlace, NEW_WALK, Values as _, served_lengths};
use crate::target::Memory as _;
use crate::target::fake::{FakeProcess, layouts};

/// What is found in a list of these headers.
fn found(process: &FakeProcess, headers: &[(&str, &str)]) -> Found {
    let address = process.arguments(headers);
    let (mut walk, all) = (NEW_WALK, served_lengths(&Propagators(Setting::new(15))));
    find_in_arguments(process, address, headers.len() as u64, all, &mut walk);
    walk.found
}

fn text(process: &FakeProcess, element: u64) -> String {
    let GoString { address, length } = InPlace::first(process, element);
    String::from_utf8((address..address + length).map(|at| process.read_or_zero::<u8>(at)).collect()).unwrap()
}

#[test]
fn names_are_found_in_any_case() {
    let process = FakeProcess::new(layouts::GO_1_27);
    let headers =
        [("Accept", "*/*"), ("traceparent", "00-x"), ("X-FORWARDED-FOR", "192.0.2.1"), ("B3", "0"), ("Forwarded", "for=a")];
    let found = found(&process, &headers);
    let texts = [found.trace_parent, found.forwarded_for, found.b3, found.forwarded, found.trace_state];
    assert_eq!(texts.map(|element| text(&process, element)), ["00-x", "192.0.2.1", "0", "for=a", ""]);
}

#[test]
fn the_first_of_several_lines_counts_where_one_alone_means_something() {
    let process = FakeProcess::new(layouts::GO_1_27);
    let headers = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("Traceparent", "00-x"),
        ("Baggage", "a=b"),
        ("X-Forwarded-For", "192.0.2.2"),
        ("Traceparent", "00-y"),
        ("Tracestate", "c=d"),
        ("Baggage", "a=b"),
        ("Baggage", "e=f"),
    ];
    let found = found(&process, &headers);
    let texts = [found.trace_parent, found.baggage, found.trace_state, found.forwarded_for];
    assert_eq!(texts.map(|element| text(&process, element)), ["", "", "c=d", "192.0.2.1"]);
}

#[test]
fn what_cannot_be_read_is_not_there() {
    let process = FakeProcess::new(layouts::GO_1_27);
    let mut walk = NEW_WALK;
    find_in_arguments(&process, 0xdead_0000, 3, u32::MAX, &mut walk);
    assert_eq!(walk.found, Found::nothing(0));
    assert_eq!(found(&process, &[]), Found::nothing(0));
}
