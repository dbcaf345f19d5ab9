//! What differs in servers of `github.com/cloudwego/hertz`.

use super::*;
use crate::records::http_server::PATTERNS;
use crate::target::fake::fasthttp::{HERTZ_LAYOUT, WRAPPERS};

const ROUTE: &[u8] = b"/items/:id";

/// Ends a request: the record of an end, and the route.
fn end(server: &Server, event: u32, argument: u64) -> HttpServerEnd {
    server.hit(event, argument, 2000).unwrap();
    let record = server.one_record();
    let (end, route): (HttpServerEnd, _) = decode(&record);
    let [length, within @ ..] = end.pattern_lengths;
    assert_eq!((end.header.kind, route, length as usize), (kind::HTTP_SERVER_END, ROUTE, ROUTE.len()));
    assert_eq!((within, end.message_length), ([0; PATTERNS - 1], 0));
    end
}

fn field(base: u64, field: crate::config::Offset) -> u64 {
    base + u64::from(field.get())
}

#[test]
fn a_request_has_a_route_and_a_version() {
    let server = Server::of(HERTZ_LAYOUT);
    for (is_old, minor) in [(false, 1), (true, 0)] {
        let (context, head, texts) = server.start(&Request { is_old, ..PLAIN }, 201);
        let FasthttpServerStart { start, peer } = head;
        assert_eq!((start.header.kind, start.proto_major, start.proto_minor), (kind::HERTZ_SERVER_START, 1, minor));
        assert_eq!((&peer.address[..4], peer.length, peer.port), (&[192, 0, 2, 7][..], 4, 50_000));
        assert_eq!((&*texts[text::METHOD], &*texts[text::PATH]), ("POST", "/items/7?page=2"));
        let end = end(&server, event::END, context);
        assert_eq!((end.span_id, end.status, end.body_size, end.flags), (start.span.span_id, 201, 5, 0));
    }
    // Nothing is known of it.
    let context = server.process.served(&server.layout, &PLAIN, 200, "");
    server.process.memory.write_words(field(context, HERTZ_LAYOUT.request) + u64::from(HERTZ_LAYOUT.protocol.get()), &[0, 0]);
    server.hit(event::START, field(context, HERTZ_LAYOUT.request), 1000).unwrap();
    let record = server.one_record();
    let (head, _): (FasthttpServerStart, _) = decode(&record);
    assert_eq!(head.start.proto_minor, 1);
}

#[test]
fn connections_of_each_kind() {
    let server = Server::of(HERTZ_LAYOUT);
    let standard = server.process.standard_connection(&HERTZ_LAYOUT);
    // What holds another connection where a `standard.Conn` holds one of Go, and none at all.
    let other = server.process.memory.allocate(64);
    for (table, data, is_known) in [(WRAPPERS[1], standard, true), (0x50_9000, other, false), (0, 0, false)] {
        let context = server.process.served(&server.layout, &PLAIN, 200, "");
        server.process.memory.write_words(field(context, HERTZ_LAYOUT.connection), &[table, data]);
        server.hit(event::START, field(context, HERTZ_LAYOUT.request), 1000).unwrap();
        let record = server.one_record();
        let (head, _): (FasthttpServerStart, _) = decode(&record);
        assert_eq!((head.peer.length, head.peer.port), if is_known { (4, 50_000) } else { (0, 0) }, "{table:x}");
    }
}

#[test]
fn a_handler_writes_its_answer_itself() {
    let server = Server::of(HERTZ_LAYOUT);
    let (context, ..) = server.start(&PLAIN, 200);
    let response = context + u64::from(HERTZ_LAYOUT.response.get());
    server.process.memory.write_words(field(response, HERTZ_LAYOUT.body_writer), &[1, 1]);
    assert_eq!(end(&server, event::END_RESPONSE, response).body_size, -1);
}

/// What is deferred where a connection is served says how a request ends that has no answer.
#[test]
fn requests_without_an_answer() {
    let server = Server::of(HERTZ_LAYOUT);
    server.start(&PLAIN, 200);
    assert_eq!(end(&server, event::CLOSED, 0).flags, end_flag::RESPONSE_UNREADABLE);

    server.start(&PLAIN, 200);
    server.process.panic(server.goroutine, None);
    assert_eq!(end(&server, event::CLOSED, 0).flags, end_flag::RESPONSE_UNREADABLE | end_flag::GOEXIT);

    server.start(&PLAIN, 200);
    let text = server.process.memory.allocate(16);
    server.process.memory.write_words(text, &server.process.string("as was asked"));
    server.process.panic(server.goroutine, Some([0x60_0000, text]));
    server.hit(event::CLOSED, 0, 2000).unwrap();
    let record = server.one_record();
    let (panic, texts): (HttpServerPanic, _) = decode(&record);
    assert_eq!((panic.end.header.kind, panic.value_type), (kind::HTTP_SERVER_PANIC, 0x60_0000));
    assert_eq!((panic.end.pattern_lengths[0] as usize, panic.end.message_length), (ROUTE.len(), 12));
    assert_eq!(texts, [ROUTE, b"as was asked"].concat());
    assert_eq!(server.hit(event::CLOSED, 0, 3000), Err(Missed::NothingToDo));
}
