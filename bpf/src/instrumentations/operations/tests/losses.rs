//! What is missing, full, or another goroutine's.

use super::*;
use crate::config::operations::TABLE;

/// `func f(ctx, s string, v any, list []T) (int, error)`, with a capture of each kind.
pub(super) fn all_kinds(program: &mut Program) -> u32 {
    let string = [skipping(1, words(2, 3)), step(code::CAPTURE_TEXT, 0, 8_192)];
    let deep = [
        words(4, 4),
        skipping(3, step(code::LOAD, 0, 8)),
        skipping(2, step(code::LOAD, 0, 16)),
        skipping(1, step(code::LOAD_PAIR, 0, 0)),
        step(code::CAPTURE_TEXT, 1, 64),
    ];
    let held = [words(5, 6), step(code::CAPTURE_VALUE, 2, 64)];
    let element =
        [words(7, 8), skipping(2, step(code::INDEX, 8, 1)), skipping(1, step(code::LOAD, 0, 0)), step(code::CAPTURE_WORD, 3, 0)];
    let stack = [skipping(1, step(code::STACK, 0, 8)), step(code::CAPTURE_WORD, 4, 0)];
    let local = [skipping(1, step(code::FRAME, 0, 16)), step(code::CAPTURE_WORD, 0, 0)];
    let error = [results(1, 2), step(code::NOTE_ERROR, 0, 0), step(code::ERROR, 0, 0), step(code::CAPTURE_VALUE, 1, 64)];
    program.add(Function {
        begin: vec![words(0, 1), step(code::CONTEXT, 0, 0)],
        start: [&string[..], &deep, &held, &element, &stack].concat(),
        end: [&local[..], &error].concat(),
        ..Function::default()
    })
}

pub(super) struct Call {
    pub(super) arguments: [u64; 9],
    pub(super) results: [u64; 3],
}

impl Call {
    /// Arguments and results whose parts lie on pages of their own.
    pub(super) fn new(program: &Program) -> Self {
        let memory = &program.process.memory;
        let context = program.interface(0x50_0000, &[0, 0]);
        let [text, length] = program.process.string("a text");
        let (first, second, header) = (memory.allocate(32), memory.allocate(32), memory.allocate(32));
        memory.write_words(header, &program.process.string("deep"));
        memory.write_words(second + 16, &[header]);
        memory.write_words(first + 8, &[second]);
        let held = program.interface(0x1111, &[program.process.string("held")[0], 4, 0]);
        let list = memory.allocate(32);
        memory.write_words(list, &[1, 2, 3]);
        let error = program.interface(0x2222, &[program.process.string("an error")[0], 8, 0]);
        Self {
            arguments: [context[0], context[1], text, length, first, held[0], held[1], list, 3],
            results: [5, error[0], error[1]],
        }
    }
}

