//! Requests from start to end, as the launcher sees them, on the layouts of three releases of Go.

mod routes_and_exit;

use bytemuck::AnyBitPattern;

use super::{any, start_http2_request};
use crate::config::{HttpServerConfig, Setting, cookie};
use crate::missed::{Done, Missed};
use crate::records::{
    HttpServerEnd, HttpServerPanic, HttpServerStart, LongTexts, ProxiedTexts, RecordHeader, SERVER_TEXTS, ServerTexts,
    ShortTexts, SpanIdentity, Text, end_flag, kind, server_text,
};
use crate::target::fake::go::Request as GoRequest;
use crate::target::fake::maps::Shape;
use crate::target::fake::{Program, layouts};
use crate::target::{Registers, Target as _};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A program at work, and the goroutine that serves.
struct Server {
    program: Program,
    goroutine: u64,
}

fn end(program: &Program) -> Done {
    super::end(program, cookie::END)
}

fn unwind(program: &Program) -> Done {
    super::end(program, cookie::UNWIND)
}

/// A start record without regard to how long its strings may be.
struct Start {
    kind: u32,
    time: u64,
    span: SpanIdentity,
    content_length: i64,
    proto: (u16, u16),
    tls: u32,
    texts: [(String, bool); SERVER_TEXTS],
}

fn decode<R: AnyBitPattern>(bytes: &[u8]) -> R {
    bytemuck::pod_read_unaligned(bytes)
}

fn kind_of(bytes: &[u8]) -> u32 {
    let header: RecordHeader = decode(&bytes[..8]);
    assert_eq!(header.size as usize, bytes.len());
    header.kind
}

fn decode_start<Texts: ServerTexts + AnyBitPattern>(bytes: &[u8]) -> Start {
    let record: HttpServerStart<Texts> = decode(bytes);
    let texts = record.texts.texts().map(|(text, cut)| (String::from_utf8(text.to_vec()).unwrap(), cut));
    let proto = (record.proto_major, record.proto_minor);
    let HttpServerStart { header: RecordHeader { kind, .. }, time, span, content_length, tls, .. } = record;
    assert_eq!((span.passes, span.padding), (0, [0; 5]));
    assert!(span.trace_id != [0; 16] && span.span_id != [0; 8] && span.trace_flags == 1);
    Start { kind, time, span, content_length, proto, tls, texts }
}

impl Server {
    fn new(layout: HttpServerConfig) -> Self {
        let program = Program::new(layout);
        let goroutine = program.goroutine_struct();
        Self { program, goroutine }
    }

    fn at(&self, cookie: u32, arguments: [u64; 5], now: u64) -> &Program {
        self.program.registers.set(Registers { arguments, goroutine: self.goroutine });
        self.program.cookie.set(cookie);
        self.program.now.set(now);
        &self.program
    }

    /// The hit of a start; no record is looked at.
    fn hit_start(&self, cookie: u32, writer: u64, request: &GoRequest) -> Done {
        if cookie == cookie::START_HTTP2_REQUEST {
            let request = self.program.http2_request(request);
            return start_http2_request(self.at(cookie, [7, 7, writer, request, 7], 1000));
        }
        let request = self.program.request(request);
        let arguments = if cookie == cookie::START_HANDLER { [7, 7, writer, request, 7] } else { [7, writer, request, 7, 7] };
        any(self.at(cookie, arguments, 1000))
    }

    fn start_at(&self, cookie: u32, writer: u64, request: &GoRequest) -> Start {
        self.hit_start(cookie, writer, request).unwrap();
        let records = self.program.take_records();
        assert_eq!(records.len(), 1);
        match kind_of(&records[0]) {
            kind::HTTP_SERVER_START_SHORT => decode_start::<ShortTexts>(&records[0]),
            kind::HTTP_SERVER_START_PROXIED => decode_start::<ProxiedTexts>(&records[0]),
            kind::HTTP_SERVER_START_LONG => decode_start::<LongTexts>(&records[0]),
            other => panic!("record of kind {other}"),
        }
    }

