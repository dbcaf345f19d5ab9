//! Operations within each other, and what a panic, `runtime.Goexit` or another goroutine makes of them.

use super::*;
use crate::instrumentations::net_http_server;
use crate::trace::frames::MAX_LEVELS;

/// Which levels were unwound, and how many other records there are behind that.
fn unwound(program: &Program) -> (Option<u32>, Vec<Vec<u8>>) {
    let mut records = program.process.take_records();
    if records.first().is_none_or(|first| kind_of(first) != kind::OPERATION_UNWOUND) {
        return (None, records);
    }
    let first: Record<OperationEvent> = decode(&records.remove(0));
    assert_eq!((first.goroutine, first.span_id), (program.goroutine, [0; 8]));
    (Some(first.level), records)
}

fn start_of(records: &[Vec<u8>]) -> Record<OperationStart> {
    assert_eq!((records.len(), kind_of(&records[0])), (1, kind::OPERATION_START));
    decode(&records[0])
}

#[test]
fn operations_nest_as_their_calls_do() {
    let mut program = Program::new();
    let (outer, inner) = (program.add(Function::default()), program.add(Function::default()));
    let first = program.started(outer, 100, &[]);
    assert_eq!((first.parent(), first.level, first.operation, first.goroutine), (0, 0, outer, program.goroutine));
    for _again in 0..3 {
        let second = program.started(inner, 200, &[]);
        assert_eq!((second.parent(), second.level, second.span.trace_id), (first.id(), 1, first.span.trace_id));
        let third = program.started(outer, 300, &[]);
        assert_eq!((third.parent(), third.level), (second.id(), 2));
        // Ends stand where their functions began, or deeper.
        assert_eq!(program.ended(outer, 340, &[]).span_id, third.span.span_id);
        assert_eq!(program.ended(inner, 200, &[]).span_id, second.span.span_id);
    }
    assert_eq!(program.ended(outer, 100, &[]).span_id, first.span.span_id);
    assert_eq!(program.end(outer, 100, &[]), Err(Missed::NothingToDo), "once");
    program.is_clean();
}

/// A function that calls itself, and one whose call is as deep as any other's.
#[test]
fn recursion_ends_from_the_inside_out() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let spans: Vec<_> = (0..30).map(|level| program.started(function, 100 + 64 * level, &[]).span).collect();
    for pair in spans.windows(2) {
        assert_eq!(pair[1].parent_span_id, pair[0].span_id);
    }
    for (level, span) in spans.iter().enumerate().rev() {
        assert_eq!(program.ended(function, 100 + 64 * level as u64 + 40, &[]).span_id, span.span_id);
    }
    program.is_clean();
}

/// Deeper ones are counted as lost, and their ends are none of the others'.
#[test]
fn nesting_ends_at_the_last_level() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let depth = |level: u32| 100 + 64 * u64::from(level);
    let spans: Vec<_> = (0..MAX_LEVELS).map(|level| program.started(function, depth(level), &[]).span.span_id).collect();
    for _again in 0..2 {
        for level in MAX_LEVELS..MAX_LEVELS + 10 {
            assert_eq!(program.begin(function, depth(level), &[]), Err(Missed::NoRoom));
        }
        for level in (MAX_LEVELS..MAX_LEVELS + 10).rev() {
            assert_eq!(program.end(function, depth(level) + 32, &[]), Err(Missed::NothingToDo));
        }
        assert_eq!(program.open(), MAX_LEVELS);
        assert!(program.process.take_records().is_empty());
    }
    // The innermost that has room ends, and there is room for another one.
    let last = MAX_LEVELS - 1;
    assert_eq!(program.ended(function, depth(last) + 32, &[]).span_id, spans[last as usize]);
    let again = program.started(function, depth(last), &[]);
    assert_eq!((again.level, again.span.parent_span_id), (last, spans[last as usize - 1]));
    assert_eq!(program.begin(function, depth(MAX_LEVELS), &[]), Err(Missed::NoRoom));
    // Those that are too deep are unwound together with the last that are not.
    assert_eq!(program.ended_behind_unwound(function, depth(9)), (10, spans[9]));
    for level in (0..9).rev() {
        assert_eq!(program.ended(function, depth(level), &[]).span_id, spans[level as usize]);
    }
    program.is_clean();
}

