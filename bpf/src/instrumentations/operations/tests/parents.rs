//! Whose child an operation is, and whether it is one.

use super::*;
use crate::config::parents::{ContextType, context_kind};
use crate::config::{ABSENT, propagator};
use crate::trace::parents::{self, NO_SEARCH, ParentSearch};
use crate::trace::sealed::SealedSpan;
use crate::trace::{creators, extracted};

/// Descriptors in the process.
const CANCEL: u64 = 0x50_0000;
const VALUE: u64 = 0x50_1000;
const SPAN: u64 = 0x50_2000;
/// The key of a span of the OpenTelemetry API, in the file.
const KEY: u64 = 0x50_4000;

/// A program that knows contexts.
fn program() -> Program {
    let mut program = Program::new();
    program.process.parents.span_key = Setting::new(KEY);
    for (descriptor, kind, offset) in
        [(CANCEL, context_kind::HOLDS, 0), (VALUE, context_kind::VALUE, 0), (SPAN, context_kind::SPAN, 96)]
    {
        program.process.context_types.insert(descriptor, ContextType { kind, offset, through: ABSENT, span_kind: 0 });
    }
    program
}

impl Program {
    /// What `context.WithCancel` makes.
    fn cancel(&self, parent: [u64; 2]) -> [u64; 2] {
        self.interface(CANCEL, &parent)
    }

    /// The context of a request that a new goroutine serves, whose span is this.
    fn served_elsewhere(&self, span: &SpanIdentity) -> [u64; 2] {
        let context = self.cancel([0, 0]);
        let elsewhere = self.new_goroutine(77);
        let goroutine = self.process.goroutine_or_new(elsewhere).unwrap();
        let operation = goroutine.next().unwrap();
        operation.kind.set(operation_kind::HTTP1_SERVER);
        operation.span.set(span, elsewhere);
        operation.object.set(context[1]);
        goroutine.opened(0);
        self.process.remember_context(context[1], elsewhere);
        context
    }

    /// The parent of a call that is made with this context and has ended; what was around it is open still.
    fn parent_of_call(&self, function: u32, depth: u64, context: [u64; 2]) -> u64 {
        let start = self.started(function, depth, &context);
        self.ended(function, depth, &[]);
        start.parent()
    }
}

fn id(span: &SpanIdentity) -> u64 {
    u64::from_ne_bytes(span.span_id)
}

#[test]
fn without_anything_around_it_is_a_root() {
    let mut program = program();
    let function = program.add(Function::with_context());
    for context in [[0, 0], program.cancel([0, 0]), [0xdead_0000, 0xdead_0000]] {
        let (one, other) = (program.started(function, 100, &context), program.ended(function, 100, &[]));
        assert_eq!((one.parent(), one.id()), (0, u64::from_ne_bytes(other.span_id)));
        assert_eq!((one.span.trace_flags, one.span.parent_is_remote, one.span.propagation), (1, 0, 0));
        assert_ne!(one.span.trace_id, [0; 16]);
    }
    program.is_clean();
}

#[test]
fn within_a_served_request() {
    let mut program = program();
    let (with, without) = (program.add(Function::with_context()), program.add(Function::default()));
    let request = program.cancel([0, 0]);
    program.serve(request[1], &SpanIdentity { propagation: propagator::BAGGAGE, ..span(1) });
    for (function, context) in
        [(with, request), (with, program.cancel(request)), (with, [0, 0]), (without, [0, 0]), (with, program.cancel([0, 0]))]
    {
        let start = program.started(function, 100, &context);
        assert_eq!((start.parent(), start.span.trace_id), (id(&span(1)), [1; 16]));
        assert_eq!(start.span.propagation, 0, "what was extracted stays with us");
        // But it goes out with what is sent within it.
        let frame = program.process.frame(frames::key(program.goroutine, 0)).unwrap();
        assert_eq!((frame.span.propagation(), frame.texts.get()), (propagator::BAGGAGE.into(), extracted::key([1; 8])));
        // Contexts lead to the request alone: what is called within is a child of the frame.
        for inner in [request, program.cancel(context), [0, 0]] {
            assert_eq!(program.parent_of_call(with, 200, inner), start.id());
        }
        program.ended(function, 100, &[]);
    }
    program.is_clean();
}