    fn start(&self, request: &GoRequest) -> Start {
        let writer = self.program.response(200, 0, false);
        self.start_at(cookie::START_HANDLER, writer, request)
    }

    fn one_end(&self) -> HttpServerEnd {
        let records = self.program.take_records();
        assert_eq!(records.len(), 1);
        assert_eq!(kind_of(&records[0]), kind::HTTP_SERVER_END);
        decode(&records[0])
    }

    fn end(&self) -> HttpServerEnd {
        end(self.at(0, [9; 5], 2000)).unwrap();
        self.one_end()
    }

    fn unwind(&self) -> HttpServerEnd {
        unwind(self.at(0, [9; 5], 2000)).unwrap();
        self.one_end()
    }

    fn unwind_by_panic(&self) -> HttpServerPanic {
        unwind(self.at(0, [9; 5], 2000)).unwrap();
        let records = self.program.take_records();
        assert_eq!(records.len(), 1);
        assert_eq!(kind_of(&records[0]), kind::HTTP_SERVER_PANIC);
        decode(&records[0])
    }
}

fn text<const N: usize>(text: &Text<N>) -> String {
    String::from_utf8(text.get().0.to_vec()).unwrap()
}

/// Whole texts, in the order of `server_text`; those behind them are empty.
fn texts(first: [&str; 9]) -> [(String, bool); SERVER_TEXTS] {
    std::array::from_fn(|index| (first.get(index).copied().unwrap_or_default().to_owned(), false))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
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
        let writer = server.program.response(201, 1234, false);
        let start = server.start_at(cookie::START_HANDLER, writer, &request);
        assert_eq!(start.kind, kind::HTTP_SERVER_START_SHORT, "{release}");
        assert_eq!((start.time, start.content_length, start.proto, start.tls), (1000, 42, (1, 1), 1));
        assert_eq!(hex(&start.span.trace_id), TRACE);
        assert_eq!(hex(&start.span.parent_span_id), PARENT);
        assert_eq!(start.span.parent_is_remote, 1);
        let expected =
            ["POST", "/items/7", "page=2", "shop.example:8080", "192.0.2.7:50000", "curl/8.5", "203.0.113.7", "https", "a=b"];
        assert_eq!(start.texts, texts(expected), "{release}");

        let end = server.end();
        assert_eq!((end.time, end.status, end.body_size, end.flags), (2000, 201, 1234, 0), "{release}");
        assert_eq!(end.span_id, start.span.span_id);
        let pattern = if release == "go1.21" { "" } else { "POST /items/{id}" };
        assert_eq!(text(&end.pattern), pattern, "{release}");
    });
}

#[test]
fn a_request_of_go_1_22_has_its_pattern_behind_a_pointer() {
    for pattern in ["GET /b/{c}", ""] {
        let server = Server::new(layouts::GO_1_22);
        server.start(&GoRequest { pattern: pattern.into(), ..GoRequest::default() });
        assert_eq!(text(&server.end().pattern), pattern);
    }
}

#[test]
fn a_request_without_anything_optional() {
    on_each(|release, server| {
        let request = GoRequest { query: String::new(), pattern: String::new(), content_length: -1, ..GoRequest::default() };
        let start = server.start(&request);
        assert_eq!((start.content_length, start.tls), (-1, 0), "{release}");
        assert_eq!((start.span.parent_span_id, start.span.parent_is_remote), ([0; 8], 0));
        let expected = ["POST", "/items/7", "", "shop.example:8080", "192.0.2.7:50000", "", "", "", ""];
        assert_eq!(start.texts, texts(expected), "{release}");
        assert_eq!(text(&server.end().pattern), "");
    });
}

