//! How a handler ends that does not return.

use super::*;

#[test]
fn a_panic_reports_its_value() {
    on_each(|release, server| {
        let message = server.process.string("boom");
        let value = server.process.memory.allocate(24);
        server.process.memory.write_words(value, &[message[0], message[1], 77]);
        let start = server.start(&GoRequest::default());
        server.process.panic(server.goroutine, Some([0x60_1234, value]));
        let record = server.unwind_by_panic();
        assert_eq!((record.value_type, record.value), (0x60_1234, [message[0], message[1], 77]), "{release}");
        assert_eq!(text(&record.message), "boom");
        assert_eq!((record.end.span_id, record.end.status, record.end.time), (start.span.span_id, 200, 2000));
        // The next request on the same goroutine.
        server.process.recover(server.goroutine);
        server.start(&GoRequest::default());
        assert_eq!(server.unwind().flags, 0);
    });
}

#[test]
fn a_panic_value_that_is_no_string() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        let value = server.process.memory.allocate(8);
        server.process.memory.write_words(value, &[3, 0xffff_ffff_0000]);
        server.process.panic(server.goroutine, Some([0x60_1234, value]));
        let record = server.unwind_by_panic();
        assert_eq!((record.value[0], record.message.length), (3, 0));
        // Nowhere at all, as a typed nil pointer.
        server.start(&GoRequest::default());
        server.process.panic(server.goroutine, Some([0x60_1234, 0]));
        let record = server.unwind_by_panic();
        assert_eq!((record.value_type, record.value, record.message.length), (0x60_1234, [0; 3], 0));
    });
}

/// A string header is shorter than what is read of a value, and may be the last thing on a page.
#[test]
fn a_panic_value_at_the_end_of_a_page() {
    on_each(|release, server| {
        let message = server.process.string("boom");
        let value = server.process.memory.allocate(4096) + 4096 - 16;
        server.process.memory.write_words(value, &message);
        server.start(&GoRequest::default());
        server.process.panic(server.goroutine, Some([0x60_1234, value]));
        let record = server.unwind_by_panic();
        assert_eq!((text(&record.message).as_str(), record.value[2]), ("boom", 0), "{release}");
    });
}

#[test]
fn goexit_is_no_panic() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        server.process.panic(server.goroutine, None);
        assert_eq!(server.unwind().flags, end_flag::GOEXIT);
    });
}
