//! The probes of the server in the fake process.

use super::*;
use crate::config::Cookie;
use crate::go::abi::Registers;
use crate::missed::Missed;
use crate::records::fasthttp_server::{CAPACITIES, FasthttpServerStart};
use crate::records::http_server::{HttpServerEnd, HttpServerPanic, TEXTS, end_flag, text};
use crate::records::{RecordHeader, kind, taken};
use crate::target::fake::fasthttp::{LAYOUT, Request};
use crate::target::fake::reported::{decode, hex};
use crate::target::fake::{FakeProcess, layouts};
use crate::trace::operation;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const PLAIN: Request<'static> = Request { target: "/items/7?page=2", is_old: false, headers: &[] };

/// A program at work, and the goroutine that serves a connection.
struct Server {
    process: FakeProcess,
    goroutine: u64,
    layout: FasthttpServerConfig,
}

impl Server {
    fn new() -> Self {
        Self::of(LAYOUT)
    }

    fn of(layout: FasthttpServerConfig) -> Self {
        let mut process = FakeProcess::new(layouts::GO_1_27);
        process.parents.wanted = crate::config::Setting::new(1);
        let goroutine = process.goroutine_struct();
        let layout = FasthttpServerConfig { panic: process.layout.panic, ..layout };
        Self { process, goroutine, layout }
    }

    fn hit(&self, event: u32, argument: u64, now: u64) -> Done {
        self.process.registers.set(Registers::calling(&[argument, 7, 7, 7, 7], self.goroutine));
        self.process.cookie.set(Cookie { event, recipe: 0 });
        self.process.now.set(now);
        any(&self.process, &self.layout)
    }

    /// Begins a request; its `*RequestCtx` and its record.
    fn start(&self, request: &Request<'_>, status: u64) -> (u64, FasthttpServerStart, [String; TEXTS]) {
        let context = self.process.served(&self.layout, request, status, "found");
        self.hit(event::START, context + u64::from(LAYOUT.request.get()), 1000).unwrap();
        let record = self.one_record();
        let (head, mut rest): (FasthttpServerStart, _) = decode(&record);
        let texts = std::array::from_fn(|index| {
            let (text, behind) = rest.split_at(taken(head.start.lengths[index], CAPACITIES[index]) as usize);
            rest = behind;
            String::from_utf8(text.to_vec()).unwrap()
        });
        assert!(rest.is_empty());
        (context, head, texts)
    }

    fn one_record(&self) -> Vec<u8> {
        let [record] = <[Vec<u8>; 1]>::try_from(self.process.take_records()).unwrap();
        record
    }

    fn end(&self, event: u32, argument: u64) -> HttpServerEnd {
        self.hit(event, argument, 2000).unwrap();
        let record = self.one_record();
        let (header, _): (RecordHeader, _) = decode(&record);
        assert_eq!((header.kind, header.size as usize), (kind::HTTP_SERVER_END, record.len()));
        let (end, rest): (HttpServerEnd, _) = decode(&record);
        assert!(rest.is_empty() && end.pattern_lengths == [0; 4] && end.message_length == 0);
        end
    }

    fn response(context: u64) -> u64 {
        context + u64::from(LAYOUT.response.get())
    }
}

mod hertz;

