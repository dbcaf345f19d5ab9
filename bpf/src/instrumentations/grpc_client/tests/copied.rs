//! Metadata that a proxy has copied from the call that it serves.

use super::*;
use crate::slots::drops;

/// A proxy hands on the metadata of the call that it serves.
#[test]
fn what_a_proxy_has_copied_is_not_its_own() {
    let (trace, parent) = ("09".repeat(16), "05".repeat(8));
    let (traceparent, single) = (format!("00-{trace}-{parent}-01"), format!("{trace}-{parent}-1"));
    let both = propagator::TRACE_CONTEXT | propagator::B3;
    let cases = [
        (propagator::TRACE_CONTEXT, &[("traceparent", &*traceparent)][..], drops::TRACE_PARENT),
        (propagator::B3, &[("b3", &single)], drops::B3),
        (propagator::B3_MULTI, &[("x-b3-traceid", &trace), ("x-b3-spanid", &parent), ("x-b3-sampled", "1")], drops::B3),
        (both, &[("traceparent", &traceparent)], drops::TRACE_PARENT | drops::B3),
    ];
    for (propagators, copied, dropped) in cases {
        for (served, is_copied) in [([5; 8], true), ([6; 8], false)] {
            let mut client = Client::calling(7, flag::INJECTS);
            client.process.propagators = Propagators(Setting::new(propagators.into()));
            let goroutine = client.process.goroutine_or_new(client.caller).unwrap();
            let served = SpanIdentity { trace_id: [9; 16], span_id: [1; 8], parent_span_id: served, ..SpanIdentity::NONE };
            goroutine.next().unwrap().span.set(&served, client.caller);
            goroutine.opened(0);
            let fields = client.fields(&[&PLAIN, copied].concat());
            if !is_copied && propagators != both {
                assert_eq!(client.made(fields), Err(Missed::NothingToDo), "{propagators}");
                continue;
            }
            client.made(fields).unwrap();
            client.written(fields).unwrap();
            let expected = if is_copied { dropped } else { 0 };
            assert_eq!(client.queued().unwrap().drops, expected, "{propagators} {is_copied}");
        }
    }
}

/// So it is within a call that is served, whatever is open between the two.
#[test]
fn what_a_proxy_has_copied_within_a_function_of_the_users() {
    let (trace, parent) = ("07".repeat(16), "05".repeat(8));
    let copied = format!("00-{trace}-{parent}-01");
    for (flags, is_copied) in [(flag::SERVES, true), (0, false)] {
        let client = Client::calling(7, flag::INJECTS);
        client.process.goroutine(client.caller).unwrap().set_frames(0);
        client.open(0, flags, [7; 8], [5; 8]);
        client.open(1, 0, [7, 8, 8, 8, 8, 8, 8, 8], [7; 8]);
        client.open(2, flag::INJECTS, [7, 9, 9, 9, 9, 9, 9, 9], [7, 8, 8, 8, 8, 8, 8, 8]);
        let fields = client.fields(&[PLAIN[0], ("traceparent", &copied)]);
        assert_eq!(client.made(fields).is_ok(), is_copied, "{flags}");
    }
}

/// Another attempt is made by the goroutine that sees the first one fail, which serves nothing.
#[test]
fn what_was_copied_stays_so_in_another_attempt() {
    let copied = format!("00-{}-{}-01", "07".repeat(16), "05".repeat(8));
    let client = Client::calling(7, flag::INJECTS);
    client.process.goroutine(client.caller).unwrap().set_frames(0);
    client.open(0, flag::SERVES, [7; 8], [5; 8]);
    client.open(1, flag::INJECTS, [7, 8, 8, 8, 8, 8, 8, 8], [7; 8]);
    let fields = || client.fields(&[PLAIN[0], ("traceparent", &copied)]);
    client.made(fields()).unwrap();
    let mut call = SpanIdentity::NONE;
    let own = frames::key(client.caller, 1);
    assert!(client.process.frame(own).unwrap().span.copy_of(own, &mut call));
    assert_eq!(call.propagation, propagator::COPIED);
    // The same span goes on elsewhere.
    let elsewhere = Client::calling(7, flag::INJECTS);
    let own = frames::key(elsewhere.caller, 0);
    let again = elsewhere.fields(&[PLAIN[0], ("traceparent", &copied)]);
    assert_eq!(elsewhere.made(again), Err(Missed::NothingToDo));
    elsewhere.process.frame(own).unwrap().span.set(&call, own);
    elsewhere.made(again).unwrap();
    elsewhere.written(again).unwrap();
    assert_eq!(elsewhere.queued().unwrap().drops, drops::TRACE_PARENT);
}
