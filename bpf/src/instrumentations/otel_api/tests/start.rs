//! Spans of the program's begin.

use super::*;
use crate::go::abi::{ARM64, FRAME_POINTER};

/// What the program has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Started {
    trace: u64,
    id: u64,
    flags: u64,
    state: [u64; 3],
    is_remote: u8,
    is_sampled: u8,
    /// Trace id and span id.
    parent: [u64; 3],
}

/// Bytes that nobody has written.
const UNTOUCHED: u8 = 0xee;

impl<const STORES: bool> Program<STORES> {
    /// A tracer of an instrumentation with this name.
    fn tracer(&self, name: &str, copy: &CopyConfig) -> u64 {
        let tracer = self.process.memory.allocate(128);
        self.process.memory.write_words(tracer + u64::from(copy.tracer_name.get()), &self.process.string(name));
        tracer
    }

    /// Where the program wants what it asks for: the parent, whether it is sampled, and its own identity.
    fn places(&self) -> [u64; 3] {
        [24, 1, 57].map(|_length| {
            let at = self.process.memory.allocate(128);
            self.process.memory.write(at, &[UNTOUCHED; 128]);
            at
        })
    }

    fn start_of(&self, event: u32, name: &str, context: [u64; 2]) -> Started {
        let copy = &COPIES[usize::from(event & event::SECOND != 0)];
        let (tracer, places) = (self.tracer(name, copy), self.places());
        let [parent, sampled, own] = places;
        let frame = self.process.registers.get().integers[FRAME_POINTER];
        let mut registers = Registers::calling(&[tracer, context[0], context[1], 7, parent, sampled, own], self.goroutine);
        registers.stack_pointer = STACK;
        registers.integers[FRAME_POINTER] = frame;
        self.process.registers.set(registers);
        self.hit_there(event).unwrap();
        assert!(!STORES || self.is_idle());
        self.carry_out();
        let [parent, [sampled, ..], own] = [(parent, 24), (sampled, 1), (own, 57)].map(|(at, length)| {
            let bytes: [u8; 128] = self.process.read(at).unwrap();
            assert_eq!(bytes[length..], vec![UNTOUCHED; 128 - length], "behind it");
            bytes
        });
        let word = |bytes: &[u8; 128], word: usize| u64::from_ne_bytes(bytes[word * 8..][..8].try_into().unwrap());
        assert_eq!(word(&own, 0) == 0, word(&own, 1) == 0);
        Started {
            trace: word(&own, 0),
            id: word(&own, 2),
            flags: word(&own, 3),
            state: [4, 5, 6].map(|number| word(&own, number)),
            is_remote: own[56],
            is_sampled: sampled,
            parent: [0, 1, 2].map(|number| word(&parent, number)),
        }
    }

    fn start(&self, context: [u64; 2]) -> Started {
        self.start_of(event::START, "shop", context)
    }
}

fn id(number: u8) -> u64 {
    u64::from_ne_bytes([number; 8])
}

/// Holds that a span is a child of that with this number, with a span id of its own.
#[track_caller]
fn is_child(started: &Started, number: u8) {
    let Started { trace, id: own, flags, is_remote, is_sampled, parent, .. } = *started;
    assert_eq!((trace, parent, flags, is_sampled, is_remote), (id(number), [id(number); 3], 1, 1, 0));
    assert!(own != id(number) && own != 0);
}

/// Runs a test where probes write, and where the program does.
fn both(one: fn(&Program<true>), other: fn(&Program<false>)) {
    one(&Program::new());
    other(&Program::new());
}

fn roots<const STORES: bool>(program: &Program<STORES>) {
    let [one, other] = [program.start([0, 0]), program.start(program.cancel([0, 0]))];
    for started in [one, other] {
        let expected = Started { state: [0; 3], flags: 1, is_remote: 0, is_sampled: 1, parent: [0; 3], ..started };
        assert_eq!(started, expected);
        assert!(started.trace != 0 && started.id != 0);
    }
    assert!(one.trace != other.trace && one.id != other.id);
}

#[test]
fn what_has_no_parent_is_a_root() {
    both(roots, roots);
}

fn children<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_elsewhere(&span(3));
    for event in [event::START, event::START | event::SECOND] {
        is_child(&program.start_of(event, "shop", program.cancel(served)), 3);
    }
    // The span of the API has a state; the span of ours of before has none.
    let state = [0xc0_dead_0000, 2, 4];
    let nearer = program.with_span(served, identity(4, 1, state, 0));
    let started = program.start(nearer);
    is_child(&started, 4);
    assert_eq!(started.state, state);
    assert_eq!(program.start(served).state, [0; 3]);
}

#[test]
fn a_context_leads_to_the_parent() {
    both(children, children);
}

fn under_frames<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_elsewhere(&span(3));
    program.open(0, &SpanIdentity { span_id: [8; 8], parent_span_id: [3; 8], ..span(3) }, 0);
    assert_eq!(program.start(served).parent, [id(3), id(3), id(8)], "what is open within it");
    is_child(&program.start(program.with_span(served, identity(4, 1, [0; 3], 0))), 4);
    // What no context leads to is no parent.
    assert_eq!(program.start([0, 0]).parent, [0; 3]);
}

#[test]
fn what_is_open_within_the_parent_is_the_parent() {
    both(under_frames, under_frames);
}

