//! What is missing, full, or another goroutine's.

use super::*;

#[test]
fn an_end_without_a_start_is_counted() {
    on_each(|_release, server| {
        let http2 = |server: &Server| super::super::end(server.at(0, [0; 5], 1), &server.process.layout, event::END_HTTP2);
        for _before_and_after_a_request in 0..2 {
            assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::Evicted));
            assert_eq!(http2(&server), Err(Missed::Evicted));
            // Not every connection has a request.
            assert_eq!(unwind(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
            server.start(&GoRequest::default());
            server.end();
        }
        assert!(server.process.take_records().is_empty());
    });
}

/// All scratch memory is taken, at the start of a request or at its end.
#[test]
fn a_request_without_scratch_memory_is_one_loss_and_leaves_nothing_behind() {
    on_each(|release, mut server| {
        server.process.parents.wanted = Setting::new(1);
        let writer = server.process.response(200, 0, false);
        server.process.scratch_is_taken.set(true);
        assert_eq!(server.hit_start(event::START_HANDLER, writer, &GoRequest::default()), Err(Missed::NoRoom), "{release}");
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo), "{release}");
        server.process.scratch_is_taken.set(false);
        let request = GoRequest::default();
        let address = server.process.request(&request);
        let context_at = address + u64::from(server.process.layout.request.context.get());
        server.process.memory.write_words(context_at, &[0x50_0000, 0xc0_0000]);
        server.hit(event::START_HANDLER, [7, 7, writer, address, 7], 1000).unwrap();
        assert_eq!(server.process.contexts.len(), 1, "{release}");
        server.process.scratch_is_taken.set(true);
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NoRoom), "{release}");
        assert_eq!((server.open(), server.process.contexts.len()), (0, 0), "{release}");
    });
}

#[test]
fn a_goroutine_whose_memory_is_anothers_reports_nothing() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        // The map has given the memory to another goroutine while this one's probe holds it.
        server.process.goroutine(server.goroutine).unwrap().give_to(0xdead_0000);
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::Evicted));
        server.process.goroutine(server.goroutine).unwrap().give_to(server.goroutine);
        server.start(&GoRequest::default());
        // Another one's probe has written to it.
        let (_, operation) = server.process.goroutine(server.goroutine).unwrap().served().unwrap();
        operation.span.set(&SpanIdentity { span_id: [7; 8], trace_flags: 1, ..SpanIdentity::NONE }, 0xdead_0000);
        assert_eq!(unwind(server.at(0, [0; 5], 1)), Err(Missed::Evicted));
        assert!(server.process.take_records().is_empty());
    });
}

#[test]
fn a_full_ring_leaves_nothing_behind() {
    on_each(|_release, server| {
        let writer = server.process.response(200, 0, false);
        for path in ["/short".to_owned(), "/long".repeat(100)] {
            server.process.ring_is_full.set(true);
            let full = Err(Missed::RingFull);
            assert_eq!(server.hit_start(event::START_HANDLER, writer, &GoRequest { path, ..GoRequest::default() }), full);
            // What has no start has no end either: one loss is counted once.
            assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
            for is_panic in [false, true] {
                server.process.ring_is_full.set(false);
                server.start(&GoRequest::default());
                server.process.ring_is_full.set(true);
                if is_panic {
                    server.process.panic(server.goroutine, Some([1, 1]));
                }
                assert_eq!(unwind(server.at(0, [0; 5], 1)), full);
            }
            server.process.recover(server.goroutine);
            assert!(server.process.take_records().is_empty());
            // There is room again: nothing is open from before.
            server.process.ring_is_full.set(false);
            assert_eq!(server.open(), 0);
            server.start(&GoRequest::default());
            server.end();
        }
    });
}

/// Each page in turn is away while a request starts, or while it ends.
#[test]
fn unreadable_memory_costs_an_attribute_at_most() {
    let valid = format!("00-{TRACE}-{PARENT}-01");
    let request = GoRequest::default().with([("Traceparent", valid.as_str()), ("User-Agent", "curl/8.5")]);
    on_each(|release, server| {
        let writer = server.process.response(200, 5, false);
        let address = server.process.request(&request);
        let panic_text = server.process.string("boom");
        let value = server.process.memory.allocate(24);
        server.process.memory.write_words(value, &panic_text);
        let begin = || server.hit(event::START_HANDLER, [7, 7, writer, address, 7], 1000);
        let whole = ["POST", "/items/7", "page=2", "shop.example:8080", "192.0.2.7:50000", "curl/8.5", "", ""];
        for page in server.process.memory.mapped() {
            let bytes = server.process.memory.unmap(page);
            let hit = begin();
            let records = server.process.take_records();
            assert_eq!(records.len(), usize::from(hit.is_ok()), "{release}");
            assert_eq!(hit == Err(Missed::Fault), page == address / 4096, "{release}: only the request itself is indispensable");
            for record in &records {
                let start = decode_start(record);
                for ((text, cut), expected) in start.texts.iter().zip(texts(whole, "")) {
                    assert!((text.is_empty() || *text == expected.0) && !cut, "{release}: {text:?}");
                }
                assert!(start.span.parent_is_remote == 0 || hex(&start.span.trace_id) == TRACE);
            }
            server.process.memory.map(page, bytes);
            let _end = end(server.at(0, [9; 5], 2000));
            server.process.take_records();
        }
        server.process.panic(server.goroutine, Some([0x60_1234, value]));
        for page in server.process.memory.mapped() {
            begin().unwrap();
            server.process.take_records();
            let bytes = server.process.memory.unmap(page);
            unwind(server.at(0, [9; 5], 2000)).unwrap();
            let records = server.process.take_records();
            let (end, _): (HttpServerEnd, _) = decode(&records[0]);
            assert_eq!(records.len(), 1);
            assert!((end.status, end.body_size, end.flags) == (200, 5, 0) || end.flags == end_flag::RESPONSE_UNREADABLE);
            let pattern = if kind_of(&records[0]) == kind::HTTP_SERVER_PANIC {
                let panic = decode_panic(&records[0]);
                assert!(["", "boom"].contains(&panic.message.as_str()), "{release}");
                panic.pattern
            } else {
                decode_end(&records[0]).pattern
            };
            assert!(["", "POST /items/{id}"].contains(&pattern.as_str()), "{release}");
            server.process.memory.map(page, bytes);
        }
    });
}