#[test]
fn a_request_from_start_to_end() {
    let server = Server::new();
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers =
        [("Accept", "*/*"), ("Traceparent", parent.as_str()), ("Tracestate", "a=b"), ("X-Forwarded-For", "203.0.113.7")];
    let (context, head, texts) = server.start(&Request { headers: &headers, ..PLAIN }, 201);
    let FasthttpServerStart { start, peer } = head;
    assert_eq!((start.header.kind, start.time, start.content_length), (kind::FASTHTTP_SERVER_START, 1000, 42));
    assert_eq!((start.proto_major, start.proto_minor, start.tls), (1, 1, 0));
    assert_eq!((hex(&start.span.trace_id), hex(&start.span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((start.span.parent_is_remote, start.span.trace_flags, start.span.propagation), (1, 1, 0));
    assert_eq!((&peer.address[..4], peer.length, peer.port), (&[192, 0, 2, 7][..], 4, 50_000));
    let expected = [
        (text::METHOD, "POST"),
        (text::PATH, "/items/7?page=2"),
        (text::HOST, "shop.example:8080"),
        (text::USER_AGENT, "curl/8.5"),
        (text::FORWARDED_FOR, "203.0.113.7"),
        (text::TRACE_STATE, "a=b"),
    ];
    for (index, text) in texts.iter().enumerate() {
        let expected = expected.iter().find(|(at, _)| *at == index).map_or("", |(_, expected)| expected);
        assert_eq!(text, expected, "{index}");
    }
    // A context that leads to it.
    assert_eq!(server.process.contexts.get(context).copied(), Some(server.goroutine));
    let end = server.end(event::END, context);
    assert_eq!((end.time, end.span_id, end.status, end.body_size, end.flags), (2000, start.span.span_id, 201, 5, 0));
    assert_eq!(server.process.contexts.get(context), None);
    assert_eq!(server.hit(event::CLOSED, context, 3000), Err(Missed::NothingToDo));
}

#[test]
fn requests_of_a_connection_one_after_the_other() {
    let server = Server::new();
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let (context, first, _) = server.start(&Request { headers: &[("traceparent", &parent)], ..PLAIN }, 200);
    server.end(event::END, context);
    let (context, second, texts) = server.start(&Request { target: "*", is_old: true, ..PLAIN }, 404);
    assert_ne!(hex(&second.start.span.trace_id), TRACE);
    assert_ne!(first.start.span.span_id, second.start.span.span_id);
    assert_eq!((second.start.proto_minor, second.start.span.parent_is_remote, &*texts[text::PATH]), (0, 0, "*"));
    assert_eq!(server.end(event::END_RESPONSE, Server::response(context)).status, 404);
}

#[test]
fn how_requests_end() {
    let unanswered = (0, 0, end_flag::RESPONSE_UNREADABLE);
    for (event, is_response, expected) in [
        (event::END, false, (413, 5, 0)),
        (event::ERROR, false, (413, 5, 0)),
        (event::END_RESPONSE, true, (413, 5, 0)),
        (event::ERROR_RESPONSE, true, (413, 5, 0)),
        (event::HIJACKED, false, (0, 0, end_flag::HIJACKED)),
        (event::CLOSED, false, unanswered),
        (event::PANIC, false, unanswered),
    ] {
        let server = Server::new();
        let (context, ..) = server.start(&PLAIN, 413);
        let end = server.end(event, if is_response { Server::response(context) } else { context });
        assert_eq!((end.status, end.body_size, end.flags), expected, "{event}");
        // Once, whatever comes then.
        let again = server.hit(event, context, 3000);
        let is_loss = event == event::END || event == event::END_RESPONSE;
        assert_eq!(again, Err(if is_loss { Missed::Evicted } else { Missed::NothingToDo }), "{event}");
        assert!(server.process.take_records().is_empty());
    }
}

#[test]
fn bodies_of_responses() {
    let server = Server::new();
    let field = |context: u64, field: &crate::config::Offset| Server::response(context) + u64::from(field.get());
    let (context, ..) = server.start(&PLAIN, 0);
    server.process.memory.write_words(field(context, &LAYOUT.body_raw), &server.process.string("as it was"));
    let end = server.end(event::END, context);
    assert_eq!((end.status, end.body_size), (0, 9));
    let (context, ..) = server.start(&PLAIN, 200);
    server.process.memory.write_words(field(context, &LAYOUT.body_stream), &[1, 1]);
    assert_eq!(server.end(event::END, context).body_size, -1);
    let (context, ..) = server.start(&PLAIN, 200);
    server.process.memory.write_words(field(context, &LAYOUT.body), &[0]);
    assert_eq!(server.end(event::END, context).body_size, 0);
}

#[test]
fn a_panic_that_ends_the_process() {
    let server = Server::new();
    let (_, head, _) = server.start(&PLAIN, 200);
    let text = server.process.memory.allocate(16);
    server.process.memory.write_words(text, &server.process.string("as was asked"));
    server.process.panic(server.goroutine, Some([0x60_0000, text]));
    server.hit(event::PANIC, 0, 2000).unwrap();
    let record = server.one_record();
    let (panic, message): (HttpServerPanic, _) = decode(&record);
    assert_eq!((panic.end.header.kind, panic.end.span_id), (kind::HTTP_SERVER_PANIC, head.start.span.span_id));
    assert_eq!((panic.value_type, panic.value[1]), (0x60_0000, 12));
    assert_eq!((panic.end.flags, panic.end.message_length, message), (end_flag::RESPONSE_UNREADABLE, 12, &b"as was asked"[..]));
}

/// An error is answered before there is a request, and what another server serves is no request of this one.
#[test]
fn what_has_not_begun_does_not_end() {
    let server = Server::new();
    let context = server.process.served(&LAYOUT, &PLAIN, 400, "");
    for event in [event::ERROR, event::ERROR_RESPONSE, event::CLOSED, event::PANIC, event::HIJACKED] {
        assert_eq!(server.hit(event, context, 1000), Err(Missed::NothingToDo), "{event}");
    }
    assert_eq!(server.hit(event::END, context, 1000), Err(Missed::Evicted));
    server.start(&PLAIN, 200);
    let goroutine = crate::target::Lookup::goroutine(&server.process, server.goroutine).unwrap();
    let (_, operation) = goroutine.served().unwrap();
    operation.kind.set(operation::kind::HTTP1_SERVER);
    assert_eq!(server.hit(event::END, context, 2000), Err(Missed::NothingToDo));
}

#[test]
fn what_is_not_sampled_is_counted() {
    let server = Server::new();
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let context = server.process.served(&LAYOUT, &Request { headers: &[("traceparent", &parent)], ..PLAIN }, 200, "");
    server.hit(event::START, context + u64::from(LAYOUT.request.get()), 1000).unwrap();
    assert_eq!(server.hit(event::END, context, 2500), Err(Missed::NothingToDo));
    assert!(server.process.take_records().is_empty());
    assert_eq!(*server.process.unsampled.borrow(), [(operation::kind::FASTHTTP_SERVER, 1500)]);
}
