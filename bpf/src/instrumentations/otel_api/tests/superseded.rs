//! The SDK begins spans of what has spans of ours.

use super::*;
use crate::instrumentations::otel_api::SUPERSEDED;
use crate::records::otel_api::Superseded;
use crate::trace::wrapped::span_kind;

/// Internal, and what is no kind, are not of an operation that is called or served.
const OTHERS: [u64; 4] = [0, 1, 6, u64::MAX];

impl Program {
    /// The SDK begins a span of this kind, for an instrumentation with this name.
    fn sdk_starts(&self, scope: &str, of_kind: u64, context: [u64; 2]) -> Option<[u8; 8]> {
        let tracer = self.process.memory.allocate(128);
        self.process.memory.write_words(tracer + SDK_SCOPE, &self.process.string(scope));
        let options = self.process.memory.allocate(128);
        self.process.memory.write_words(options + SDK_KIND, &[of_kind]);
        let done = self.hit(event::SDK_START, &[tracer, context[0], context[1], 7, 7, options]);
        let records = self.process.take_records();
        assert!(records.len() <= 1);
        assert_eq!(done, if records.is_empty() { Err(Missed::NothingToDo) } else { Ok(()) });
        records.first().map(|record| {
            assert_eq!(kind_of(record), kind::SUPERSEDED);
            let (head, rest): (Superseded, _) = decode(record);
            assert!(rest.is_empty());
            head.span_id
        })
    }
}

/// Whoever makes it, but for those of messages.
#[test]
fn a_span_of_a_server_takes_the_place_of_the_request() {
    let cases = [(span_kind::SERVER, "shop"), (span_kind::CONSUMER, WRAPPER), (span_kind::CONSUMER, OTHER_WRAPPER)];
    for (of_kind, scope) in cases {
        let program = Program::new();
        let by = program.process.goroutine_struct();
        let served = program.serve(by, &span(3));
        let context = program.cancel(served);
        for other in OTHERS.into_iter().chain([span_kind::CLIENT, span_kind::PRODUCER]) {
            assert_eq!(program.sdk_starts(scope, other, context), None, "{other}");
        }
        assert_eq!(program.sdk_starts("shop", span_kind::CONSUMER, context), None);
        assert_eq!(program.sdk_starts(scope, of_kind, [0, 0]), None);
        assert_eq!(
            program.sdk_starts(scope, of_kind, program.with_span(served, identity(4, 1, [0; 3], 0))),
            None,
            "it is within another"
        );
        let operation = program.process.goroutine(by).unwrap().active().unwrap();
        assert_eq!(operation.is_reported.get(), 1);
        // The program has extracted what came with the request.
        let context = program.with_span(served, identity(4, 1, [0; 3], 1));
        assert_eq!(program.sdk_starts(scope, of_kind, context), Some([3; 8]));
        assert_eq!(operation.is_reported.get(), SUPERSEDED);
        assert_eq!(program.sdk_starts(scope, of_kind, context), None, "it is told once");
        assert_eq!(operation.is_reported.get(), SUPERSEDED);
    }
}

/// The launcher does not know of it, or nothing is known of who serves it any more.
#[test]
fn what_is_not_reported_has_no_place() {
    let program = Program::new();
    let by = program.process.goroutine_struct();
    let served = program.serve(by, &span(3));
    let operation = program.process.goroutine(by).unwrap().active().unwrap();
    operation.is_reported.set(0);
    assert_eq!(program.sdk_starts(WRAPPER, span_kind::SERVER, served), None);
    assert_eq!(operation.is_reported.get(), 0);
    operation.is_reported.set(1);
    program.process.forget_context(served[1]);
    assert_eq!(program.sdk_starts(WRAPPER, span_kind::SERVER, served), None);
    crate::trace::answered::remember(&program.process, served[1], &span(3));
    assert_eq!(program.sdk_starts(WRAPPER, span_kind::SERVER, served), None);
    assert_eq!(operation.is_reported.get(), 1);
}

#[test]
fn it_takes_the_place_of_an_operation_of_a_table_that_serves() {
    let program = Program::new();
    let context = program.cancel([0, 0]);
    let outer = program.open(0, &span(5), 0);
    let frame = program.open(flag::SERVES, &span(3), context[1]);
    program.process.remember_context(context[1], frames::holder(program.goroutine, 1));
    assert_eq!(program.sdk_starts("shop", span_kind::SERVER, context), Some([3; 8]));
    assert_eq!((outer.is_reported.get(), frame.is_reported.get()), (1, SUPERSEDED));
    assert_eq!(program.sdk_starts("shop", span_kind::SERVER, context), None);
}

/// For an instrumentation of what has spans of ours, within a call that is the innermost operation here.
#[test]
fn a_span_of_a_client_takes_the_place_of_the_call_around() {
    for of_kind in [span_kind::CLIENT, span_kind::PRODUCER] {
        let program = Program::new();
        assert_eq!(program.sdk_starts(WRAPPER, of_kind, [0, 0]), None, "nothing is known of the goroutine");
        let outer = program.open(0, &span(5), 0);
        let frame = program.open(flag::IS_CLIENT, &span(3), 0);
        for other in OTHERS.into_iter().chain([span_kind::SERVER, span_kind::CONSUMER]) {
            assert_eq!(program.sdk_starts(WRAPPER, other, [0, 0]), None, "{other}");
        }
        // Among them one of another layer: a driver that makes requests within a call of a database.
        for scope in ["shop", "", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp2", OTHER_WRAPPER] {
            assert_eq!(program.sdk_starts(scope, of_kind, [0, 0]), None, "{scope}");
        }
        frame.operation.set(NO_CALL);
        assert_eq!(program.sdk_starts(WRAPPER, of_kind, [0, 0]), None, "it is no call");
        frame.operation.set(CALL);
        assert_eq!(program.sdk_starts(WRAPPER, of_kind, [0, 0]), Some([3; 8]));
        assert_eq!((outer.is_reported.get(), frame.is_reported.get()), (1, SUPERSEDED));
        assert_eq!(program.sdk_starts(WRAPPER, of_kind, [0, 0]), None, "it is told once");
        program.process.goroutine(program.goroutine).unwrap().set_frames(0);
        assert_eq!(program.sdk_starts(WRAPPER, of_kind, [0, 0]), None, "nothing is open");
    }
}