/// Each page in turn is away while an operation begins, while it ends, or both.
#[test]
fn unreadable_memory_costs_a_value_at_most() {
    let mut program = Program::new();
    let function = all_kinds(&mut program);
    // A stack of its own, so that its page can be away too.
    let stack = program.process.memory.allocate(4_096);
    program.process.memory.write_words(stack + 4_096 - 256, &(0..32).collect::<Vec<u64>>());
    program.process.memory.write_words(program.goroutine + STACK_HIGH_AT, &[stack + 4_096]);
    let call = Call::new(&program);
    let hit = |event: u32, arguments: &[u64]| program.hit(event, function, STACK_HIGH - (stack + 4_096) + 256, arguments);
    let round = |before: &dyn Fn(), between: &dyn Fn(), after: &dyn Fn()| {
        before();
        let begin = hit(event::BEGIN, &call.arguments);
        between();
        let end = hit(event::END, &call.results);
        after();
        (begin, end, program.process.take_records())
    };
    let nothing = || {};
    let (begin, end, whole) = round(&nothing, &nothing, &nothing);
    assert_eq!((begin, end, whole.len()), (Ok(()), Ok(()), 2));
    let (start_values, end_values) = (decode::<OperationStart>(&whole[0]).values, decode::<OperationEvent>(&whole[1]).values);
    assert_eq!((start_values.len(), end_values.len()), (5, 2), "{start_values:?} {end_values:?}");
    for page in program.process.memory.mapped() {
        let bytes = std::cell::RefCell::new(Vec::new());
        let away = || *bytes.borrow_mut() = program.process.memory.unmap(page);
        let back = || program.process.memory.map(page, bytes.take());
        for moments in [[&away as &dyn Fn(), &back, &nothing], [&nothing, &away, &back], [&away, &nothing, &back]] {
            let [before, between, after] = moments;
            let (begin, end, records) = round(before, between, after);
            assert_eq!(begin, Ok(()));
            let starts: Vec<_> = records.iter().filter(|record| kind_of(record) == kind::OPERATION_START).collect();
            assert_eq!(starts.len(), 1);
            let is_known = |found: &Value, all: &[Value]| {
                all.iter().any(|value| {
                    // What an interface holds stands for itself where it cannot be read.
                    let is_part = |all: &[u8], part: &[u8]| part.iter().zip(all).all(|(one, other)| one == other || *one == 0);
                    // Where a table cannot be read, the table itself stands for its type.
                    let is_table = found.bytes.first().is_some_and(|byte| u64::from(byte & 1) == TABLE);
                    value == found
                        || value.number == found.number && (found.is_unread || is_table)
                        || value.number == found.number && found.bytes.len() >= 32 && is_part(&value.bytes, &found.bytes)
                })
            };
            assert!(decode::<OperationStart>(starts[0]).values.iter().all(|value| is_known(value, &start_values)));
            for record in records.iter().filter(|record| kind_of(record) == kind::OPERATION_END) {
                assert!(decode::<OperationEvent>(record).values.iter().all(|value| is_known(value, &end_values)));
            }
            if page != program.goroutine / 4_096 {
                assert_eq!((end, program.open(), records.len()), (Ok(()), 0, 2));
            }
            // Without the goroutine's own page nobody knows how deep its stack is: the next one that begins finds that out.
            if program.open() != 0 {
                let (begin, end, records) = round(&nothing, &nothing, &nothing);
                assert_eq!((begin, end, records.len()), (Ok(()), Ok(()), 3));
            }
            program.is_clean();
        }
    }
}

#[test]
fn a_full_ring_costs_one_operation_once() {
    let mut program = Program::new();
    let object = vec![results(0, 0), step(code::NOTE_OBJECT, 0, 0)];
    let function = program.add(Function { flags: flag::HAS_OBJECT, end: object, ..Function::default() });
    let inner = program.add(Function::default());
    let close = program.add(Function { begin: vec![words(0, 0), step(code::NOTE_OBJECT, 0, 0)], ..Function::default() });
    // At its start: then it has no end, and no object either.
    program.process.ring_is_full.set(true);
    assert_eq!(program.begin(function, 100, &[]), Err(Missed::RingFull));
    program.process.ring_is_full.set(false);
    program.started(inner, 200, &[]);
    program.ended(inner, 200, &[]);
    assert_eq!(program.end(function, 100, &[0xc0_9000]), Err(Missed::NothingToDo));
    assert_eq!(program.hit(event::CLOSE, close, 200, &[0xc0_9000]), Err(Missed::NothingToDo));
    program.is_clean();
    // At its end: what is known of it stays in the launcher, until its object ends.
    let start = program.started(function, 100, &[]);
    program.process.ring_is_full.set(true);
    assert_eq!(program.end(function, 100, &[0xc0_9000]), Err(Missed::RingFull));
    program.process.ring_is_full.set(false);
    program.hit(event::CLOSE, close, 200, &[0xc0_9000]).unwrap();
    assert_eq!(program.event(kind::OPERATION_END).span_id, start.span.span_id);
    program.is_clean();
    // While it is told what was unwound, which is counted, and the next one begins nevertheless.
    program.started(inner, 300, &[]);
    program.process.ring_is_full.set(true);
    assert_eq!(program.begin(inner, 100, &[]), Err(Missed::RingFull));
    assert_eq!(program.process.missed.take(), [Missed::RingFull]);
    assert_eq!(program.end(inner, 100, &[]), Err(Missed::NothingToDo));
    program.is_clean();
}

