//! Requests from start to end, as the launcher sees them, on the layouts of three releases of Go.

mod disturbed;
mod goroutines;
mod http2;
mod losses;
mod panics;
mod parents_and_sampling;
mod routes_and_exit;
mod texts;

use super::{any, start_http2_request};
use crate::config::http_server::{HttpServerConfig, event};
use crate::config::{Cookie, Setting};
use crate::go::abi::Registers;
use crate::missed::{Done, Missed};
use crate::records::http_server::text as server_text;
use crate::records::http_server::{CAPACITIES, CAPACITY, HttpServerEnd, HttpServerPanic, HttpServerStart, TEXTS, end_flag};
use crate::records::{SpanIdentity, kind};
use crate::target::Lookup as _;
use crate::target::fake::go::Request as GoRequest;
use crate::target::fake::maps::Shape;
use crate::target::fake::reported::{decode, hex, kind_of, take};
use crate::target::fake::{FakeProcess, layouts};
use crate::trace::operation;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A program at work, and the goroutine that serves.
struct Server {
    process: FakeProcess,
    goroutine: u64,
}

fn end(process: &FakeProcess) -> Done {
    super::end(process, &process.layout, event::END)
}

fn unwind(process: &FakeProcess) -> Done {
    super::end(process, &process.layout, event::UNWIND)
}

/// A start record with its strings, and whether each was cut.
struct Start {
    size: usize,
    time: u64,
    span: SpanIdentity,
    content_length: i64,
    proto: (u16, u16),
    tls: u32,
    texts: [(String, bool); TEXTS],
}

fn decode_start(bytes: &[u8]) -> Start {
    assert_eq!(kind_of(bytes), kind::HTTP_SERVER_START);
    let (head, mut rest): (HttpServerStart, _) = decode(bytes);
    let texts = std::array::from_fn(|index| take(&mut rest, head.lengths[index], CAPACITIES[index]));
    assert!(rest.is_empty());
    let HttpServerStart { header: _, time, span, content_length, proto_major, proto_minor, tls, lengths: _ } = head;
    assert_eq!((span.propagation, span.padding), (0, [0; 5]));
    assert!(span.trace_id != [0; 16] && span.span_id != [0; 8] && span.trace_flags == 1);
    Start { size: bytes.len(), time, span, content_length, proto: (proto_major, proto_minor), tls, texts }
}

/// The end of a request, its pattern, and those of muxes within.
struct End {
    head: HttpServerEnd,
    pattern: String,
    inner: Vec<String>,
    is_cut: bool,
}

impl std::ops::Deref for End {
    type Target = HttpServerEnd;
    fn deref(&self) -> &HttpServerEnd {
        &self.head
    }
}

fn decode_end(bytes: &[u8]) -> End {
    let (head, mut rest): (HttpServerEnd, _) = decode(bytes);
    let [pattern, within @ ..] = &head.pattern_lengths;
    let (pattern, is_cut) = take(&mut rest, *pattern, CAPACITY);
    let lengths = within.iter().filter(|length| **length != 0);
    let inner = lengths.map(|length| take(&mut rest, *length, CAPACITY).0).collect();
    assert!(rest.is_empty() && head.message_length == 0);
    End { head, pattern, inner, is_cut }
}

/// The end of a request by a panic: its pattern and the panic's text.
struct Panic {
    head: HttpServerPanic,
    pattern: String,
    message: String,
}

fn decode_panic(bytes: &[u8]) -> Panic {
    assert_eq!(kind_of(bytes), kind::HTTP_SERVER_PANIC);
    let (head, mut rest): (HttpServerPanic, _) = decode(bytes);
    let (pattern, _) = take(&mut rest, head.end.pattern_lengths[0], CAPACITY);
    let (message, _) = take(&mut rest, head.end.message_length, CAPACITY);
    assert!(rest.is_empty());
    Panic { head, pattern, message }
}

impl Server {
    fn new(layout: HttpServerConfig) -> Self {
        let process = FakeProcess::new(layout);
        let goroutine = process.goroutine_struct();
        Self { process, goroutine }
    }

    fn at(&self, event: u32, arguments: [u64; 5], now: u64) -> &FakeProcess {
        self.process.registers.set(Registers::calling(&arguments, self.goroutine));
        self.process.cookie.set(Cookie { event, recipe: 0 });
        self.process.now.set(now);
        &self.process
    }

    /// The hit of any of the server's probes.
    fn hit(&self, event: u32, arguments: [u64; 5], now: u64) -> Done {
        any(self.at(event, arguments, now), &self.process.layout)
    }

    /// The hit of a start; no record is looked at.
    fn hit_start(&self, event: u32, writer: u64, request: &GoRequest) -> Done {
        if event == event::START_HTTP2_REQUEST {
            let request = self.process.http2_request(request);
            return start_http2_request(self.at(event, [7, 7, writer, request, 7], 1000), &self.process.layout);
        }
        let request = self.process.request(request);
        let arguments = if event == event::START_HANDLER { [7, 7, writer, request, 7] } else { [7, writer, request, 7, 7] };
        self.hit(event, arguments, 1000)
    }

    fn start_at(&self, event: u32, writer: u64, request: &GoRequest) -> Start {
        self.hit_start(event, writer, request).unwrap();
        let records = self.process.take_records();
        assert_eq!(records.len(), 1);
        decode_start(&records[0])
    }

    fn start(&self, request: &GoRequest) -> Start {
        let writer = self.process.response(200, 0, false);
        self.start_at(event::START_HANDLER, writer, request)
    }