#[test]
fn a_context_of_another_goroutines_request_is_nearer_than_what_is_around() {
    let mut program = program();
    let function = program.add(Function::with_context());
    let other = program.served_elsewhere(&span(2));
    assert_eq!(program.parent_of_call(function, 100, other), id(&span(2)));
    let own = program.cancel([0, 0]);
    program.serve(own[1], &span(1));
    let outer = program.started(function, 100, &own);
    assert_eq!(outer.parent(), id(&span(1)));
    assert_eq!(program.parent_of_call(function, 200, program.cancel(other)), id(&span(2)));
    assert_eq!(program.parent_of_call(function, 200, own), outer.id());
    program.ended(function, 100, &[]);
    program.is_clean();
}

/// A context leads out of what is around, at the second level: what is called with the same one, however far within, is within that.
#[test]
fn a_context_that_leads_elsewhere_leads_there_once() {
    let mut program = program();
    let function = program.add(Function::with_context());
    let request = program.served_elsewhere(&span(2));
    let value = program.process.memory.allocate(256);
    program.process.memory.write_words(value + 96, &[1, 2, 0x33, 1]);
    let sdk = program.interface(VALUE, &[0, 0, KEY + BIAS, 0, SPAN, value]);
    for (context, around) in [(request, id(&span(2))), (sdk, 0x33)] {
        program.started(function, 100, &[0, 0]);
        let mut expected = around;
        for depth in [200, 300, 400, 500] {
            let start = program.started(function, depth, &context);
            assert_eq!(start.parent(), expected, "{depth}");
            expected = start.id();
        }
        assert_eq!(program.parent_of_call(function, 600, [0, 0]), expected);
        for depth in [500, 400, 300, 200, 100] {
            program.ended(function, depth, &[]);
        }
    }
    program.is_clean();
}

/// An operation with the context of another request: what is called within it without one belongs to it, not to what the goroutine
/// serves, nor to what has created it.
#[test]
fn within_an_operation_of_another_request_all_is_its_child() {
    for is_served in [true, false] {
        let mut program = program();
        let function = program.add(Function::with_context());
        let own = program.cancel([0, 0]);
        if is_served {
            program.serve(own[1], &span(1));
        } else {
            // Created by something that has this span.
            program.process.set_creator(program.goroutine, &SealedSpan::new(&span(1), 1));
            assert_eq!(program.parent_of_call(function, 100, [0, 0]), id(&span(1)));
        }
        let other = program.served_elsewhere(&span(2));
        let outer = program.started(function, 100, &other);
        assert_eq!(outer.parent(), id(&span(2)));
        for context in [[0, 0], other, program.cancel([0, 0]), program.cancel(other)] {
            let inner = program.started(function, 200, &context);
            assert_eq!((inner.parent(), inner.span.trace_id), (outer.id(), [2; 16]), "served: {is_served}");
            assert_eq!(program.parent_of_call(function, 300, [0, 0]), inner.id());
            program.ended(function, 200, &[]);
        }
        if is_served {
            // The goroutine's own request, named by its context.
            assert_eq!(program.parent_of_call(function, 200, own), id(&span(1)));
            assert_eq!(program.parent_of_call(function, 200, program.cancel(own)), id(&span(1)));
        }
        program.ended(function, 100, &[]);
        program.is_clean();
    }
}

/// A span of the OpenTelemetry API in the context, made within an operation or around it.
#[test]
fn a_span_of_the_opentelemetry_api_is_the_parent() {
    let mut program = program();
    let function = program.add(Function::with_context());
    let request = program.cancel([0, 0]);
    program.serve(request[1], &span(1));
    let sdk = |around: [u64; 2], id: u64| {
        let value = program.process.memory.allocate(256);
        program.process.memory.write_words(value + 96, &[1, 2, id, 1]);
        program.interface(VALUE, &[around[0], around[1], KEY + BIAS, 0, SPAN, value])
    };
    let outside = sdk(request, 0x33);
    let outer = program.started(function, 100, &outside);
    assert_eq!(outer.parent(), 0x33);
    // The same context within is that which the operation lies in.
    assert_eq!(program.parent_of_call(function, 200, outside), outer.id());
    assert_eq!(program.parent_of_call(function, 200, sdk(outside, 0x44)), 0x44);
    program.ended(function, 100, &[]);
    program.is_clean();
}