#[test]
fn the_parents_sampled_flag_is_honoured() {
    on_each(|release, server| {
        let writer = server.program.response(200, 0, false);
        let request = with_traceparent(&format!("00-{TRACE}-{PARENT}-00"));
        server.hit_start(cookie::START_HANDLER, writer, &request).unwrap();
        assert!(server.program.take_records().is_empty(), "{release}");
        // The goroutine still carries the trace, for what it calls.
        let known = server.program.remembered(server.goroutine).unwrap();
        assert_eq!((hex(&known.span.trace_id), hex(&known.span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!((known.open, known.span.trace_flags), (1, 0));
        assert_eq!(end(server.at(0, [9; 5], 2000)), Err(Missed::NothingToDo));
        assert!(server.program.take_records().is_empty());
        assert_eq!(server.program.remembered(server.goroutine).unwrap().open, 0);
    });
    // A sampler that takes nothing takes what a sampled parent asks for.
    on_each(|_release, mut server| {
        server.program.sampler.threshold = Setting::new(0);
        let start = server.start(&with_traceparent(&format!("00-{TRACE}-{PARENT}-01")));
        assert_eq!(hex(&start.span.trace_id), TRACE);
    });
}

#[test]
fn an_unsampled_root_reports_nothing() {
    on_each(|_release, mut server| {
        server.program.sampler.threshold = Setting::new(0);
        let writer = server.program.response(200, 0, false);
        server.hit_start(cookie::START_HANDLER, writer, &GoRequest::default()).unwrap();
        let known = server.program.remembered(server.goroutine).unwrap();
        assert_eq!((known.open, known.span.trace_flags, known.span.parent_is_remote), (1, 0, 0));
        assert!(known.span.trace_id != [0; 16] && known.span.span_id != [0; 8]);
        assert_eq!(unwind(server.at(0, [9; 5], 2000)), Err(Missed::NothingToDo));
        assert!(server.program.take_records().is_empty());
    });
}

#[test]
fn without_trace_context_a_traceparent_is_not_looked_at() {
    on_each(|_release, mut server| {
        server.program.sampler.propagators = Setting::new(0);
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

#[test]
fn long_strings_make_a_long_record_and_are_cut_where_it_ends() {
    on_each(|release, server| {
        for (length, long, cut) in [
            (128, false, false),
            (129, true, false),
            (2000, true, false),
            (2048, true, false),
            (2049, true, true),
            (9000, true, true),
        ] {
            let path = "/p".repeat(4500)[..length].to_owned();
            let start = server.start(&GoRequest { path: path.clone(), ..GoRequest::default() });
            assert_eq!(start.kind == kind::HTTP_SERVER_START_LONG, long, "{release}: {length}");
            assert_eq!(start.texts[server_text::PATH], (path[..length.min(2048)].to_owned(), cut), "{release}: {length}");
            assert_eq!(start.texts[server_text::QUERY].0, "page=2");
            server.end();
        }
        let request = GoRequest::default().with([("User-Agent", "u".repeat(513).as_str()), ("X-Forwarded-For", "203.0.113.7")]);
        let start = server.start(&request);
        assert_eq!(start.texts[server_text::USER_AGENT], ("u".repeat(512), true));
        assert_eq!(start.texts[server_text::FORWARDED_FOR].0, "203.0.113.7");
    });
}

#[test]
fn what_proxies_say_makes_a_record_of_medium_size() {
    on_each(|release, server| {
        let request = GoRequest::default().with([
            ("Forwarded", "for=203.0.113.7;proto=https;host=shop.example"),
            ("X-Forwarded-For", "203.0.113.7\n10.0.0.1\n10.0.0.2"),
            ("X-Forwarded-Host", "shop.example"),
            ("X-Forwarded-Proto", "https, http"),
            ("Upgrade", "h2c"),
        ]);
        let start = server.start(&request);
        assert_eq!(start.kind, kind::HTTP_SERVER_START_PROXIED, "{release}");
        for (index, expected) in [
            (server_text::FORWARDED, "for=203.0.113.7;proto=https;host=shop.example"),
            (server_text::FORWARDED_NEXT, ""),
            (server_text::FORWARDED_FOR, "203.0.113.7"),
            (server_text::FORWARDED_FOR_NEXT, "10.0.0.1"),
            (server_text::FORWARDED_HOST, "shop.example"),
            (server_text::FORWARDED_PROTO, "https, http"),
            (server_text::UPGRADE, "h2c"),
        ] {
            assert_eq!(start.texts[index], (expected.to_owned(), false), "{release}: {index}");
        }
        server.end();
        // Nothing of these, and an upgrade, need no more room than nothing.
        let request = GoRequest::default().with([("X-Forwarded-For", "203.0.113.7"), ("upgrade", "websocket")]);
        let start = server.start(&request);
        assert_eq!((start.kind, start.texts[server_text::UPGRADE].0.as_str()), (kind::HTTP_SERVER_START_SHORT, "websocket"));
        assert!(start.texts[server_text::FORWARDED_HOST..].iter().all(|(text, _)| text.is_empty()), "{release}");
        server.end();
        let start = server.start(&GoRequest::default().with([("Forwarded", "for=a\nfor=b")]));
        let lines = [server_text::FORWARDED, server_text::FORWARDED_NEXT].map(|index| start.texts[index].0.as_str());
        assert_eq!((start.kind, lines), (kind::HTTP_SERVER_START_LONG, ["for=a", "for=b"]), "{release}");
    });
}

#[test]
fn a_long_pattern_is_cut() {
    let server = Server::new(layouts::GO_1_27);
    server.start(&GoRequest { pattern: "/".repeat(300), ..GoRequest::default() });
    let end = server.end();
    assert_eq!(end.pattern.get(), (&[b'/'; 252][..], true));
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
            let writer = server.program.response(status, written, hijacked);
            server.start_at(cookie::START_HANDLER, writer, &GoRequest::default());
            let end = server.end();
            assert_eq!((end.status, end.body_size, end.flags), (expected_status, written, expected_flags), "{release}");
        }
        server.start_at(cookie::START_HANDLER, 0xdead_0000, &GoRequest::default());
        assert_eq!(server.end().flags, end_flag::RESPONSE_UNREADABLE);
    });
}

#[test]
fn a_panic_reports_its_value() {
    on_each(|release, server| {
        let message = server.program.string("boom");
        let value = server.program.memory.allocate(24);
        server.program.memory.write_words(value, &[message[0], message[1], 77]);
        let start = server.start(&GoRequest::default());
        server.program.panic(server.goroutine, Some([0x60_1234, value]));
        let record = server.unwind_by_panic();
        assert_eq!((record.value_type, record.value), (0x60_1234, [message[0], message[1], 77]), "{release}");
        assert_eq!(text(&record.message), "boom");
        assert_eq!((record.end.span_id, record.end.status, record.end.time), (start.span.span_id, 200, 2000));
        // The next request on the same goroutine.
        server.program.recover(server.goroutine);
        server.start(&GoRequest::default());
        assert_eq!(server.unwind().flags, 0);
    });
}

#[test]
fn a_panic_value_that_is_no_string() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        let value = server.program.memory.allocate(8);
        server.program.memory.write_words(value, &[3, 0xffff_ffff_0000]);
        server.program.panic(server.goroutine, Some([0x60_1234, value]));
        let record = server.unwind_by_panic();
        assert_eq!((record.value[0], record.message.length), (3, 0));
        // Nowhere at all, as a typed nil pointer.
        server.start(&GoRequest::default());
        server.program.panic(server.goroutine, Some([0x60_1234, 0]));
        let record = server.unwind_by_panic();
        assert_eq!((record.value_type, record.value, record.message.length), (0x60_1234, [0; 3], 0));
    });
}

