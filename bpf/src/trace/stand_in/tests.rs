//! Which object stands in for which span.

use super::*;
use crate::target::fake::{FakeProcess, PAGE, layouts};

/// Where an object has its `trace.SpanContext`: at the word number 4.
const IDENTITY: u32 = 32;
/// The goroutine whose frames the spans are.
const G: u64 = 0xc0_0000_1000;

fn span(id: u64) -> SpanIdentity {
    SpanIdentity { trace_id: [7; 16], span_id: id.to_ne_bytes(), trace_flags: 1, propagation: 3, ..SpanIdentity::NONE }
}

/// A process in which it is this late.
fn process(now: u64) -> FakeProcess {
    let process = FakeProcess::new(layouts::GO_1_27);
    process.now.set(now);
    process
}

/// The frame at this level has this span.
fn open(process: &FakeProcess, level: u32, id: u64) -> u64 {
    let own = frames::key(G, level);
    process.frame_or_new(own).unwrap().span.set(&span(id), own);
    let goroutine = process.goroutine_or_new(G).unwrap();
    goroutine.set_frames(goroutine.frames().max(level + 1));
    frames::holder(G, level)
}

/// What stands in for a span of a frame that is open, later than all before.
fn of_open(process: &FakeProcess, level: u32, id: u64) -> Option<u32> {
    process.now.set(process.now.get() + 1);
    let holder = open(process, level, id);
    of(process, &span(id), holder, IDENTITY)
}

/// Ids of spans that may have the same objects.
fn ids_of_one_set() -> Vec<u64> {
    let set = |id: u64| of(&process(1), &span(id), 0, IDENTITY).unwrap();
    let first = set(1);
    let ids: Vec<u64> = (1..40_000).filter(|id| set_of(*id) == set_of(1)).take(2 * WAYS as usize + 2).collect();
    assert!(ids.iter().take(3).all(|id| set(*id) == first));
    ids
}

/// Those that an id may have, as they are computed.
fn set_of(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & u64::from(STAND_INS - WAYS)
}

fn object(process: &FakeProcess, number: u32) -> [u64; OBJECT_WORDS] {
    process.stand_ins[number as usize].object.each_ref().map(Shared::get)
}

#[test]
fn an_object_has_the_identity_of_its_span() {
    let process = process(5);
    let number = of(&process, &SpanIdentity { parent_span_id: [9; 8], ..span(1) }, 0xc0_1000, IDENTITY).unwrap();
    let mut expected = [0; OBJECT_WORDS];
    let trace = u64::from_ne_bytes([7; 8]);
    // Nothing of what is propagated: a `trace.SpanContext` has flags of a byte, a state, and whether it came from elsewhere.
    expected[4..8].copy_from_slice(&[trace, trace, 1, 1]);
    assert_eq!(object(&process, number), expected);
    let made = &process.stand_ins[number as usize];
    assert_eq!((made.span_id.get(), made.holder.get(), made.made.get(), made.taken.get()), (1, 0xc0_1000, 5, 0));
    // The same again; nothing is made.
    process.now.set(6);
    assert_eq!(of(&process, &span(1), 0, IDENTITY), Some(number));
    assert_eq!(process.stand_ins.iter().filter(|one| one.span_id.get() != 0).count(), 1);
    assert_eq!(made.made.get(), 5);
}

#[test]
fn one_that_lies_beyond_its_object_is_not_written() {
    let process = process(1);
    for identity in [8 * 26, 8 * 28, u32::MAX] {
        let id = u64::from(identity);
        let object = object(&process, of(&process, &span(id), 0, identity).unwrap());
        assert!(!object.contains(&id) && object[..26].iter().all(|word| *word == 0), "{identity}");
    }
}

/// None is taken from a span that is open.
#[test]
fn open_spans_share_no_object() {
    let process = process(1);
    let ids = ids_of_one_set();
    let (first, rest) = ids.split_at(WAYS as usize);
    let numbers: Vec<u32> = (0..).zip(first).map(|(level, id)| of_open(&process, level, *id).unwrap()).collect();
    let mut distinct = numbers.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), WAYS as usize);
    assert_eq!(of_open(&process, WAYS, rest[0]), None, "all are open");
    for (level, (id, number)) in (0..).zip(first.iter().zip(&numbers)) {
        assert_eq!(of(&process, &span(*id), frames::holder(G, level), IDENTITY), Some(*number), "it is as it was");
        assert_eq!(object(&process, *number)[6], *id);
    }
    // Two end, and the older one of them is replaced first; then there is none again.
    for level in [5, 2] {
        let own = frames::key(G, level);
        process.frame_or_new(own).unwrap().span.set(&span(1 << 40), own);
    }
    assert_eq!(of_open(&process, WAYS, rest[0]), Some(numbers[2]));
    assert_eq!(of_open(&process, WAYS + 1, rest[1]), Some(numbers[5]));
    assert_eq!(of_open(&process, WAYS + 2, rest[2]), None);
    assert_eq!(object(&process, numbers[2])[6], rest[0]);
}

