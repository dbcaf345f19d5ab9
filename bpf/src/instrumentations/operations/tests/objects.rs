//! Operations that go on until their objects end, annotations of what is around, and captures at each of these.

use super::*;

/// An object's address, and where the stack stands when it is made and closed.
const OBJECT: u64 = 0xc0_1234_5000;

/// `func query() (object *T, err error)`, and `func (object *T) Close()` that ends it at its start, or at its end.
struct Rows {
    program: Program,
    query: u32,
    close: u32,
    closing: u32,
}

fn rows() -> Rows {
    let mut program = Program::new();
    let query = program.add(Function {
        end: vec![
            results(1, 2),
            step(code::NOTE_ERROR, 0, 0),
            results(0, 0),
            step(code::NOTE_OBJECT, 0, 0),
            step(code::CAPTURE_WORD, 0, 0),
            skipping(2, step(code::ERROR, 0, 0)),
            skipping(1, step(code::NOT_NIL, 0, 0)),
            step(code::CAPTURE_VALUE, 1, 1_024),
        ],
        flags: flag::HAS_OBJECT,
        ..Function::default()
    });
    let object = vec![words(0, 0), step(code::NOTE_OBJECT, 0, 0)];
    let start = vec![words(1, 1), step(code::CAPTURE_WORD, 2, 0)];
    let close = program.add(Function { begin: object.clone(), start, ..Function::default() });
    let end = vec![results(0, 0), step(code::CAPTURE_WORD, 3, 0), step(code::OBJECT, 0, 0), step(code::CAPTURE_WORD, 4, 0)];
    let closing = program.add(Function { begin: object, end, flags: flag::ENDS_OBJECT, ..Function::default() });
    Rows { program, query, close, closing }
}

impl Rows {
    /// A query begins, and returns this object.
    fn returned(&self, object: u64) -> [u8; 8] {
        let Self { program, query, .. } = self;
        let start = program.started(*query, 100, &[]);
        program.end(*query, 100, &[object, 0, 0]).unwrap();
        let returned = program.event(kind::OPERATION_RETURNED);
        assert_eq!((returned.span_id, returned.object, returned.operation), (start.span.span_id, object, *query));
        assert_eq!(returned.values[0], Value::word(0, object));
        start.span.span_id
    }

    fn close(&self, object: u64) -> Done {
        self.program.hit(event::CLOSE, self.close, 300, &[object, 42])
    }

    fn closing(&self, object: u64, depth: u64) -> Done {
        self.program.hit(event::CLOSING, self.closing, depth, &[object])
    }
}

#[test]
fn an_object_that_is_closed_at_the_start_of_a_function() {
    let mut rows = rows();
    let span = rows.returned(OBJECT);
    assert_eq!(rows.program.process.objects.len(), 1);
    // On another goroutine, that has done nothing yet.
    let other = rows.program.new_goroutine(2);
    let own = std::mem::replace(&mut rows.program.goroutine, other);
    rows.close(OBJECT).unwrap();
    let end = rows.program.event(kind::OPERATION_END);
    assert_eq!((end.span_id, end.object, end.operation), (span, OBJECT, rows.close));
    assert_eq!((end.goroutine, &end.values), (rows.program.goroutine, &vec![Value::word(2, 42)]));
    for object in [OBJECT, OBJECT + 8, 0] {
        assert_eq!(rows.close(object), Err(Missed::NothingToDo), "once more, or never opened");
    }
    rows.program.is_clean();
    rows.program.goroutine = own;
    rows.program.is_clean();
}

#[test]
fn an_object_that_is_closed_at_the_end_of_a_function() {
    let rows = rows();
    let program = &rows.program;
    let user = program.process.operations.len();
    assert_eq!(user, 4);
    let span = rows.returned(OBJECT);
    rows.closing(OBJECT, 300).unwrap();
    assert_eq!((program.open(), program.process.objects.len()), (1, 0));
    assert!(program.process.take_records().is_empty(), "it ends later");
    // It closes itself once more, within.
    assert_eq!(rows.closing(OBJECT, 400), Err(Missed::NothingToDo));
    assert_eq!(program.end(rows.closing, 400, &[5]).err(), None, "whichever ends first: one is open");
    let end = program.event(kind::OPERATION_END);
    assert_eq!((end.span_id, end.object, end.operation), (span, OBJECT, rows.closing));
    assert_eq!(end.values, [Value::word(3, 5), Value::word(4, OBJECT)]);
    assert_eq!(program.end(rows.closing, 300, &[5]), Err(Missed::NothingToDo));
    program.is_clean();
}

