//! What a span has of all that was said of it.

use std::time::UNIX_EPOCH;

use opentelemetry::trace::TraceState;

use super::*;

#[test]
fn a_status_is_not_taken_back() {
    let status = |all: &[Status]| {
        let mut span = crate::instrumentations::identity::open_span(
            opentelemetry::trace::SpanKind::Server,
            &bpf::records::SpanIdentity::NONE,
            TraceState::default(),
            crate::instrumentations::identity::scope("test"),
            UNIX_EPOCH,
        );
        let mut changes = Changes::default();
        all.iter().cloned().for_each(|status| changes.add(Change::Status(status), &Limits::DEFAULT));
        changes.apply(&mut span);
        span.status
    };
    assert_eq!(status(&[Status::error("a"), Status::error("b")]), Status::error("b"));
    assert_eq!(status(&[Status::Ok, Status::error("b")]), Status::Ok);
    assert_eq!(status(&[Status::error("a"), Status::Unset]), Status::error("a"));
}

/// A stream may be open for days.
#[test]
fn what_is_kept_has_limits() {
    let limits = Limits { span_attributes: 2, span_events: 1, ..Limits::DEFAULT };
    let mut changes = Changes::default();
    for number in 0..5 {
        changes.add(Change::Attributes(vec![KeyValue::new(format!("k{number}"), number), KeyValue::new("k0", number)]), &limits);
        changes.add(Change::Event(Event::with_name("e")), &limits);
    }
    assert_eq!((changes.attributes.len(), changes.dropped_attributes), (2, 3));
    assert_eq!(changes.attributes[0], KeyValue::new("k0", 4));
    assert_eq!((changes.events.len(), changes.dropped_events), (1, 4));
}
