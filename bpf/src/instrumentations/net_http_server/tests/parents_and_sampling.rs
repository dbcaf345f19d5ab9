//! Whose child a request is, and whether it is sampled.

use super::*;

#[test]
fn the_parents_sampled_flag_is_honoured() {
    on_each(|release, server| {
        let writer = server.process.response(200, 0, false);
        let request = with_traceparent(&format!("00-{TRACE}-{PARENT}-00"));
        server.hit_start(cookie::START_HANDLER, writer, &request).unwrap();
        assert!(server.process.take_records().is_empty(), "{release}");
        // The goroutine still carries the trace, for what it calls.
        let known = server.process.remembered(server.goroutine).unwrap();
        assert_eq!((hex(&known.span.trace_id), hex(&known.span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!((known.open, known.span.trace_flags), (1, 0));
        assert_eq!(end(server.at(0, [9; 5], 2000)), Err(Missed::NothingToDo));
        assert!(server.process.take_records().is_empty());
        assert_eq!(server.process.remembered(server.goroutine).unwrap().open, 0);
    });
    // A sampler that takes nothing takes what a sampled parent asks for.
    on_each(|_release, mut server| {
        server.process.sampler.threshold = Setting::new(0);
        let start = server.start(&with_traceparent(&format!("00-{TRACE}-{PARENT}-01")));
        assert_eq!(hex(&start.span.trace_id), TRACE);
    });
}

#[test]
fn an_unsampled_root_reports_nothing() {
    on_each(|_release, mut server| {
        server.process.sampler.threshold = Setting::new(0);
        let writer = server.process.response(200, 0, false);
        server.hit_start(cookie::START_HANDLER, writer, &GoRequest::default()).unwrap();
        let known = server.process.remembered(server.goroutine).unwrap();
        assert_eq!((known.open, known.span.trace_flags, known.span.parent_is_remote), (1, 0, 0));
        assert!(known.span.trace_id != [0; 16] && known.span.span_id != [0; 8]);
        assert_eq!(unwind(server.at(0, [9; 5], 2000)), Err(Missed::NothingToDo));
        assert!(server.process.take_records().is_empty());
    });
}

#[test]
fn without_trace_context_a_traceparent_is_not_looked_at() {
    on_each(|_release, mut server| {
        server.process.sampler.propagators = Setting::new(0);
        let start = server.start(&with_traceparent(&format!("00-{TRACE}-{PARENT}-00")).with([("Tracestate", "a=b")]));
        assert_ne!(hex(&start.span.trace_id), TRACE);
        assert_eq!(start.span.parent_is_remote, 0);
        assert_eq!(start.texts[server_text::TRACE_STATE].0, "");
    });
}

#[test]
fn a_malformed_traceparent_makes_a_root() {
    let valid = format!("00-{TRACE}-{PARENT}-01");
    on_each(|release, server| {
        for malformed in [
            "",
            "00",
            &valid[..54],
            &format!("{valid}-extra"),
            &valid.to_uppercase(),
            &valid.replace("00-4b", "ff-4b"),
            &valid.replace(TRACE, &"0".repeat(32)),
            &valid.replace(PARENT, &"0".repeat(16)),
            &valid.replace('-', "_"),
            &valid.replace("4bf9", "4bg9"),
            &format!("{}.x", valid.replace("00-4b", "cc-4b")),
            &format!("{}0", valid.replace("00-4b", "01-4b")),
        ] {
            let start = server.start(&with_traceparent(malformed).with([("Tracestate", "a=b")]));
            assert_ne!(hex(&start.span.trace_id), TRACE, "{release}: {malformed}");
            assert_eq!((start.span.parent_span_id, start.span.parent_is_remote), ([0; 8], 0), "{release}: {malformed}");
            // The state of a trace that is not joined means nothing.
            assert_eq!(start.texts[server_text::TRACE_STATE].0, "", "{release}: {malformed}");
            server.end();
        }
    });
}

#[test]
fn a_traceparent_is_found_among_any_number_of_headers() {
    let valid = format!("00-{TRACE}-{PARENT}-01");
    for shape in [Shape::Plain, Shape::Chain, Shape::Growing, Shape::GrowingSameSize] {
        on_each(|release, server| {
            for (count, at) in [(0, 0), (1, 0), (8, 0), (8, 7), (9, 0), (9, 8), (200, 0), (200, 100), (200, 199)] {
                let mut request = GoRequest { shape, ..GoRequest::default() };
                request.headers = (0..count).map(|index| (format!("X-H{index}"), "v".to_owned())).collect();
                if count > 0 {
                    request.headers[at] = ("Traceparent".to_owned(), valid.clone());
                }
                let start = server.start(&request);
                assert_eq!(hex(&start.span.trace_id) == TRACE, count > 0, "{release} {shape:?}: {at} of {count}");
                server.end();
            }
        });
    }
}