#[test]
fn an_operation_that_another_library_makes_is_none() {
    let mut program = program();
    let around = program.add_of(OTHER_LAYER, Function::default());
    let within = program.add(Function { inside: OTHER_LAYER, ..Function::default() });
    let user = program.add_of(16, Function::default());
    let alone = program.started(within, 100, &[]);
    assert_eq!(program.ended(within, 100, &[]).span_id, alone.span.span_id);
    let outer = program.started(around, 100, &[]);
    // However far within.
    let middle = program.started(user, 200, &[]);
    assert_eq!(program.begin(within, 300, &[]), Err(Missed::NothingToDo));
    assert_eq!(program.open(), 2);
    assert_eq!(program.parent_of_call(user, 400, [0, 0]), middle.id());
    assert_eq!(program.end(within, 300, &[]), Err(Missed::NothingToDo));
    program.ended(user, 200, &[]);
    assert_eq!(program.end(within, 300, &[]), Err(Missed::NothingToDo));
    program.ended(around, 100, &[]);
    assert_eq!(program.parent_of_call(within, 100, [0, 0]), 0, "again alone");
    assert_ne!(outer.id(), 0);
    program.is_clean();
}

#[test]
fn what_is_off_or_refused_is_none() {
    let mut program = program();
    let outer = program.add_of(OTHER_LAYER, Function::default());
    let condition = vec![words(0, 0), step(code::REQUIRE, 0, 7)];
    let inner = program.add(Function { begin: condition, ..Function::default() });
    program.started(outer, 100, &[]);
    assert_eq!(program.begin(inner, 200, &[8]), Err(Missed::NothingToDo));
    assert_eq!(program.end(inner, 200, &[]), Err(Missed::NothingToDo));
    program.started(inner, 200, &[7]);
    program.ended(inner, 200, &[]);
    program.process.settings.off.set(LAYER);
    assert_eq!(program.begin(inner, 200, &[7]), Err(Missed::NothingToDo));
    assert_eq!(program.end(inner, 200, &[]), Err(Missed::NothingToDo));
    program.ended(outer, 100, &[]);
    program.is_clean();
}

/// Nothing is captured of what is not sampled, nor of its children; it is counted.
#[test]
fn what_is_not_sampled_is_counted_alone() {
    let mut program = program();
    let capture = vec![words(0, 0), step(code::CAPTURE_KEY, 0, 0)];
    let function = program.add(Function { start: capture.clone(), end: capture, flags: flag::HAS_OBJECT, ..Function::default() });
    program.process.settings.threshold.set(0);
    for (level, time) in [(0, 1_000), (1, 2_000), (2, 3_000)] {
        program.process.now.set(time);
        program.begin(function, 100 + 100 * level, &[5]).unwrap();
    }
    program.process.settings.threshold.set(1 << 63);
    program.process.now.set(4_000);
    program.begin(function, 400, &[5]).unwrap();
    let (first, last) = (
        program.process.frame(frames::key(program.goroutine, 0)).unwrap().span.clone(),
        program.process.frame(frames::key(program.goroutine, 3)).unwrap().span.clone(),
    );
    assert_eq!((first.is_sampled(), last.is_sampled()), (false, false), "a child does what its parent does");
    program.process.now.set(10_000);
    for level in (0..4).rev() {
        assert_eq!(program.end(function, 100 + 100 * level, &[5]), Err(Missed::NothingToDo));
    }
    let of_table = operation_kind::OF_TABLE;
    assert_eq!(program.process.unsampled.take(), [(of_table, 6_000), (of_table, 7_000), (of_table, 8_000), (of_table, 9_000)]);
    assert!(program.process.known.is_empty());
    program.is_clean();
}

/// The parent that what is not described by tables has on the goroutine that runs: a round trip.
fn round_trip(program: &Program, context: [u64; 2]) -> ParentSearch {
    let mut search = NO_SEARCH;
    let goroutine = program.process.goroutine_or_new(program.goroutine).unwrap();
    parents::find(&program.process, goroutine, &mut search, program.goroutine, context);
    search
}

#[test]
fn a_request_that_is_made_within_belongs_to_it() {
    let mut program = program();
    let function = program.add(Function::with_context());
    let request = program.cancel([0, 0]);
    program.serve(request[1], &SpanIdentity { propagation: propagator::BAGGAGE, ..span(1) });
    let outer = program.started(function, 100, &request);
    for context in [request, [0, 0], program.cancel(request)] {
        let search = round_trip(&program, context);
        assert_eq!((search.found != 0, id(&search.parent)), (true, outer.id()));
        assert_eq!((search.parent.propagation, search.texts), (propagator::BAGGAGE, extracted::key([1; 8])));
    }
    program.ended(function, 100, &[]);
    assert_eq!(id(&round_trip(&program, request).parent), id(&span(1)));
    program.is_clean();
}