/// Of spans whose end cannot be seen, that which was made first.
#[test]
fn the_oldest_is_replaced() {
    let process = process(1);
    let ids = ids_of_one_set();
    let numbers: Vec<u32> = ids
        .iter()
        .map(|id| {
            process.now.set(process.now.get() + 1);
            of(&process, &span(*id), 0, IDENTITY).unwrap()
        })
        .collect();
    let ways = WAYS as usize;
    assert_eq!(numbers[..ways], numbers[ways..2 * ways]);
    assert_eq!(numbers[..2], numbers[2 * ways..]);
}

/// A request that is served is open while its goroutine serves it.
#[test]
fn a_request_is_open_while_it_is_served() {
    let process = process(1);
    let ids = ids_of_one_set();
    let goroutine = process.goroutine_or_new(G).unwrap();
    let operation = goroutine.next().unwrap();
    operation.span.set(&span(ids[0]), G);
    goroutine.opened(0);
    let served = of(&process, &span(ids[0]), G, IDENTITY).unwrap();
    for (level, id) in (0..).zip(&ids[1..WAYS as usize]) {
        assert!(of_open(&process, level, *id).is_some());
    }
    assert_eq!(of_open(&process, WAYS, ids[WAYS as usize]), None);
    goroutine.close(&process, 0);
    assert_eq!(of_open(&process, WAYS, ids[WAYS as usize]), Some(served));
}

/// Another probe makes one meanwhile.
#[test]
fn probes_at_once_make_no_object_of_two_spans() {
    let process = process(1);
    let ids = ids_of_one_set();
    assert_eq!(ids[0], 1);
    // Of another span: another one is taken then.
    let other: fn(&FakeProcess) = |process| {
        let id = (2..40_000).find(|id| set_of(*id) == set_of(1)).unwrap();
        assert!(of_open(process, 1, id).is_some());
    };
    process.meanwhile.set(Some(other));
    let holder = open(&process, 0, 1);
    let own = of(&process, &span(1), holder, IDENTITY).unwrap();
    let theirs = of_open(&process, 1, ids[1]).unwrap();
    assert_ne!(own, theirs);
    assert_eq!((object(&process, own)[6], object(&process, theirs)[6]), (1, ids[1]));
    // Of the same: it is the same.
    let same: fn(&FakeProcess) = |process| assert!(of_open(process, 2, (1 << 41) + 1).is_some());
    process.meanwhile.set(Some(same));
    let number = of_open(&process, 2, (1 << 41) + 1).unwrap();
    assert_eq!(process.stand_ins.iter().filter(|one| one.span_id.get() == (1 << 41) + 1).count(), 1);
    assert!(process.stand_ins.iter().all(|one| one.taken.get() == 0));
    assert_eq!(object(&process, number)[6], (1 << 41) + 1);
}

const FIRST: u64 = 0x7e00_0000;
const CODE: u64 = 0x7d00_0000;
const OWN: u64 = 0x41_0000;

/// A process that has stand-ins mapped, and an itab.
fn with_table(words: &[u64]) -> (FakeProcess, u64) {
    let process = process(1);
    let place = &process.stand_ins[TABLE as usize];
    place.holder.set(CODE);
    place.made.set(FIRST);
    // The words are the last ones of the page: what is not asked for is not read.
    let page = process.memory.allocate(PAGE);
    let at = page + PAGE - words.len() as u64 * 8;
    process.memory.write_words(at, words);
    (process, at)
}

#[test]
fn the_table_has_a_method_that_is_ours() {
    let words = [0x51_0000, 0x52_0000, 7, 0x40_0000, OWN, 0x42_0000];
    let (process, original) = with_table(&words);
    let own = FIRST + u64::from(TABLE) * 256 + OBJECT_AT;
    assert_eq!(table(&process, original, 6, OWN), Some(own));
    let mut expected = [0; OBJECT_WORDS];
    expected[..6].copy_from_slice(&words);
    expected[4] = CODE;
    assert_eq!(object(&process, TABLE), expected);
    // Once.
    process.memory.write_words(original, &[8; 6]);
    assert_eq!(table(&process, original, 6, OWN), Some(own));
    assert_eq!(object(&process, TABLE), expected);
}

#[test]
fn without_a_method_of_ours_the_table_is_the_programs() {
    let (process, original) = with_table(&[1, 2, OWN]);
    assert_eq!(table(&process, original, 3, 0), Some(original));
    process.stand_ins[TABLE as usize].holder.set(0);
    assert_eq!(table(&process, original, 3, OWN), Some(original));
    assert_eq!(object(&process, TABLE), [0; OBJECT_WORDS]);
}

/// The program would call what is not there.
#[test]
fn a_table_that_cannot_be_read_is_none() {
    let (process, original) = with_table(&[1, 2, OWN]);
    // The words end with the page.
    assert_eq!(table(&process, original, 4, OWN), None);
    assert_eq!(table(&process, 0xdead_0000, 3, OWN), None);
    assert!(table(&process, original, 3, OWN).is_some(), "later it can");
    assert_eq!(object(&process, TABLE)[..4], [1, 2, CODE, 0]);
}