fn remote<const STORES: bool>(program: &Program<STORES>) {
    let state = [0xc0_dead_0000, 2, 4];
    let elsewhere = |inner| program.with_span(inner, identity(6, 1, state, 1));
    // The program has named it itself, nearer than the request or with none.
    for context in [elsewhere([0, 0]), elsewhere(program.serve_elsewhere(&span(3)))] {
        let started = program.start(context);
        is_child(&started, 6);
        assert_eq!(started.state, state);
    }
    // The request came with it: what it is made for is the request's.
    let came = SpanIdentity { parent_span_id: [6; 8], ..span(3) };
    is_child(&program.start(elsewhere(program.serve_elsewhere(&came))), 3);
    // It is farther.
    is_child(&program.start(program.with_span(elsewhere([0, 0]), identity(4, 1, [0; 3], 0))), 4);
}

#[test]
fn a_span_of_another_process_may_be_the_parent() {
    both(remote, remote);
}

fn unsampled<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_elsewhere(&SpanIdentity { trace_flags: 0, ..span(3) });
    for context in
        [served, program.with_span([0, 0], identity(3, 0, [0; 3], 0)), program.with_span([0, 0], identity(3, 0, [0; 3], 1))]
    {
        let started = program.start(context);
        assert_eq!((started.trace, started.parent, started.flags, started.is_sampled), (id(3), [id(3); 3], 0, 0));
        assert_ne!(started.id, 0);
    }
    program.process.settings.threshold.set(0);
    let started = program.start([0, 0]);
    assert_eq!((started.parent, started.flags, started.is_sampled), ([0; 3], 0, 0));
}

#[test]
fn an_unsampled_one_has_an_identity() {
    both(unsampled, unsampled);
}

fn wrappers<const STORES: bool>(program: &Program<STORES>) {
    let start = |context| program.start_of(event::START | event::SECOND, WRAPPER, context);
    let served = program.serve_elsewhere(&span(3));
    let transparent =
        Started { trace: id(3), id: id(3), flags: 1, state: [0; 3], is_remote: 1, is_sampled: 0, parent: [id(3); 3] };
    assert_eq!(start(served), transparent);
    let state = [0xc0_dead_0000, 2, 4];
    let within = Started { trace: id(4), id: id(4), state, parent: [id(4); 3], ..transparent };
    assert_eq!(start(program.with_span(served, identity(4, 1, state, 0))), within);
    let nothing = Started { trace: 0, id: 0, flags: 0, parent: [0; 3], ..transparent };
    assert_eq!(start([0, 0]), nothing);
    // Whatever begins within.
    is_child(&program.start(served), 3);
}

#[test]
fn a_wrapper_is_transparent() {
    both(wrappers, wrappers);
}

/// Of `trace.WithSpanKind`: a function whose closure has the kind.
#[test]
fn the_wrapper_of_a_request_that_is_served_is_that() {
    let program = Program::<true>::new();
    let kind = |kind: u64| program.interface(FUNCTION_OPTION + BIAS, &[0x40_0000, kind]);
    let other = program.interface(ATTRIBUTE_OPTION + BIAS, &[0x40_0000, 2]);
    let nil = [0, 0];
    // Internal, server, client, producer, consumer; an attribute option; what is no kind; the last one counts.
    let cases: [(&[[u64; 2]], bool); 12] = [
        (&[], false),
        (&[kind(1)], false),
        (&[kind(2)], true),
        (&[kind(3)], false),
        (&[kind(4)], false),
        (&[kind(5)], true),
        (&[other], false),
        (&[other, nil, kind(2)], true),
        (&[kind(3), kind(2)], true),
        (&[kind(2), kind(3)], false),
        (&[kind(2), kind(6), kind(0), kind(u64::MAX)], true),
        (&[nil; 17], false),
    ];
    for (options, is_server) in cases {
        let array = program.words(&options.concat());
        // The saved frame pointer, the return address, context, name, options.
        let frame = program.words(&[1, 2, 3, 4, 5, 6, array, options.len() as u64, options.len() as u64]);
        let mut registers = Registers::default();
        registers.integers[FRAME_POINTER] = frame;
        program.process.registers.set(registers);
        let served = program.serve_elsewhere(&span(3));
        let started = program.start_of(event::START, WRAPPER, served);
        assert_eq!(started.is_remote, u8::from(ARM64 || !is_server), "{options:x?}");
        assert_eq!(program.start(served).is_remote, 0, "no wrapper");
    }
}

#[test]
fn what_cannot_be_stored_is_a_fault() {
    let program = Program::<true>::new();
    let tracer = program.tracer("shop", &COPIES[0]);
    for missing in 0..3 {
        let mut places = program.places();
        places[missing] = 0xdead_0000;
        let [parent, sampled, own] = places;
        assert_eq!(program.hit(event::START, &[tracer, 0, 0, 7, parent, sampled, own]), Err(Missed::Fault));
    }
    let mut program = Program::<false>::new();
    let [parent, sampled, own] = program.places();
    program.process.buckets.clear();
    assert_eq!(program.hit(event::START, &[tracer, 0, 0, 7, parent, sampled, own]), Err(Missed::NoRoom));
    program.process.scratch_is_taken.set(true);
    assert_eq!(program.hit(event::START, &[tracer, 0, 0, 7, parent, sampled, own]), Err(Missed::NoRoom));
}