/// While an object is closed, what is called belongs to its operation.
#[test]
fn what_is_called_while_an_object_is_closed() {
    let mut rows = rows();
    let function = rows.program.add(Function::default());
    let outer = rows.program.started(function, 50, &[]);
    let span = rows.returned(OBJECT);
    rows.closing(OBJECT, 300).unwrap();
    let inner = rows.program.started(function, 400, &[]);
    assert_eq!((inner.parent(), inner.level), (u64::from_ne_bytes(span), 2));
    rows.program.ended(function, 400, &[]);
    rows.program.ended(rows.closing, 300, &[]);
    assert_eq!(rows.program.ended(function, 50, &[]).span_id, outer.span.span_id);
    rows.program.is_clean();
}

/// Nothing is propagated within it that came with another request, whose operation used the same scratch memory before.
#[test]
fn closing_propagates_nothing_of_others() {
    let rows = rows();
    rows.returned(OBJECT);
    rows.closing(OBJECT, 300).unwrap();
    let frame = rows.program.process.frame(frames::key(rows.program.goroutine, 0)).unwrap();
    assert_eq!(frame.texts.get(), 0);
    rows.program.ended(rows.closing, 300, &[]);
    rows.program.is_clean();
}

/// What came with the request that the operation is done for is propagated wherever that goes on.
#[test]
fn texts_stay_with_the_object() {
    let Rows { program, query, closing, .. } = rows();
    program.started(query, 100, &[]);
    let frame = program.process.frame(frames::key(program.goroutine, 0)).unwrap();
    frame.texts.set(7);
    program.end(query, 100, &[OBJECT, 0, 0]).unwrap();
    program.event(kind::OPERATION_RETURNED);
    program.hit(event::CLOSING, closing, 300, &[OBJECT]).unwrap();
    let frame = program.process.frame(frames::key(program.goroutine, 0)).unwrap();
    assert_eq!(frame.texts.get(), 7);
    program.ended(closing, 300, &[]);
    program.is_clean();
}

/// An object may end before the function has returned in which its operation began: on another goroutine, for its own returns none then.
#[test]
fn what_ends_early_is_told_by_its_object() {
    let mut program = Program::new();
    let query = program.add(Function {
        // The second result says whether it has ended.
        end: vec![results(0, 0), step(code::NOTE_OBJECT, 0, 0), results(1, 1), step(code::REQUIRE, 0, 0)],
        flags: flag::HAS_OBJECT,
        ..Function::default()
    });
    let close = program.add(Function {
        begin: vec![words(0, 0), step(code::NOTE_OBJECT, 0, 0)],
        flags: flag::ENDS_OBJECT | flag::MAY_BE_EARLY,
        ..Function::default()
    });
    program.started(query, 100, &[]);
    assert_eq!(program.hit(event::CLOSE, close, 300, &[OBJECT]), Err(Missed::NothingToDo), "on its goroutine");
    let own = program.goroutine;
    program.goroutine = program.new_goroutine(2);
    program.hit(event::CLOSE, close, 300, &[OBJECT]).unwrap();
    let early = program.event(kind::OPERATION_END);
    assert_eq!((early.span_id, early.object), ([0; 8], OBJECT));
    program.goroutine = own;
    program.end(query, 100, &[OBJECT, 1]).unwrap();
    assert_eq!(program.event(kind::OPERATION_RETURNED).object, OBJECT);
    program.is_clean();
}

/// `func (object *T) next() (err error)`, within which the operation goes on, and ends where that returns an error; another one where it
/// ends in any case.
#[test]
fn what_is_resumed_may_end_there() {
    let mut rows = rows();
    let next = |flags: u32| Function {
        begin: vec![words(0, 0), step(code::NOTE_OBJECT, 0, 0)],
        end: vec![results(0, 1), step(code::NOTE_ERROR, 0, 0), step(code::OBJECT, 0, 0), step(code::CAPTURE_WORD, 4, 0)],
        flags: flag::RESUMES | flag::HAS_OBJECT | flags,
        ..Function::default()
    };
    let (reads, closes) = (rows.program.add(next(0)), rows.program.add(next(flag::ENDS_OBJECT)));
    let span = rows.returned(OBJECT);
    let program = &rows.program;
    let resumed = |function: u32, results: &[u64]| {
        program.resume(function, 300, OBJECT).unwrap();
        assert_eq!(program.open(), 1);
        program.end(function, 300, results)
    };
    assert_eq!(resumed(reads, &[0, 0]), Err(Missed::NothingToDo), "it goes on");
    assert_eq!(resumed(reads, &[7, 7]), Ok(()));
    let end = program.event(kind::OPERATION_END);
    assert_eq!((end.span_id, end.operation, &end.values), (span, reads, &vec![Value::word(4, OBJECT)]));
    assert_eq!(program.resume(closes, 300, OBJECT), Err(Missed::NothingToDo), "it has ended");
    let span = rows.returned(OBJECT);
    assert_eq!(resumed(closes, &[0, 0]), Ok(()));
    assert_eq!(program.event(kind::OPERATION_END).span_id, span);
    program.is_clean();
}

