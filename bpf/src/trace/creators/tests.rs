//! Parents through the creation of goroutines.

use super::{DEAD, MOST, created, find, sweep};
use crate::config::Setting;
use crate::go::abi::Registers;
use crate::records::SpanIdentity;
use crate::target::fake::{FakeProcess, layouts};
use crate::target::{Lookup as _, Target as _};

fn span(number: u8) -> SpanIdentity {
    SpanIdentity { trace_id: [number; 16], span_id: [number; 8], trace_flags: 1, ..SpanIdentity::NONE }
}

fn process() -> FakeProcess {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    process.parents.goid = Setting::new(152);
    process.parents.status = Setting::new(144);
    process.parents.g_m = Setting::new(48);
    process.parents.m_curg = Setting::new(184);
    process
}

/// A goroutine with this id that runs.
fn goroutine(process: &FakeProcess, goid: u64) -> u64 {
    let address = process.goroutine_struct();
    process.memory.write_words(address + 144, &[2, goid]);
    address
}

/// `creator` executes a `go` statement.
fn create(process: &FakeProcess, creator: u64, new: u64) {
    let (g0, thread) = (process.memory.allocate(512), process.memory.allocate(512));
    process.memory.write_words(g0 + 48, &[thread]);
    process.memory.write_words(thread + 184, &[creator]);
    process.registers.set(Registers::calling(&[7, new, 1], g0));
    let _not_served = created(process);
}

/// The span that the goroutine at `address` has from its creator.
fn created_under(process: &FakeProcess, address: u64) -> Option<SpanIdentity> {
    let mut span = SpanIdentity::NONE;
    find(process, address, &mut span).then_some(span)
}

/// The goroutine at `address` serves a request.
fn serve(process: &FakeProcess, address: u64) {
    let goroutine = process.goroutine_or_new(address).unwrap();
    goroutine.next().unwrap().span.set(&span(1), address);
    goroutine.opened(0);
}

#[test]
fn a_goroutine_belongs_to_what_its_creators_did() {
    let process = process();
    let [server, child, grandchild, stranger] = [1, 2, 3, 4].map(|goid| goroutine(&process, goid));
    create(&process, server, stranger);
    assert_eq!(created_under(&process, stranger), None);
    serve(&process, server);
    create(&process, server, child);
    create(&process, child, grandchild);
    // The request ends; what it started goes on.
    process.goroutine(server).unwrap().close(&process, 0);
    let late = goroutine(&process, 5);
    create(&process, grandchild, late);
    for address in [child, grandchild, late] {
        assert_eq!(created_under(&process, address), Some(span(1)));
    }
    assert_eq!(created_under(&process, server), None);
    // The runtime uses a `g` again: for a goroutine that nobody we know has created.
    process.memory.write_words(child + 152, &[6]);
    assert_eq!(created_under(&process, child), None);
    let orphan = goroutine(&process, 7);
    create(&process, child, orphan);
    assert_eq!(created_under(&process, orphan), None);
}

#[test]
fn creators_of_the_dead_are_forgotten() {
    let process = process();
    let [server, dead, alive, again] = [1, 2, 3, 4].map(|goid| goroutine(&process, goid));
    serve(&process, server);
    for new in [dead, alive, again] {
        create(&process, server, new);
    }
    process.memory.write_words(dead + 144, &[DEAD.into()]);
    process.memory.write_words(again + 152, &[9]);
    sweep(&process, 2_000_000_000);
    assert_eq!(process.creators.len(), 1);
    assert!(process.creator(alive).is_some());
}

/// More live ones than are looked at each time stand before the dead one: it is found all the same.
#[test]
fn creators_of_the_dead_do_not_hide_behind_live_ones() {
    let process = process();
    let server = goroutine(&process, 1);
    serve(&process, server);
    let mut last = 0;
    for goid in 2..2 * MOST + 12 {
        last = goroutine(&process, goid);
        create(&process, server, last);
    }
    // The fake's map is in the order of addresses.
    process.memory.write_words(last + 144, &[DEAD.into()]);
    let all = process.creators.len();
    for (second, left) in [(2, all), (3, all), (4, all - 1), (5, all - 1)] {
        sweep(&process, second * 1_000_000_000);
        sweep(&process, second * 1_000_000_000 + 1);
        assert_eq!(process.creators.len(), left, "{second}");
    }
    // When all are dead, all go, and nothing is looked at any more.
    for address in process.creators.addresses() {
        process.memory.write_words(address + 144, &[DEAD.into()]);
    }
    for second in 6..12 {
        sweep(&process, second * 1_000_000_000);
    }
    assert!(process.creators.is_empty());
}