/// A string header is shorter than what is read of a value, and may be the last thing on a page.
#[test]
fn a_panic_value_at_the_end_of_a_page() {
    on_each(|release, server| {
        let message = server.program.string("boom");
        let value = server.program.memory.allocate(4096) + 4096 - 16;
        server.program.memory.write_words(value, &message);
        server.start(&GoRequest::default());
        server.program.panic(server.goroutine, Some([0x60_1234, value]));
        let record = server.unwind_by_panic();
        assert_eq!((text(&record.message).as_str(), record.value[2]), ("boom", 0), "{release}");
    });
}

#[test]
fn goexit_is_no_panic() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        server.program.panic(server.goroutine, None);
        assert_eq!(server.unwind().flags, end_flag::GOEXIT);
    });
}

#[test]
fn an_end_without_a_start_says_nothing() {
    on_each(|_release, server| {
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::Evicted));
        assert_eq!(unwind(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
        server.start(&GoRequest::default());
        server.end();
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
        assert_eq!(unwind(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
        assert!(server.program.take_records().is_empty());
    });
}

#[test]
fn a_goroutine_whose_memory_is_anothers_reports_nothing() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        // The map has given the memory to another goroutine while this one's probe holds it.
        server.program.goroutine(server.goroutine).unwrap().holder = 0xdead_0000;
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::Evicted));
        server.program.goroutine(server.goroutine).unwrap().holder = server.goroutine;
        server.start(&GoRequest::default());
        // Another one's probe has written to it.
        server.program.goroutine(server.goroutine).unwrap().span.span_id = [7; 8];
        assert_eq!(unwind(server.at(0, [0; 5], 1)), Err(Missed::Evicted));
        assert!(server.program.take_records().is_empty());
    });
}

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
        assert_eq!((end.span_id, text(&end.pattern).as_str()), (second.span.span_id, ""));
    });
}

