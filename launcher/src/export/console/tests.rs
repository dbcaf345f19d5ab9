//! From spans to text.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use opentelemetry_semantic_conventions::attribute;

use super::draw::tests::line;
use super::line::Mood;
use super::*;

fn span(name: &'static str, attributes: Vec<KeyValue>) -> SpanData {
    SpanData {
        span_context: SpanContext::new(TraceId::from(1), SpanId::from(2), TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::from(9),
        parent_span_is_remote: true,
        span_kind: SpanKind::Server,
        name: Cow::Borrowed(name),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH + Duration::from_millis(3),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

#[test]
fn key_attributes_are_shown_and_the_name_is_not_repeated() {
    let attributes = vec![
        KeyValue::new(attribute::HTTP_REQUEST_METHOD, "GET"),
        KeyValue::new(attribute::URL_PATH, "/items/7"),
        KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, 404),
    ];
    let line = Line::new(&"shop".into(), &span("GET /items/{id}", attributes));
    assert_eq!((line.details.as_str(), line.mood), ("404 /items/7", Mood::Doubtful));
    assert!(line.is_local_root, "its parent is remote");
}

#[test]
fn the_reason_of_a_failure_is_found() {
    let mut failed = span("GET", vec![KeyValue::new(attribute::ERROR_TYPE, "500")]);
    failed.status = Status::error("");
    assert_eq!(Line::new(&"shop".into(), &failed).error.as_deref(), Some("500"));
    let exception = vec![KeyValue::new(attribute::EXCEPTION_TYPE, "string"), KeyValue::new(attribute::EXCEPTION_MESSAGE, "boom")];
    let mut events = SpanEvents::default();
    events.events.push(Event::new("exception", SystemTime::UNIX_EPOCH, exception, 0));
    failed.events = events;
    assert_eq!(Line::new(&"shop".into(), &failed).error.as_deref(), Some("string: boom"));
    failed.status = Status::error("panic: boom");
    assert_eq!(Line::new(&"shop".into(), &failed).error.as_deref(), Some("panic: boom"));
}

#[test]
fn nothing_of_a_span_drives_the_terminal() {
    assert_eq!(printable("a\x1b[2J\r\nb\u{202e}c\u{9b}"), "a\\u{1b}[2J\\r\\nb\\u{202e}c\\u{9b}");
    assert_eq!(printable(&"x".repeat(1000)).len(), 200);
}

#[test]
fn what_is_left_out_is_not_waited_for() {
    let (mut gathering, begin) = (Gathering::default(), Instant::now());
    let trace = TraceId::from(7);
    gathering.open(trace, begin);
    gathering.leave_out(trace);
    assert!(gathering.is_empty(), "a trace of nothing else");
    gathering.open(trace, begin);
    gathering.open(trace, begin);
    gathering.leave_out(trace);
    assert!(!gathering.is_empty(), "one is still open");
    gathering.leave_out(TraceId::from(77));
}

#[test]
fn a_trace_is_complete_when_its_root_has_ended_and_nothing_is_open() {
    let begin = Instant::now();
    let later = |millis| begin + Duration::from_millis(millis);
    let root = line(1, 0, "root", 0, 10);
    let mut gathering = Gathering::default();
    gathering.open(root.trace, begin);
    gathering.open(root.trace, begin);
    gathering.add(line(2, 1, "child", 0, 5), begin);
    assert!(gathering.complete(later(1000)).is_empty(), "the root has not ended");
    gathering.open(root.trace, later(1000));
    gathering.add(root.clone(), later(1000));
    assert!(gathering.complete(later(9000)).is_empty(), "a goroutine goes on");
    gathering.add(line(3, 1, "late child", 0, 5), later(9000));
    assert!(gathering.complete(later(9001)).is_empty(), "the grace period");
    let complete = gathering.complete(later(9500));
    assert_eq!(complete.len(), 1);
    assert_eq!(complete[0].lines.len(), 3);
    assert!(gathering.is_empty());
    gathering.add(line(4, 1, "very late", 0, 5), later(9600));
    assert_eq!(gathering.complete(later(9900)).len(), 1, "its root was drawn already");
}

#[test]
fn memory_is_bounded() {
    let now = Instant::now();
    let mut gathering = Gathering::default();
    for id in 0..30_000_u64 {
        let mut line = line(id + 1, 1, "child", 0, 5);
        line.trace = TraceId::from(u128::from(id / 1000 + 1));
        gathering.add(line, now + Duration::from_micros(id));
        gathering.complete(now + Duration::from_micros(id));
    }
    let rest = gathering.rest();
    assert!(rest.iter().map(|trace| trace.lines.len()).sum::<usize>() <= 10_001);
    assert!(rest.iter().all(|trace| trace.more == 500));
}

#[test]
fn everything_is_drawn_at_the_end() {
    let (sender, receiver) = sync_channel(8);
    sender.send(Message::Ended(line(2, 1, "without a root", 0, 5))).unwrap();
    sender.send(Message::Ended(line(3, 2, "its child", 1, 2))).unwrap();
    drop(sender);
    let mut out = Vec::new();
    run(&receiver, &Style { width: 72, has_colour: false }, &mut out);
    let expected = "\
trace 4bf92f35 · shop · 5.00 ms · 2 spans
without a root client ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   5.00 ms
└─ its child   client       ━━━━━━━                       1.00 ms
";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn the_environment_decides_on_colours() {
    let with = |terminal, set: &'static [(&str, &str)]| {
        has_colour(terminal, |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    };
    assert!(with(true, &[]) && !with(false, &[]));
    assert!(!with(true, &[("NO_COLOR", "1")]) && with(true, &[("NO_COLOR", "")]));
    assert!(with(false, &[("CLICOLOR_FORCE", "1")]) && !with(false, &[("CLICOLOR_FORCE", "0")]));
    assert!(!with(true, &[("TERM", "dumb")]));
}
