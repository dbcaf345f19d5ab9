//! Round trips on a goroutine that has one open already.

use super::*;

#[test]
fn a_request_within_a_round_trip_is_part_of_it() {
    on_each(|release, client| {
        let span = client.span(client.request("/", &[]).0);
        let (within, _) = client.request("/proxy", &[]);
        assert!(client.hit(event::START, [7, within, 7, 7, 7], STACK - 0x100) == Err(Missed::NothingToDo), "{release}");
        assert!(client.hit(event::END, [0; 5], STACK - 0x100) == Err(Missed::NothingToDo), "{release}");
        assert!(client.process.take_records().is_empty(), "{release}");
        assert_eq!(client.end(0, [0, 0]).span_id, span.span_id, "{release}");
    });
}

/// The goroutine's next request is at the same depth of its stack: the one that panicked has no end.
#[test]
fn a_round_trip_that_panicked_does_not_hide_the_next() {
    on_each(|release, client| {
        let first = client.span(client.request("/", &[]).0);
        let second = client.span(client.request("/", &[]).0);
        assert_ne!(first.span_id, second.span_id, "{release}");
        assert_eq!(client.end(0, [0, 0]).span_id, second.span_id, "{release}");
    });
}