/// A goroutine belongs to the operation in which it was created, unless that is a request to something outside: then to what is
/// around.
#[test]
fn goroutines_belong_to_what_has_created_them() {
    let mut program = program();
    let own = program.add(Function::default());
    let client = program.add(Function { flags: flag::IS_CLIENT, ..Function::default() });
    let mut runtime = Runtime::new(&program);
    let mut created = |program: &Program| runtime.created(program);
    assert_eq!(created(&program), None);
    let lonely = program.started(client, 100, &[]);
    assert_eq!((created(&program), lonely.parent()), (None, 0), "nothing is around");
    program.ended(client, 100, &[]);
    let outer = program.started(own, 100, &[]);
    assert_eq!(created(&program), Some(outer.id()));
    let request = program.started(client, 200, &[]);
    assert_eq!((created(&program), request.parent()), (Some(outer.id()), outer.id()));
    let inner = program.started(own, 300, &[]);
    assert_eq!(created(&program), Some(inner.id()));
    program.ended(own, 300, &[]);
    program.ended(client, 200, &[]);
    program.ended(own, 100, &[]);
    assert_eq!(created(&program), None);
    // Within a served request, a client's operation is around nothing.
    program.serve(0xc0_5000, &span(1));
    program.started(client, 100, &[]);
    assert_eq!(created(&program), Some(id(&span(1))));
    program.ended(client, 100, &[]);
    program.is_clean();
}

/// What creates goroutines, on a stack of its own.
struct Runtime {
    g0: u64,
    /// Given last.
    goid: u64,
}

impl Runtime {
    /// With the goroutine of the program as the one that runs.
    fn new(program: &Program) -> Self {
        let (thread, g0) = (program.process.memory.allocate(256), program.new_goroutine(0));
        program.process.memory.write_words(g0 + 48, &[thread]);
        program.process.memory.write_words(thread + 184, &[program.goroutine]);
        Self { g0, goid: 100 }
    }

    /// Creates a goroutine; the span that it belongs to.
    fn created(&mut self, program: &Program) -> Option<u64> {
        self.goid += 1;
        let new = program.new_goroutine(self.goid);
        program.process.registers.set(Registers::calling(&[0, new], self.g0));
        let hit = creators::created(&program.process);
        let mut found = SpanIdentity::NONE;
        let creator = program.process.creator(new).is_some_and(|creator| creator.copy_of(self.goid, &mut found));
        assert_eq!(hit.is_ok(), creator);
        creator.then(|| id(&found))
    }
}

/// Somebody has recovered from a panic, which has unwound the operation: nothing has shown it yet.
#[test]
fn what_a_panic_may_have_unwound_has_no_goroutines() {
    let mut program = program();
    let function = program.add(Function::default());
    let mut runtime = Runtime::new(&program);
    let outer = program.started(function, 100, &[]);
    assert_eq!(runtime.created(&program), Some(outer.id()));
    program.hit(event::PANIC, 0, 500, &[0, 0]).unwrap();
    program.process.take_records();
    assert_eq!(runtime.created(&program), None);
    program.ended(function, 100, &[]);
    let again = program.started(function, 100, &[]);
    assert_eq!(runtime.created(&program), Some(again.id()));
    program.ended(function, 100, &[]);
    program.is_clean();
}

/// The runtime uses a `g` again: what the goroutine before has left open is the parent of nothing, and has no end.
#[test]
fn what_a_dead_goroutine_has_left_is_around_nothing() {
    let mut program = program();
    let function = program.add(Function { tail: 1, ..Function::default() });
    let mut runtime = Runtime::new(&program);
    let before = program.started(function, 100, &[]);
    assert_eq!(id(&round_trip(&program, [0, 0]).parent), before.id());
    program.process.memory.write_words(program.goroutine + GOID_AT, &[2]);
    assert_eq!(runtime.created(&program), None);
    assert_eq!(round_trip(&program, [0, 0]).found, 0);
    // Ends of calls whose start was refused, or seen by nobody.
    for depth in [100, 200] {
        assert_eq!(program.end(function, depth, &[]), Err(Missed::NothingToDo));
        assert_eq!(program.hit(event::TAIL, 1, depth, &[]), Err(Missed::NothingToDo));
    }
    assert_eq!(program.open(), 1);
    program.begin(function, 100, &[]).unwrap();
    assert_eq!(program.process.take_records().len(), 2, "what was left was unwound");
    program.ended(function, 100, &[]);
    program.is_clean();
}