#[test]
fn another_branch_is_taken_where_there_was_no_room() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let depth = |level: u32| 100 + 64 * u64::from(level);
    for level in 0..=MAX_LEVELS {
        let is_opened = program.begin(function, depth(level), &[]).is_ok();
        assert_eq!(is_opened, level < MAX_LEVELS);
    }
    program.process.take_records();
    // All is unwound to the middle, where another call begins.
    program.begin(function, depth(20), &[]).unwrap();
    let (level, records) = unwound(&program);
    assert_eq!((level, start_of(&records).level), (Some(20), 20));
    assert_eq!(program.open(), 21);
    program.ended(function, depth(20), &[]);
}

impl Program {
    /// A function ends, and what is within it is said to have been unwound before. From which level on, and which span has ended.
    fn ended_behind_unwound(&self, number: u32, depth: u64) -> (u32, [u8; 8]) {
        self.end(number, depth, &[]).unwrap();
        let (level, records) = unwound(self);
        assert_eq!((records.len(), kind_of(&records[0])), (1, kind::OPERATION_END));
        (level.unwrap(), decode::<OperationEvent>(&records[0]).span_id)
    }
}

/// A panic in the innermost, from which a deferred function of the outermost recovers.
#[test]
fn what_a_panic_has_unwound_shows_at_the_next_end() {
    let mut program = Program::new();
    let (outer, inner) = (program.add(Function::default()), program.add(Function::default()));
    let first = program.started(outer, 100, &[]);
    program.started(inner, 200, &[]);
    program.started(inner, 300, &[]);
    let [message, length] = program.process.string("boom");
    let value = program.process.memory.allocate(24);
    program.process.memory.write_words(value, &[message, length]);
    program.hit(event::PANIC, 0, 500, &[0x1234, value]).unwrap();
    let panic = program.event(kind::OPERATION_PANIC);
    assert_eq!((panic.goroutine, panic.values.len(), &panic.values[0].bytes[32..]), (program.goroutine, 1, &b"boom"[..]));
    assert_eq!(program.ended_behind_unwound(outer, 100), (1, first.span.span_id));
    assert_eq!(program.hit(event::PANIC, 0, 500, &[0x1234, value]), Err(Missed::NothingToDo), "within nothing");
    program.is_clean();
}

/// A worker that recovers from each panic, and goes on.
#[test]
fn what_a_panic_has_unwound_shows_at_the_next_start() {
    let mut program = Program::new();
    let (outer, inner) = (program.add(Function::default()), program.add(Function::default()));
    let mut before = program.started(outer, 100, &[]).span;
    for _call in 0..5 {
        program.started(inner, 200, &[]);
        program.begin(outer, 100, &[]).unwrap();
        let (level, records) = unwound(&program);
        let start = start_of(&records);
        assert_eq!((level, start.level, start.parent()), (Some(0), 0, 0));
        assert_ne!(start.span.span_id, before.span_id);
        before = start.span;
    }
    assert_eq!(program.ended(outer, 100, &[]).span_id, before.span_id);
    program.is_clean();
}

/// The same function at the same depth: the first was unwound.
#[test]
fn an_end_is_that_of_the_call_that_stands_there() {
    let mut program = Program::new();
    let (outer, inner) = (program.add(Function::default()), program.add(Function::default()));
    program.started(outer, 100, &[]);
    program.started(inner, 200, &[]);
    // Not one that began deeper, nor one of another function.
    assert_eq!(program.end(inner, 150, &[]), Err(Missed::NothingToDo));
    assert_eq!(program.end(outer, 50, &[]), Err(Missed::NothingToDo));
    assert_eq!(program.open(), 2);
    program.ended(inner, 200, &[]);
    program.ended(outer, 100, &[]);
    program.is_clean();
}

#[test]
fn goexit_ends_all_of_a_goroutine() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    assert_eq!(program.hit(event::GOEXIT, 0, 500, &[]), Err(Missed::NothingToDo));
    for level in 0..3 {
        program.started(function, 100 + 100 * level, &[]);
    }
    program.hit(event::GOEXIT, 0, 500, &[]).unwrap();
    let goexit = program.event(kind::OPERATION_GOEXIT);
    assert_eq!((goexit.goroutine, goexit.level, goexit.span_id, program.open()), (program.goroutine, 0, [0; 8], 0));
    // A deferred function makes one more.
    let deferred = program.started(function, 700, &[]);
    assert_eq!((deferred.level, deferred.parent()), (0, 0));
    program.ended(function, 700, &[]);
    assert_eq!(program.hit(event::GOEXIT, 0, 500, &[]), Err(Missed::NothingToDo));
    program.is_clean();
}