#[test]
fn without_scratch_memory_nothing_is_left_open() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    program.process.scratch_is_taken.set(true);
    assert_eq!(program.begin(function, 100, &[]), Err(Missed::NoRoom));
    assert_eq!(program.end(function, 100, &[]), Err(Missed::NothingToDo));
    assert_eq!(program.open(), 0);
    // At its end: the next one shows that it is over.
    program.process.scratch_is_taken.set(false);
    program.started(function, 100, &[]);
    program.process.scratch_is_taken.set(true);
    assert_eq!(program.end(function, 100, &[]), Err(Missed::NoRoom));
    assert_eq!(program.hit(event::PANIC, 0, 500, &[]), Err(Missed::NoRoom));
    program.process.scratch_is_taken.set(false);
    program.begin(function, 100, &[]).unwrap();
    let kinds: Vec<u32> = program.process.take_records().iter().map(|record| kind_of(record)).collect();
    assert_eq!(kinds, [kind::OPERATION_UNWOUND, kind::OPERATION_START]);
    // Goexit forgets it all the same.
    program.process.scratch_is_taken.set(true);
    assert_eq!(program.hit(event::GOEXIT, 0, 500, &[]), Err(Missed::NoRoom));
    program.is_clean();
}

/// The maps have given the memory to another goroutine while this one's probe holds it.
#[test]
fn memory_that_is_anothers_reports_nothing() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    program.started(function, 100, &[]);
    let frame = program.process.frame(frames::key(program.goroutine, 0)).unwrap();
    frame.span.set(&span(7), 0xdead_0000);
    assert_eq!(program.end(function, 100, &[]), Err(Missed::Evicted));
    // The next one that begins forgets it.
    program.begin(function, 100, &[]).unwrap();
    program.process.take_records();
    program.process.frames.forget(frames::key(program.goroutine, 0));
    assert_eq!(program.end(function, 100, &[]), Err(Missed::Evicted));
    program.begin(function, 100, &[]).unwrap();
    program.process.take_records();
    program.process.goroutine(program.goroutine).unwrap().give_to(0xdead_0000);
    assert_eq!(program.end(function, 100, &[]), Err(Missed::NothingToDo));
    program.is_clean();
}

/// Each operation that begins makes room for its goroutine: where there is none at its end, it was forgotten.
#[test]
fn an_end_on_a_goroutine_that_is_not_known_is_counted() {
    let mut program = Program::new();
    let function = program.add(Function { tail: 1, ..Function::default() });
    let close = program.add(Function { flags: flag::ENDS_OBJECT, ..Function::default() });
    assert_eq!(program.end(function, 100, &[]), Err(Missed::Evicted));
    assert_eq!(program.end(close, 100, &[]), Err(Missed::NothingToDo));
    assert_eq!(program.hit(event::TAIL, 1, 100, &[]), Err(Missed::NothingToDo));
    // The hit is no end.
    program.process.recipes = vec![EMPTY_RECIPE];
    assert_eq!(program.end(function, 100, &[]), Err(Missed::NothingToDo));
    program.process.recipes = vec![at_ret()];
    program.process.settings.off.set(LAYER);
    assert_eq!(program.end(function, 100, &[]), Err(Missed::NothingToDo));
    program.is_clean();
}

/// Cookies with numbers that no plan has dealt out.
#[test]
fn unknown_numbers_do_nothing() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    program.started(function, 100, &[]);
    for event in 0..=255 {
        for number in [2, 1_000, 0xff_ffff] {
            let hit = program.hit(event, number, 200, &[]);
            let is_of_goroutine = matches!(event, event::PANIC | event::GOEXIT);
            assert!(hit == Err(Missed::NothingToDo) || is_of_goroutine, "{event} {number}: {hit:?}");
            program.process.take_records();
            if program.open() == 0 {
                program.started(function, 100, &[]);
            }
        }
    }
    program.ended(function, 100, &[]);
    program.is_clean();
}