/// An operation whose end was never seen; the next start on its goroutine cannot be read.
#[test]
fn what_was_left_open_does_not_end_with_another_request() {
    on_each(|_release, server| {
        server.start(&GoRequest::default());
        assert_eq!(any(server.at(cookie::START_HANDLER, [0, 0, 0, 0xdead_0000, 0], 1500)), Err(Missed::Fault));
        assert_eq!(end(server.at(0, [0; 5], 2000)), Err(Missed::NothingToDo));
        assert!(server.program.take_records().is_empty());
    });
}

#[test]
fn goroutines_do_not_share_anything() {
    on_each(|_release, mut server| {
        let one = server.start(&GoRequest::default());
        let (first, second) = (server.goroutine, server.program.goroutine_struct());
        server.goroutine = second;
        let other = server.start(&with_traceparent(&format!("00-{TRACE}-{PARENT}-01")));
        assert_ne!(one.span.trace_id, other.span.trace_id);
        server.goroutine = first;
        assert_eq!(server.end().span_id, one.span.span_id);
        server.goroutine = second;
        assert_eq!(server.end().span_id, other.span.span_id);
    });
}

#[test]
fn http2_requests() {
    let request = GoRequest { proto: (2, 0), tls: true, ..GoRequest::default() }.with([("User-Agent", "h2")]);
    on_each(|release, server| {
        let config = server.program.layout;
        for (site, layout) in [
            (cookie::START_HTTP2, &config.http2_writer),
            (cookie::START_XNET, &config.xnet_writer),
            // Where `serverHandler.ServeHTTP` is probed, HTTP/2 requests come by it too.
            (cookie::START_HANDLER, &config.http2_writer),
            (cookie::START_HTTP2_REQUEST, &config.http2_writer),
        ] {
            let writer = server.program.http2_writer(layout, 204, 99);
            let start = server.start_at(site, writer, &request);
            assert_eq!((start.proto, start.tls, start.content_length), ((2, 0), 1, 42), "{release}, site {site}");
            let expected = ["POST", "/items/7", "page=2", "shop.example:8080", "192.0.2.7:50000", "h2", "", "", ""];
            assert_eq!(start.texts, texts(expected), "{release}, site {site}");
            let end = server.unwind();
            assert_eq!((end.status, end.body_size, end.flags), (204, 99, 0), "{release}, site {site}");
            assert_eq!(end.span_id, start.span.span_id);
            let has_pattern = release != "go1.21" && site != cookie::START_HTTP2_REQUEST;
            assert_eq!(text(&end.pattern), if has_pattern { "POST /items/{id}" } else { "" }, "{release}, site {site}");
        }
        // A stream that is gone.
        server.start_at(cookie::START_HTTP2, 0xdead_0000, &request);
        assert_eq!(server.unwind().flags, end_flag::RESPONSE_UNREADABLE);
    });
}

