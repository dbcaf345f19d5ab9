//! Operations that stay open when their function has returned, until their object ends on the same goroutine.

use super::*;

/// An object's address.
const OBJECT: u64 = 0xc0_1234_5000;

/// `func call() (object *T, err error)`, of which only a failure is told, and that it goes on elsewhere; and what ends its object.
struct Calls {
    program: Program,
    call: u32,
    finish: u32,
}

fn calls() -> Calls {
    let mut program = Program::new();
    let end = vec![
        results(1, 2),
        step(code::NOTE_ERROR, 0, 0),
        skipping(2, step(code::ERROR, 0, 0)),
        skipping(1, step(code::NOT_NIL, 0, 0)),
        step(code::CAPTURE_VALUE, 0, 1_024),
    ];
    let call = program.add(Function { end, flags: flag::HAS_OBJECT | flag::STAYS, ..Function::default() });
    let begin = vec![words(1, 1), step(code::REQUIRE, 0, 0), words(0, 0), step(code::NOTE_OBJECT, 0, 0)];
    let start = vec![words(2, 2), step(code::CAPTURE_WORD, 1, 0)];
    let flags = flag::ENDS_OBJECT | flag::MAY_BE_EARLY;
    let finish = program.add(Function { begin, start, flags, ..Function::default() });
    Calls { program, call, finish }
}

impl Calls {
    /// A call begins, and its object is noted.
    fn began(&self, depth: u64, object: u64) -> [u8; 8] {
        let start = self.program.started(self.call, depth, &[]);
        let innermost = self.program.open() - 1;
        self.program.process.frame(frames::key(self.program.goroutine, innermost)).unwrap().object.set(object);
        start.span.span_id
    }

    fn finish(&self, depth: u64, object: u64, is_finished: u64) -> Done {
        self.program.hit(event::CLOSE, self.finish, depth, &[object, is_finished, 42])
    }
}

/// Nothing is hit where its function returns: it ends with its object.
#[test]
fn what_stays_open_ends_with_its_object() {
    let mut calls = calls();
    let function = calls.program.add(Function::default());
    let span = calls.began(100, OBJECT);
    let inner = calls.program.started(function, 150, &[]);
    assert_eq!(inner.parent(), u64::from_ne_bytes(span), "what it does until then belongs to it");
    calls.program.ended(function, 150, &[]);
    calls.finish(200, OBJECT, 0).unwrap();
    let end = calls.program.event(kind::OPERATION_END);
    assert_eq!((end.span_id, end.object, end.operation, &end.values), (span, OBJECT, calls.finish, &vec![Value::word(1, 42)]));
    assert_eq!((calls.finish(200, OBJECT, 1), calls.program.open()), (Err(Missed::NothingToDo), 0));
    calls.program.is_clean();
}

/// An object of another one says nothing of it; nor does one that has not been noted.
#[test]
fn what_stays_open_does_not_end_with_another_object() {
    let calls = calls();
    calls.began(100, OBJECT);
    assert_eq!(calls.finish(200, OBJECT + 8, 0), Err(Missed::NothingToDo));
    assert_eq!(calls.program.open(), 1);
    calls.began(150, 0);
    assert_eq!(calls.finish(200, OBJECT, 0), Err(Missed::NothingToDo), "that of the one around, which has not come so far");
    assert_eq!(calls.program.open(), 2);
    // Further out, what was within it has been unwound.
    calls.finish(140, OBJECT, 0).unwrap();
    let kinds: Vec<u32> = calls.program.process.take_records().iter().map(|record| kind_of(record)).collect();
    assert_eq!((kinds, calls.program.open()), (vec![kind::OPERATION_UNWOUND, kind::OPERATION_END], 0));
    calls.program.is_clean();
}

/// It goes on elsewhere: then it is known by its object alone.
#[test]
fn what_stayed_open_may_go_on_elsewhere() {
    let mut calls = calls();
    let span = calls.began(100, OBJECT);
    calls.program.end(calls.call, 120, &[0, 0, 0]).unwrap();
    let returned = calls.program.event(kind::OPERATION_RETURNED);
    assert_eq!((returned.span_id, returned.object, calls.program.open()), (span, OBJECT, 0));
    let other = calls.program.new_goroutine(2);
    calls.program.goroutine = other;
    calls.finish(300, OBJECT, 0).unwrap();
    assert_eq!(calls.program.event(kind::OPERATION_END).span_id, span);
    calls.program.is_clean();
}

/// Its failure ends it, whether it had its object by then or not.
#[test]
fn what_stays_open_may_fail() {
    let calls = calls();
    for object in [0, OBJECT] {
        let span = calls.began(100, object);
        calls.program.end(calls.call, 120, &[0, 0x4e_0000, 0xc0_0000_7000]).unwrap();
        let end = calls.program.event(kind::OPERATION_END);
        assert_eq!((end.span_id, end.operation, calls.program.open()), (span, calls.call, 0));
        assert_eq!(calls.program.process.objects.len(), 0);
    }
    calls.program.is_clean();
}

/// What is not sampled is counted, and what the launcher does not know of is not reported.
#[test]
fn what_stays_open_without_a_record() {
    let calls = calls();
    calls.began(100, OBJECT);
    calls.program.process.frame(frames::key(calls.program.goroutine, 0)).unwrap().is_reported.set(0);
    assert_eq!((calls.finish(200, OBJECT, 0), calls.program.open()), (Err(Missed::NothingToDo), 0));
    calls.program.is_clean();
    calls.program.process.settings.threshold.set(0);
    calls.program.begin(calls.call, 100, &[]).unwrap();
    calls.program.process.frame(frames::key(calls.program.goroutine, 0)).unwrap().object.set(OBJECT);
    assert_eq!((calls.finish(200, OBJECT, 0), calls.program.open()), (Err(Missed::NothingToDo), 0));
    assert_eq!(calls.program.process.unsampled.borrow().len(), 1);
}