/// The runtime uses a `g` again: what the goroutine before has left open is none of this one's, whatever its depth.
#[test]
fn another_goroutine_at_the_same_address_begins_anew() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let before = program.started(function, 100, &[]);
    program.process.memory.write_words(program.goroutine + GOID_AT, &[2]);
    program.begin(function, 300, &[]).unwrap();
    let (level, records) = unwound(&program);
    let start = start_of(&records);
    assert_eq!((level, start.level, start.parent()), (Some(0), 0, 0));
    assert_ne!(start.span.trace_id, before.span.trace_id);
    assert_eq!(program.ended(function, 300, &[]).span_id, start.span.span_id);
    program.is_clean();
}

/// Two goroutines at once, whose calls interleave.
#[test]
fn goroutines_have_stacks_of_their_own() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let goroutines: Vec<u64> = (10..14).map(|goid| program.new_goroutine(goid)).collect();
    let mut spans = Vec::new();
    for level in 0..3 {
        for goroutine in &goroutines {
            program.goroutine = *goroutine;
            spans.push((level, *goroutine, program.started(function, 100 + 100 * level, &[])));
        }
    }
    while let Some((level, goroutine, start)) = spans.pop() {
        program.goroutine = goroutine;
        let outside = spans.iter().rev().find(|(_, other, _)| *other == goroutine).map(|(_, _, start)| start.id());
        assert_eq!(start.parent(), outside.unwrap_or(0));
        assert_eq!(program.ended(function, 100 + 100 * level, &[]).span_id, start.span.span_id);
        program.is_clean_but_for_others();
    }
    for goroutine in goroutines {
        program.goroutine = goroutine;
        program.is_clean();
    }
}

impl Program {
    fn is_clean_but_for_others(&self) {
        assert!(self.process.take_records().is_empty());
    }

    /// A probe of the server on the running goroutine.
    fn serves(&self, arguments: &[u64]) {
        self.process.registers.set(Registers { stack_pointer: STACK_HIGH - 50, ..Registers::calling(arguments, self.goroutine) });
    }
}

/// A request that is served begins or ends: what is open on its goroutine has been unwound.
#[test]
fn a_served_request_has_nothing_open_around_it() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let event = crate::config::http_server::event::END;
    let end = |program: &Program| {
        program.serves(&[]);
        net_http_server::end(&program.process, &program.process.layout, event)
    };
    let request = program.process.request(&crate::target::fake::go::Request::default());
    let writer = program.process.response(200, 0, false);
    for _again in 0..2 {
        // Left by the request before, whose end was missed.
        let lost = program.started(function, 300, &[]);
        program.serves(&[7, 7, writer, request]);
        let handler = crate::config::http_server::event::START_HANDLER;
        net_http_server::start(&program.process, &program.process.layout, handler).unwrap();
        let (level, records) = unwound(&program);
        assert_eq!((level, records.len(), program.open()), (Some(0), 1, 0));
        assert_eq!(kind_of(&records[0]), kind::HTTP_SERVER_START);
        let within = program.started(function, 300, &[]);
        assert_ne!((within.parent(), within.span.trace_id), (0, lost.span.trace_id));
        program.started(function, 400, &[]);
        // A panic has unwound both, and net/http has recovered from it.
        end(&program).unwrap();
        let (level, records) = unwound(&program);
        assert_eq!((level, records.len(), program.open()), (Some(0), 1, 0));
        assert_eq!(kind_of(&records[0]), kind::HTTP_SERVER_END);
    }
    program.is_clean();
}

