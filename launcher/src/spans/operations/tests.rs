//! How operations end that do not return.

use std::time::SystemTime;

use bpf::records::SpanIdentity;
use bpf::records::operation::{OperationEvent, OperationStart};
use bytemuck::Zeroable as _;

use super::*;
use crate::captured::Named;
use crate::expression::ValueKind;
use crate::spans::failures::UNFINISHED;

const GOROUTINE: u64 = 0xc0_0001;
const TYPE: u64 = 0x50_0000;
/// Under this name a text is captured at the start, and shown.
const TEXT: &str = "text";

/// A program with one type.
struct OneType;

impl TypeNames for OneType {
    fn type_name(&self, address: u64) -> Option<String> {
        (address == TYPE).then(|| "*shop.Refused".to_owned())
    }

    fn constant(&self, _address: u64, _length: u64) -> Option<Vec<u8>> {
        None
    }
}

/// What is open, with one operation that is known.
struct Program {
    open: OpenOperations,
    names: Names<OneType>,
}

impl Program {
    fn new() -> Self {
        let about = About {
            library: "functions",
            function: "main.f".to_owned(),
            kind: SpanKind::Internal,
            lasts: false,
            span: |captured, span| span.attributes.extend(captured.texts(TEXT).map(|text| KeyValue::new(TEXT, text.to_owned()))),
            captures: [vec![Named { name: TEXT.into(), kind: ValueKind::Text }], Vec::new()],
            known: 0..0,
        };
        let open = OpenOperations::new(vec![None, Some(Arc::new(about))], Limits::DEFAULT, Database::default());
        Self { open, names: Names::new(OneType) }
    }

    /// One begins, at this level and at this time, which is its span id too.
    fn start(&mut self, level: u32, time: u8) {
        self.start_with(level, time, Vec::new());
    }

    /// The same, with what was captured.
    fn start_with(&mut self, level: u32, time: u8, values: Vec<RawValue<'_>>) {
        let span = SpanIdentity { trace_id: [1; 16], span_id: [time; 8], ..SpanIdentity::NONE };
        let head =
            OperationStart { time: time.into(), span, goroutine: GOROUTINE, operation: 1, level, ..OperationStart::zeroed() };
        let clock = WallClock::at(SystemTime::UNIX_EPOCH, 0);
        self.open.start(&OperationStarted { head, values }, &clock, &mut self.names);
    }

    /// Something happens at this time; the spans that end, by their ids: when, and with which `error.type`.
    fn event(&mut self, what: Happened, span: u8, time: u64, value: &[u8]) -> Vec<(u8, u128, Option<String>)> {
        let head = OperationEvent { time, span_id: [span; 8], goroutine: GOROUTINE, operation: 1, ..OperationEvent::zeroed() };
        let values = vec![RawValue { number: 0, bytes: value, is_cut: false, is_unread: false }];
        let mut ended = Vec::new();
        self.open.event(&OperationHappened { what, head, values }, &mut self.names, &mut |span| ended.push(of(span)));
        ended.sort();
        ended
    }
}

/// Which span, when it ended, and with which `error.type`.
fn of(span: &SpanData) -> (u8, u128, Option<String>) {
    let error = span.attributes.iter().find(|attribute| attribute.key.as_str() == semconv::ERROR_TYPE);
    let end = span.end_time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    (span.span_context.span_id().to_bytes()[0], end, error.map(|attribute| attribute.value.to_string()))
}

/// The value of a panic: an interface of this type.
fn value(type_address: u64) -> [u8; 32] {
    bytemuck::cast([type_address, 0, 0, 0])
}

/// Whose memory they take, whatever was captured of that.
#[test]
fn nothing_of_an_operation_is_left_in_the_next_ones() {
    let mut program = Program::new();
    let mut shown = Vec::new();
    for (time, text) in [(10, &b"first"[..]), (20, b""), (30, b"third")] {
        let value = RawValue { number: 0, bytes: text, is_cut: false, is_unread: false };
        program.start_with(0, time, if text.is_empty() { Vec::new() } else { vec![value] });
        let head = OperationEvent { time: 90, span_id: [time; 8], operation: 1, ..OperationEvent::zeroed() };
        let ended = OperationHappened { what: Happened::Ended, head, values: Vec::new() };
        program.open.event(&ended, &mut program.names, &mut |span| {
            shown.push(span.attributes.iter().map(|attribute| attribute.value.to_string()).collect::<Vec<_>>());
        });
    }
    assert_eq!(shown, [vec!["first".to_owned()], vec![], vec!["third".to_owned()]]);
}

#[test]
fn what_a_panic_has_unwound_ends_with_it() {
    let mut program = Program::new();
    program.start(0, 10);
    program.event(Happened::Panicked, 0, 20, &value(TYPE));
    // What deferred functions do.
    program.start(1, 30);
    assert_eq!(program.event(Happened::Ended, 30, 40, &[]), [(30, 40, None)]);
    assert_eq!(program.event(Happened::Unwound, 0, 9_000, &[]), [(10, 40, Some("*shop.Refused".to_owned()))]);
}

/// Of an operation whose object ends before its function returns, whichever is told first.
#[test]
fn what_ends_early_ends_then() {
    for (first, second) in [(Happened::Ended, Happened::Returned), (Happened::Returned, Happened::Ended)] {
        let mut program = Program::new();
        // Another one at the same address, long ago.
        program.event(Happened::Ended, 0, 5, &[]);
        program.start(0, 10);
        let mut ended = Vec::new();
        for what in [first, second] {
            let (span, time) = if what == Happened::Ended { (0, 20) } else { (10, 30) };
            ended.extend(program.event(what, span, time, &[]));
        }
        assert_eq!(ended, [(10, 20, None)]);
        assert_eq!((program.open.len(), program.open.objects.len(), program.open.early.len()), (0, 0, 0));
    }
}

/// As the process ends, or when there are too many.
#[test]
fn what_a_panic_has_unwound_ends_with_it_where_nothing_shows_it() {
    let mut program = Program::new();
    program.start(0, 10);
    program.event(Happened::Panicked, 0, 20, &value(TYPE));
    let mut closed = Vec::new();
    program.open.close_before(u64::MAX, 9_000, &mut closed);
    assert_eq!(closed.iter().map(of).collect::<Vec<_>>(), [(10, 20, Some("*shop.Refused".to_owned()))]);
}

#[test]
fn what_is_not_known_is_not_said() {
    let mut program = Program::new();
    program.start(0, 10);
    assert_eq!(program.event(Happened::Unwound, 0, 50, &[]), [(10, 50, Some(UNFINISHED.to_owned()))], "nothing was seen");
    // `panic(nil)`, or one whose value was not read.
    for unread in [&value(0)[..], &[]] {
        program.start(0, 10);
        program.event(Happened::Panicked, 0, 20, unread);
        assert_eq!(program.event(Happened::Unwound, 0, 50, &[]), [(10, 20, Some("unknown".to_owned()))]);
    }
    // What somebody has recovered from before ends nothing.
    program.start(0, 10);
    program.event(Happened::Panicked, 0, 20, &value(TYPE));
    assert_eq!(program.event(Happened::Exited, 0, 50, &[]), [(10, 50, Some("runtime.Goexit".to_owned()))]);
}
