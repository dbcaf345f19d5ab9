//! Requests one after the other on a goroutine, and on several at once.

use super::*;

#[test]
fn a_reused_goroutine_begins_anew() {
    on_each(|release, server| {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        let headers = [("Traceparent", valid.as_str()), ("User-Agent", "a"), ("X-Forwarded-For", "b"), ("Tracestate", "c=d")];
        let first = server.start(&GoRequest { tls: true, ..GoRequest::default() }.with(headers));
        server.end();
        let second = server.start(&GoRequest { pattern: String::new(), ..GoRequest::default() });
        assert_ne!(first.span.span_id, second.span.span_id, "{release}");
        assert_ne!(hex(&second.span.trace_id), TRACE);
        assert_eq!((second.span.parent_span_id, second.span.parent_is_remote, second.tls), ([0; 8], 0, 0));
        assert!(second.texts[server_text::USER_AGENT..].iter().all(|(text, _)| text.is_empty()), "{release}");
        let end = server.end();
        assert_eq!((end.span_id, end.pattern.as_str()), (second.span.span_id, ""));
    });
}

/// An operation whose end was never seen; the next start on its goroutine cannot be read.
#[test]
fn what_was_left_open_does_not_end_with_another_request() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        assert_eq!(server.hit(event::START_HANDLER, [0, 0, 0, 0xdead_0000, 0], 1500), Err(Missed::Fault));
        assert_eq!(end(server.at(0, [0; 5], 2000)), Err(Missed::NothingToDo));
        assert!(server.process.take_records().is_empty());
    });
}

#[test]
fn goroutines_do_not_share_anything() {
    on_each(|_release, mut server| {
        let one = server.start(&GoRequest::default());
        let (first, second) = (server.goroutine, server.process.goroutine_struct());
        server.goroutine = second;
        let other = server.start(&with_traceparent(&format!("00-{TRACE}-{PARENT}-01")));
        assert_ne!(one.span.trace_id, other.span.trace_id);
        server.goroutine = first;
        assert_eq!(server.end().span_id, one.span.span_id);
        server.goroutine = second;
        assert_eq!(server.end().span_id, other.span.span_id);
    });
}