/// What several functions call last: its end is theirs, whichever has called it.
#[test]
fn the_end_of_what_is_called_last_is_that_of_its_caller() {
    let mut program = Program::new();
    let capture = |number: u32| vec![results(0, 1), step(code::CAPTURE_WORD, number, 0)];
    let one = program.add(Function { tail: 1, end: capture(1), ..Function::default() });
    let other = program.add(Function { tail: 1, end: capture(2), ..Function::default() });
    let third = program.add(Function { tail: 2, end: capture(3), ..Function::default() });
    let without = program.add(Function::default());
    assert_eq!(program.hit(event::TAIL, 1, 200, &[]), Err(Missed::NothingToDo), "within nothing");
    for (function, number) in [(one, 1), (other, 2)] {
        let start = program.started(function, 100, &[]);
        assert_eq!(program.hit(event::TAIL, 2, 200, &[7, 8]), Err(Missed::NothingToDo), "another function's");
        program.hit(event::TAIL, 1, 200, &[7, 8]).unwrap();
        let end = program.event(kind::OPERATION_END);
        assert_eq!((end.operation, end.span_id, &end.values), (function, start.span.span_id, &vec![Value::word(number, 7)]));
    }
    // Within another one that does not end so.
    let start = program.started(third, 100, &[]);
    program.started(without, 200, &[]);
    assert_eq!(program.hit(event::TAIL, 2, 300, &[7]), Err(Missed::NothingToDo));
    program.ended(without, 200, &[]);
    program.hit(event::TAIL, 2, 300, &[7]).unwrap();
    assert_eq!(program.event(kind::OPERATION_END).span_id, start.span.span_id);
    program.is_clean();
}

/// A panic has unwound the innermost, and the next one begins from deeper on the stack: the chain of frame pointers leads past it.
#[test]
#[cfg(target_arch = "x86_64")]
fn what_a_panic_has_unwound_is_not_around_what_begins_deeper() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let memory = &program.process.memory;
    let stack = memory.allocate(4_096) + 4_096 - 2_048;
    memory.write_words(program.goroutine + STACK_HIGH_AT, &[stack + 2_048]);
    let at = |depth: u64| stack + 2_048 - depth;
    // The chain, from the inside: each word is the frame pointer of the caller.
    let chain = |depths: &[u64]| {
        for pair in depths.windows(2) {
            program.process.memory.write_words(at(pair[0]), &[at(pair[1])]);
        }
        program.process.memory.write_words(at(*depths.last().unwrap()), &[0]);
    };
    let begin = |depth: u64, caller: u64| {
        let mut registers = Registers { stack_pointer: at(depth), ..Registers::calling(&[], program.goroutine) };
        registers.integers[crate::go::abi::FRAME_POINTER] = at(caller);
        program.process.registers.set(registers);
        program.process.cookie.set(Cookie { event: event::BEGIN | function << 8, recipe: 0 });
        any(&program.process).unwrap();
        let (level, records) = unwound(&program);
        (level, start_of(&records))
    };
    // Frame pointers lie eight bytes below the stack pointer at the start of a function.
    chain(&[308, 208, 108, 48]);
    let (_, outer) = begin(100, 48);
    let (_, middle) = begin(200, 108);
    let (_, inner) = begin(300, 208);
    assert_eq!((middle.parent(), inner.parent()), (outer.id(), middle.id()));
    program.hit(event::PANIC, 0, STACK_HIGH - at(900), &[0, 0]).unwrap();
    program.process.take_records();
    // A deferred function, while the panic goes on: all are on the stack.
    chain(&[908, 308, 208, 108, 48]);
    let (level, deferred) = begin(1_000, 908);
    assert_eq!((level, deferred.parent()), (None, inner.id()));
    program.ended(function, STACK_HIGH - at(1_000), &[]);
    // The outermost has recovered, and calls something else: the others' places on the stack are another function's.
    chain(&[708, 508, 108, 48]);
    let (level, after) = begin(800, 708);
    assert_eq!((level, after.level, after.parent()), (Some(1), 1, outer.id()));
    program.ended(function, STACK_HIGH - at(800), &[]);
    program.ended(function, STACK_HIGH - at(100), &[]);
    assert!(!program.process.goroutine(program.goroutine).unwrap().has_panicked());
    program.is_clean();
    // A chain that cannot be followed: what is not known to be unwound stays.
    let (_, outer) = begin(100, 48);
    program.hit(event::PANIC, 0, STACK_HIGH - at(900), &[0, 0]).unwrap();
    program.process.take_records();
    program.process.memory.write_words(at(708), &[0]);
    let (level, within) = begin(800, 708);
    assert_eq!((level, within.parent()), (None, outer.id()));
}