#[test]
fn with_an_error_there_is_no_object() {
    let rows = rows();
    let program = &rows.program;
    let [text, length] = program.process.string("bad");
    let error = program.interface(0x4444, &[text, length, 0]);
    for object in [OBJECT, 0] {
        program.started(rows.query, 100, &[]);
        let end = program.ended(rows.query, 100, &[object, error[0], error[1]]);
        assert_eq!((end.values.len(), end.values[1].number), (2, 1));
        assert!(end.values[1].bytes.ends_with(b"bad"));
    }
    // Neither an object nor an error.
    program.started(rows.query, 100, &[]);
    program.ended(rows.query, 100, &[0, 0, 0]);
    assert_eq!(rows.close(OBJECT), Err(Missed::NothingToDo));
    program.is_clean();
}

/// Go gives the address of an object that was never closed to another one: the later operation is the one that ends.
#[test]
fn an_address_is_used_again() {
    let rows = rows();
    let spans: Vec<[u8; 8]> = (0..3).map(|_| rows.returned(OBJECT)).collect();
    rows.close(OBJECT).unwrap();
    assert_eq!(rows.program.event(kind::OPERATION_END).span_id, spans[2]);
    assert_eq!(rows.close(OBJECT), Err(Missed::NothingToDo));
    rows.program.is_clean();
}

/// The kernel has given the memory to another object meanwhile.
#[test]
fn an_object_whose_memory_is_anothers_is_lost_and_counted() {
    let rows = rows();
    rows.returned(OBJECT);
    let open = rows.program.process.object(OBJECT).unwrap();
    open.span.set(&span(9), OBJECT + 0x40);
    assert_eq!(rows.close(OBJECT), Err(Missed::Evicted));
    assert_eq!(rows.closing(OBJECT, 300), Err(Missed::Evicted));
    assert_eq!(rows.program.open(), 0);
}

#[test]
fn a_condition_of_a_close() {
    let mut rows = rows();
    let begin = vec![words(1, 1), step(code::REQUIRE, 0, 7), words(0, 0), step(code::NOTE_OBJECT, 0, 0)];
    let close = rows.program.add(Function { begin, ..Function::default() });
    rows.returned(OBJECT);
    assert_eq!(rows.program.hit(event::CLOSE, close, 300, &[OBJECT, 6]), Err(Missed::NothingToDo));
    rows.program.hit(event::CLOSE, close, 300, &[OBJECT, 7]).unwrap();
    rows.program.event(kind::OPERATION_END);
    rows.program.is_clean();
}

/// A panic unwinds the function that closes: the operation ends as that.
#[test]
fn closing_that_is_unwound() {
    let rows = rows();
    rows.returned(OBJECT);
    rows.closing(OBJECT, 300).unwrap();
    rows.program.hit(event::GOEXIT, 0, 500, &[]).unwrap();
    assert_eq!(rows.program.event(kind::OPERATION_GOEXIT).level, 0);
    assert_eq!(rows.program.end(rows.closing, 300, &[]), Err(Missed::NothingToDo));
    rows.program.is_clean();
}

#[test]
fn annotations_are_about_what_is_around() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let annotation = program.add(Function { start: vec![words(0, 0), step(code::CAPTURE_WORD, 6, 0)], ..Function::default() });
    let annotated = |program: &Program| {
        program.hit(event::ANNOTATE, annotation, 500, &[11]).unwrap();
        let event = program.event(kind::OPERATION_ANNOTATED);
        assert_eq!((event.operation, &event.values), (annotation, &vec![Value::word(6, 11)]));
        event.span_id
    };
    assert_eq!(program.hit(event::ANNOTATE, annotation, 500, &[11]), Err(Missed::NothingToDo), "a goroutine without anything");
    program.serve(0xc0_5000, &span(1));
    assert_eq!(annotated(&program), [1; 8]);
    let outer = program.started(function, 100, &[]);
    assert_eq!(annotated(&program), outer.span.span_id);
    let inner = program.started(function, 200, &[]);
    assert_eq!(annotated(&program), inner.span.span_id);
    program.ended(function, 200, &[]);
    assert_eq!(annotated(&program), outer.span.span_id);
    program.ended(function, 100, &[]);
    assert_eq!(annotated(&program), [1; 8]);
    program.is_clean();
    program.process.goroutine(program.goroutine).unwrap().close(&program.process, 0);
    assert_eq!(program.hit(event::ANNOTATE, annotation, 500, &[11]), Err(Missed::NothingToDo));
}