    fn one_end(&self) -> End {
        let records = self.process.take_records();
        assert_eq!(records.len(), 1);
        assert_eq!(kind_of(&records[0]), kind::HTTP_SERVER_END);
        decode_end(&records[0])
    }

    fn end(&self) -> End {
        end(self.at(0, [9; 5], 2000)).unwrap();
        self.one_end()
    }

    fn unwind(&self) -> End {
        unwind(self.at(0, [9; 5], 2000)).unwrap();
        self.one_end()
    }

    fn unwind_by_panic(&self) -> Panic {
        unwind(self.at(0, [9; 5], 2000)).unwrap();
        let records = self.process.take_records();
        assert_eq!(records.len(), 1);
        decode_panic(&records[0])
    }

    /// How many operations the goroutine has.
    fn open(&self) -> u32 {
        self.process.goroutine(self.goroutine).unwrap().open()
    }

    /// The span of the request that it serves.
    fn served(&self) -> SpanIdentity {
        let mut span = SpanIdentity::NONE;
        let (_, operation) = self.process.goroutine(self.goroutine).unwrap().served().unwrap();
        assert!(operation.span.copy_of(self.goroutine, &mut span));
        span
    }
}

/// Whole texts, in the order of `server_text`, and the last of them; those between them are empty.
fn texts(first: [&str; 8], trace_state: &str) -> [(String, bool); TEXTS] {
    std::array::from_fn(|index| {
        let text = if index == server_text::TRACE_STATE { Some(trace_state) } else { first.get(index).copied() };
        (text.unwrap_or_default().to_owned(), false)
    })
}

/// Bodies on each release.
fn on_each(test: impl Fn(&str, Server)) {
    for (release, layout) in layouts::ALL {
        test(release, Server::new(layout));
    }
}

fn with_traceparent(value: &str) -> GoRequest {
    GoRequest::default().with([("Traceparent", value)])
}

#[test]
fn a_request_from_start_to_end() {
    on_each(|release, server| {
        let parent = format!("00-{TRACE}-{PARENT}-01");
        let request = GoRequest { tls: true, ..GoRequest::default() }.with([
            ("Accept", "*/*"),
            ("User-Agent", "curl/8.5"),
            ("Traceparent", &parent),
            ("Tracestate", "a=b"),
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Forwarded-Proto", "https"),
        ]);
        let writer = server.process.response(201, 1234, false);
        let start = server.start_at(event::START_HANDLER, writer, &request);
        let strings: usize = start.texts.iter().map(|(text, _)| text.len()).sum();
        assert_eq!(start.size, size_of::<HttpServerStart>() + strings, "{release}: no more than there is");
        assert_eq!((start.time, start.content_length, start.proto, start.tls), (1000, 42, (1, 1), 1));
        assert_eq!(hex(&start.span.trace_id), TRACE);
        assert_eq!(hex(&start.span.parent_span_id), PARENT);
        assert_eq!(start.span.parent_is_remote, 1);
        let expected = ["POST", "/items/7", "page=2", "shop.example:8080", "192.0.2.7:50000", "curl/8.5", "203.0.113.7", "https"];
        assert_eq!(start.texts, texts(expected, "a=b"), "{release}");

        let end = server.end();
        assert_eq!((end.time, end.status, end.body_size, end.flags), (2000, 201, 1234, 0), "{release}");
        assert_eq!(end.span_id, start.span.span_id);
        let pattern = if release == "go1.21" { "" } else { "POST /items/{id}" };
        assert_eq!(end.pattern.as_str(), pattern, "{release}");
    });
}

#[test]
fn a_request_of_go_1_22_has_its_pattern_behind_a_pointer() {
    for pattern in ["GET /b/{c}", ""] {
        let server = Server::new(layouts::GO_1_22);
        server.start(&GoRequest { pattern: pattern.into(), ..GoRequest::default() });
        assert_eq!(server.end().pattern, pattern);
    }
}

#[test]
fn a_request_without_anything_optional() {
    on_each(|release, server| {
        let request = GoRequest { query: String::new(), pattern: String::new(), content_length: -1, ..GoRequest::default() };
        let start = server.start(&request);
        assert_eq!((start.content_length, start.tls), (-1, 0), "{release}");
        assert_eq!((start.span.parent_span_id, start.span.parent_is_remote), ([0; 8], 0));
        let expected = ["POST", "/items/7", "", "shop.example:8080", "192.0.2.7:50000", "", "", ""];
        assert_eq!(start.texts, texts(expected, ""), "{release}");
        assert_eq!(server.end().pattern, "");
    });
}

#[test]
fn what_became_of_the_response() {
    let cases = [
        // status, written, hijacked → status, flags
        (200, 5, false, 200, 0),
        (0, 0, false, 0, 0),
        (0, 0, true, 0, end_flag::HIJACKED),
        (101, 0, true, 101, 0),
    ];
    on_each(|release, server| {
        for (status, written, hijacked, expected_status, expected_flags) in cases {
            let writer = server.process.response(status, written, hijacked);
            server.start_at(event::START_HANDLER, writer, &GoRequest::default());
            let end = server.end();
            assert_eq!((end.status, end.body_size, end.flags), (expected_status, written, expected_flags), "{release}");
        }
        server.start_at(event::START_HANDLER, 0xdead_0000, &GoRequest::default());
        assert_eq!(server.end().flags, end_flag::RESPONSE_UNREADABLE);
    });
}