#[test]
fn the_preface_of_http2_is_no_request() {
    on_each(|release, server| {
        let preface = GoRequest { method: "PRI".into(), path: "*".into(), proto: (2, 0), ..GoRequest::default() };
        let writer = server.program.response(0, 0, true);
        assert_eq!(server.hit_start(cookie::START_HANDLER, writer, &preface), Err(Missed::NothingToDo), "{release}");
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
        assert!(server.program.take_records().is_empty());
        // Methods that look alike are requests.
        let writer = server.program.http2_writer(&server.program.layout.http2_writer, 200, 0);
        for (method, proto) in [("PUT", (2, 0)), ("PRIX", (2, 0)), ("PRI", (1, 1))] {
            server.start_at(cookie::START_HANDLER, writer, &GoRequest { method: method.into(), proto, ..GoRequest::default() });
            server.end();
        }
    });
}

#[test]
fn a_full_ring_leaves_nothing_behind() {
    on_each(|_release, server| {
        let writer = server.program.response(200, 0, false);
        for path in ["/short".to_owned(), "/long".repeat(100)] {
            server.program.ring_is_full.set(true);
            let full = Err(Missed::RingFull);
            assert_eq!(server.hit_start(cookie::START_HANDLER, writer, &GoRequest { path, ..GoRequest::default() }), full);
            // What has no start has no end either: one loss is counted once.
            assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
            for is_panic in [false, true] {
                server.program.ring_is_full.set(false);
                server.start(&GoRequest::default());
                server.program.ring_is_full.set(true);
                if is_panic {
                    server.program.panic(server.goroutine, Some([1, 1]));
                }
                assert_eq!(unwind(server.at(0, [0; 5], 1)), full);
            }
            server.program.recover(server.goroutine);
            assert!(server.program.take_records().is_empty());
            // There is room again: nothing is open from before.
            server.program.ring_is_full.set(false);
            assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
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
        let writer = server.program.response(200, 5, false);
        let address = server.program.request(&request);
        let panic_text = server.program.string("boom");
        let value = server.program.memory.allocate(24);
        server.program.memory.write_words(value, &panic_text);
        let begin = || any(server.at(cookie::START_HANDLER, [7, 7, writer, address, 7], 1000));
        let whole = ["POST", "/items/7", "page=2", "shop.example:8080", "192.0.2.7:50000", "curl/8.5", "", "", ""];
        for page in server.program.memory.mapped() {
            let bytes = server.program.memory.unmap(page);
            let hit = begin();
            let records = server.program.take_records();
            assert_eq!(records.len(), usize::from(hit.is_ok()), "{release}");
            assert_eq!(hit == Err(Missed::Fault), page == address / 4096, "{release}: only the request itself is indispensable");
            for record in &records {
                assert_eq!(kind_of(record), kind::HTTP_SERVER_START_SHORT, "{release}");
                let start = decode_start::<ShortTexts>(record);
                for ((text, cut), expected) in start.texts.iter().zip(texts(whole)) {
                    assert!((text.is_empty() || *text == expected.0) && !cut, "{release}: {text:?}");
                }
                assert!(start.span.parent_is_remote == 0 || hex(&start.span.trace_id) == TRACE);
            }
            server.program.memory.map(page, bytes);
            let _end = end(server.at(0, [9; 5], 2000));
            server.program.take_records();
        }
        server.program.panic(server.goroutine, Some([0x60_1234, value]));
        for page in server.program.memory.mapped() {
            begin().unwrap();
            server.program.take_records();
            let bytes = server.program.memory.unmap(page);
            unwind(server.at(0, [9; 5], 2000)).unwrap();
            let records = server.program.take_records();
            let end: HttpServerEnd = decode(&records[0][..size_of::<HttpServerEnd>()]);
            assert_eq!(records.len(), 1);
            assert!((end.status, end.body_size, end.flags) == (200, 5, 0) || end.flags == end_flag::RESPONSE_UNREADABLE);
            assert!(["", "POST /items/{id}"].contains(&text(&end.pattern).as_str()), "{release}");
            if kind_of(&records[0]) == kind::HTTP_SERVER_PANIC {
                let panic: HttpServerPanic = decode(&records[0]);
                assert!(["", "boom"].contains(&text(&panic.message).as_str()), "{release}");
            }
            server.program.memory.map(page, bytes);
        }
    });
}