/// A middleware recovers from a panic, and then says what the request was: not of what was unwound.
#[test]
fn annotations_are_not_about_what_was_unwound() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let annotation = program.add(Function::default());
    program.serve(0xc0_5000, &span(1));
    program.started(function, 300, &[]);
    program.hit(event::ANNOTATE, annotation, 200, &[]).unwrap();
    let records = program.process.take_records();
    let kinds: Vec<u32> = records.iter().map(|record| kind_of(record)).collect();
    assert_eq!(kinds, [kind::OPERATION_UNWOUND, kind::OPERATION_ANNOTATED]);
    assert_eq!(decode::<OperationEvent>(&records[1]).span_id, [1; 8]);
    program.is_clean();
}

#[test]
fn what_is_not_sampled_is_not_annotated() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    program.process.settings.threshold.set(0);
    program.begin(function, 100, &[]).unwrap();
    assert_eq!(program.hit(event::ANNOTATE, function, 200, &[]), Err(Missed::NothingToDo));
    assert_eq!(program.end(function, 100, &[]), Err(Missed::NothingToDo));
    program.is_clean();
}

/// What is known by an address is captured again when the object there has ended: it may be given to another one.
#[test]
fn what_is_known_is_forgotten() {
    let mut rows = rows();
    let begin = vec![words(0, 0), step(code::NOTE_OBJECT, 0, 0)];
    let forget = rows.program.add(Function { begin, flags: flag::FORGETS, ..Function::default() });
    rows.returned(OBJECT);
    let process = &rows.program.process;
    let known = [OBJECT, OBJECT + 8].map(|key| process.is_known(key, 7));
    rows.program.hit(event::CLOSE, forget, 300, &[OBJECT]).unwrap();
    assert_eq!((known, [OBJECT, OBJECT + 8].map(|key| process.is_known(key, 8))), ([false; 2], [false, true]));
    rows.close(OBJECT).unwrap();
    rows.program.event(kind::OPERATION_END);
    rows.program.is_clean();
}

/// A router within a user's function that is a span: what it has found is about the request all the same.
#[test]
fn annotations_of_the_request_that_is_served() {
    let mut program = Program::new();
    let function = program.add(Function::default());
    let begin = vec![words(1, 1), step(code::REQUIRE, 1, 0)];
    let start = vec![step(code::OBJECT, 0, 0), step(code::CAPTURE_WORD, 0, 0), words(0, 0), step(code::NOT_NIL, 0, 0)];
    let flags = flag::IS_ANNOTATION | flag::ABOUT_SERVED;
    let annotation = program.add(Function { begin, start, flags, ..Function::default() });
    assert_eq!(program.hit(event::ANNOTATE, annotation, 500, &[1, 1]), Err(Missed::NothingToDo));
    program.serve(0xc0_5000, &span(1));
    let (_, served) = program.process.goroutine(program.goroutine).unwrap().served().unwrap();
    served.words[0].set(0xc0_7000);
    program.started(function, 100, &[]);
    program.hit(event::ANNOTATE, annotation, 500, &[1, 1]).unwrap();
    let event = program.event(kind::OPERATION_ANNOTATED);
    assert_eq!((event.span_id, event.level, &event.values), ([1; 8], 500, &vec![Value::word(0, 0xc0_7000)]));
    // The condition does not hold.
    assert_eq!(program.hit(event::ANNOTATE, annotation, 500, &[1, 0]), Err(Missed::NothingToDo));
    // Nothing is captured.
    let start = vec![words(0, 0), skipping(1, step(code::NOT_NIL, 0, 0)), step(code::CAPTURE_WORD, 0, 0)];
    let empty = program.add(Function { start, flags, ..Function::default() });
    assert_eq!(program.hit(event::ANNOTATE, empty, 500, &[0]), Err(Missed::NothingToDo));
    program.ended(function, 100, &[]);
    program.is_clean();
}
