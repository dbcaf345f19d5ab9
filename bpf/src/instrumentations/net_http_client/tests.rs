//! Round trips from start to end, as the launcher and the executor see them, on the layouts of three releases of Go.

use bytemuck::Pod;

use super::any;
use crate::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig, event};
use crate::config::http_server::HttpServerConfig;
use crate::config::{ABSENT, Cookie, EMPTY_RECIPE, EndRecipe, ResultLocation, Setting};
use crate::go::abi::Registers;
use crate::missed::{Done, Missed};
use crate::records::http_client::{CAPACITIES, CAPACITY, HttpClientEnd, HttpClientStart, TEXTS};
use crate::records::{RecordHeader, SpanIdentity, kind, taken};
use crate::slots::{Slot, bucket, meant_for, site};
use crate::target::fake::maps::Shape;
use crate::target::fake::{FakeProcess, layouts};
use crate::target::{Lookup as _, Target as _};
use crate::trace::frames::{self, Opening, Standing};
use crate::trace::injection::NO_INJECTION;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// `*bufio.Writer` as `io.Writer`.
const BUFFERED: u64 = 0x4d_0000;
/// The upper end of the goroutine's stack, and its stack pointer in `roundTrip`.
const STACK_HIGH: u64 = 0xc0_0100_0000;
const STACK: u64 = STACK_HIGH - 0x400;
/// `URL.Scheme` and `URL.Host`.
const SCHEME: u32 = 0;
const HOST: u32 = 40;

mod disturbed;
mod http2;
mod wrapped;

/// A process that sends requests from one goroutine.
struct Client {
    process: FakeProcess,
    goroutine: u64,
}

/// A start record with its strings.
struct Start {
    span: SpanIdentity,
    content_length: i64,
    has_user: u32,
    redirects: u32,
    texts: [String; TEXTS],
}

fn layout(server: &HttpServerConfig) -> HttpClientConfig {
    HttpClientConfig {
        dump_dial: Setting::new(0),
        dial: Setting::new(ABSENT),
        padding: Setting::new(0),
        buffered_writer: Setting::new(BUFFERED),
        method: server.request.method,
        url: server.request.url,
        header: server.request.header,
        context: server.request.context,
        content_length: server.request.content_length,
        body: Setting::new(64),
        sent_host: server.request.host,
        redirect: Setting::new(224),
        redirected: Setting::new(128),
        scheme: Setting::new(SCHEME),
        user: Setting::new(32),
        host: Setting::new(HOST),
        path: server.url.path,
        raw_query: server.url.raw_query,
        status_code: Setting::new(16),
        proto_major: Setting::new(40),
        proto_minor: Setting::new(48),
        response_length: Setting::new(80),
        buffer: Setting::new(16),
        buffered: Setting::new(40),
        destination: Setting::new(48),
        peer: EMPTY_HTTP_CLIENT.peer,
        http2: EMPTY_HTTP_CLIENT.http2,
        header_map: server.header_map,
    }
}

/// Results as they are in the registers at `RET`: RAX, RBX, RCX.
fn recipe() -> EndRecipe {
    let mut recipe = EndRecipe { guarded: Setting::new(0), ..EMPTY_RECIPE };
    for (result, register) in recipe.results.iter_mut().zip([0, 3, 1]) {
        *result = ResultLocation {
            base: Setting::new(register),
            loads: Setting::new(0),
            offset: Setting::new(0),
            load_offsets: result.load_offsets,
            mask: Setting::new(u64::MAX),
        };
    }
    recipe
}

/// The head of a record, and what follows it.
fn decode<H: Pod>(bytes: &[u8]) -> (H, &[u8]) {
    let (head, rest) = bytes.split_at(size_of::<H>());
    (bytemuck::pod_read_unaligned(head), rest)
}

fn kind_of(bytes: &[u8]) -> u32 {
    let (header, _): (RecordHeader, _) = decode(bytes);
    assert_eq!(header.size as usize, bytes.len());
    header.kind
}

/// Takes a string of this length off what follows the head.
fn take(rest: &mut &[u8], length: u32, capacity: u32) -> String {
    let (text, behind) = rest.split_at(taken(length, capacity) as usize);
    *rest = behind;
    String::from_utf8(text.to_vec()).unwrap()
}

fn decode_start(bytes: &[u8]) -> Start {
    assert_eq!(kind_of(bytes), kind::HTTP_CLIENT_START);
    let (head, mut rest): (HttpClientStart, _) = decode(bytes);
    let texts = std::array::from_fn(|index| take(&mut rest, head.lengths[index], CAPACITIES[index]));
    assert!(rest.is_empty());
    let HttpClientStart { header: _, time: _, span, content_length, has_user, redirects, lengths: _ } = head;
    Start { span, content_length, has_user, redirects, texts }
}

/// The end of a round trip, and the text of its error.
struct End {
    head: HttpClientEnd,
    message: String,
}

impl std::ops::Deref for End {
    type Target = HttpClientEnd;
    fn deref(&self) -> &HttpClientEnd {
        &self.head
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Bodies on each release.
fn on_each(test: impl Fn(&str, Client)) {
    for (release, server) in layouts::ALL {
        let mut process = FakeProcess::new(server);
        process.client = layout(&server);
        process.recipes = vec![recipe()];
        process.parents.stack_high = Setting::new(8);
        let goroutine = process.goroutine_struct();
        process.memory.write_words(goroutine + 8, &[STACK_HIGH]);
        test(release, Client { process, goroutine });
    }
}

impl Client {
    fn hit(&self, event: u32, arguments: [u64; 5], stack_pointer: u64) -> Done {
        self.process.registers.set(Registers { stack_pointer, ..Registers::calling(&arguments, self.goroutine) });
        self.process.cookie.set(Cookie { event, recipe: 0 });
        any(&self.process, &self.process.client)
    }

    /// A `*http.Request` for `http://shop.example:8080/items/7?page=2`, and its header's map.
    fn request(&self, path: &str, headers: &[(&str, &str)]) -> (u64, u64) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let header = self.process.header(&headers, Shape::Plain);
        let url = self.process.url(path, "page=2");
        let address = self.process.memory.allocate(288);
        let write = |at: u64, words: &[u64]| self.process.memory.write_words(at, words);
        let client = &self.process.client;
        write(url + u64::from(SCHEME), &self.process.string("http"));
        let host = self.process.string("shop.example:8080");
        write(url + u64::from(HOST), &host);
        write(address + u64::from(client.sent_host.get()), &host);
        write(address + u64::from(client.body.get()), &[0x40_0000, 0xc0_0000]);
        write(address + u64::from(client.method.get()), &self.process.string("POST"));
        write(address + u64::from(client.url.get()), &[url]);
        write(address + u64::from(client.header.get()), &[header]);
        write(address + u64::from(client.content_length.get()), &[17]);
        (address, header)
    }

    fn start(&self, request: u64) -> Start {
        self.hit(event::START, [7, request, 7, 7, 7], STACK).unwrap();
        let records = self.process.take_records();
        assert_eq!(records.len(), 1);
        decode_start(&records[0])
    }

    fn span(&self, request: u64) -> SpanIdentity {
        self.start(request).span
    }

    fn end(&self, response: u64, error: [u64; 2]) -> End {
        self.hit(event::END, [response, error[0], error[1], 0, 0], STACK).unwrap();
        let records = self.process.take_records();
        assert_eq!(records.len(), 1);
        assert_eq!(kind_of(&records[0]), kind::HTTP_CLIENT_END);
        let (head, mut rest): (HttpClientEnd, _) = decode(&records[0]);
        let message = take(&mut rest, head.message_length, CAPACITY);
        assert!(rest.is_empty() && head.padding == 0);
        End { head, message }
    }

    /// A `*bufio.Writer` of this size that holds `text`.
    fn writer(&self, size: u64, text: &str) -> (u64, u64) {
        let buffer = self.process.memory.allocate(size);
        self.process.memory.write(buffer, text.as_bytes());
        let writer = self.process.memory.allocate(64);
        self.process.memory.write_words(writer + 16, &[buffer, size, size]);
        self.process.memory.write_words(writer + 40, &[text.len() as u64]);
        (writer, buffer)
    }

    /// `Header.writeSubset` is called, from a frame below `roundTrip`'s.
    fn write(&self, map: u64, table: u64, writer: u64, exclude: u64) -> Result<&Slot, Missed> {
        self.hit(event::INJECT, [map, table, writer, exclude, 0], STACK - 0x200)?;
        let bucket = self.process.bucket(bucket(self.goroutine)).unwrap();
        let way = bucket.tags.iter().position(|tag| tag.get() == self.goroutine + u64::from(site::WRITE_SUBSET)).unwrap();
        // SAFETY: no probe runs while the test looks.
        Ok(unsafe { bucket.slots[way].get() })
    }
}

#[test]
fn a_round_trip_is_reported_and_injected() {
    on_each(|release, client| {
        let (request, header) = client.request("/items/7", &[("Accept", "*/*")]);
        let start = client.start(request);
        assert_eq!(start.texts, ["POST", "http", "shop.example:8080", "/items/7", "page=2", ""], "{release}");
        assert_eq!((start.content_length, start.has_user, start.redirects), (17, 0, 0), "{release}");
        assert_eq!((start.span.parent_span_id, start.span.trace_flags), ([0; 8], 1), "{release}");

        let text = "POST /items/7?page=2 HTTP/1.1\r\nHost: shop.example:8080\r\n";
        let (writer, buffer) = client.writer(4096, text);
        let slot = client.write(header, BUFFERED, writer, 8).unwrap();
        let line = format!("Traceparent: 00-{}-{}-01\r\n", hex(&start.span.trace_id), hex(&start.span.span_id));
        let length = text.len() as u64;
        // `bufio.Writer.n`, then the line.
        assert_eq!(slot.words[..3], [writer + 40, 8, length + line.len() as u64], "{release}");
        assert_eq!((slot.length, slot.meant_for[meant_for::DEPTH]), (2, 0x600 + 16), "{release}");
        assert_eq!(slot.words[3..5], [buffer + length, line.len() as u64], "{release}");
        let bytes: &[u8] = bytemuck::cast_slice(&slot.words[5..]);
        assert_eq!(&bytes[..line.len()], line.as_bytes(), "{release}");

        let response = client.process.memory.allocate(144);
        client.process.memory.write_words(response + 16, &[204]);
        client.process.memory.write_words(response + 40, &[1, 1]);
        client.process.memory.write_words(response + 80, &[532]);
        let end = client.end(response, [0, 0]);
        assert_eq!((end.span_id, end.status, end.content_length), (start.span.span_id, 204, 532), "{release}");
        assert_eq!((end.proto_major, end.proto_minor, end.error_type), (1, 1, 0), "{release}");
        assert!(client.process.injections.is_empty(), "{release}: forgotten at the end");
    });
}

#[test]
fn redirects_are_counted_back_to_the_first_request() {
    on_each(|release, client| {
        let (mut request, _) = client.request("/0", &[]);
        for redirects in 1..=12 {
            let response = client.process.memory.allocate(144);
            client.process.memory.write_words(response + 128, &[request]);
            (request, _) = client.request(&format!("/{redirects}"), &[]);
            client.process.memory.write_words(request + 224, &[response]);
            assert_eq!(client.start(request).redirects, redirects, "{release}");
            client.end(0, [0, 0]);
        }
        // A response of the program's own making, without a request; and a circle.
        let response = client.process.memory.allocate(144);
        client.process.memory.write_words(request + 224, &[response]);
        assert_eq!(client.start(request).redirects, 1, "{release}");
        client.end(0, [0, 0]);
        client.process.memory.write_words(response + 128, &[request]);
        assert_eq!(client.start(request).redirects, 64, "{release}");
    });
}

#[test]
fn a_host_of_its_own_and_a_length_without_body() {
    on_each(|release, client| {
        let (request, _) = client.request("/", &[]);
        let sent_host = u64::from(client.process.client.sent_host.get());
        client.process.memory.write_words(request + sent_host, &client.process.string("other.example"));
        client.process.memory.write_words(request + 64, &[0, 0]);
        let start = client.start(request);
        assert_eq!(start.content_length, 0, "{release}");
        assert_eq!((&*start.texts[2], &*start.texts[5]), ("shop.example:8080", "other.example"), "{release}");
        client.end(0, [0, 0]);
        client.process.memory.write_words(request + sent_host, &[0, 0]);
        assert_eq!(client.start(request).texts[5], "", "{release}");
    });
}

#[test]
fn a_long_path_is_cut() {
    on_each(|release, client| {
        let path = format!("/{}", "x".repeat(5_000));
        let start = client.start(client.request(&path, &[]).0);
        assert_eq!(start.texts[3], path[..2_048], "{release}");
    });
}

#[test]
fn an_error_says_its_type_and_words() {
    on_each(|release, client| {
        client.start(client.request("/", &[]).0);
        let (table, error) = (client.process.memory.allocate(32), client.process.memory.allocate(24));
        client.process.memory.write_words(table + 8, &[0x51_0000]);
        client.process.memory.write_words(error, &client.process.string("connection refused"));
        let end = client.end(0, [table, error]);
        assert_eq!((end.status, end.error_type), (0, 0x51_0000), "{release}");
        assert_eq!(end.message, "connection refused", "{release}");
    });
}

/// What the program has set itself stays the only one, whichever way it has written the name.
#[test]
fn the_programs_own_traceparent_is_the_parent_and_stays_alone() {
    for name in ["Traceparent", "traceparent"] {
        on_each(|release, client| {
            let (request, header) = client.request("/", &[(name, &format!("00-{TRACE}-{PARENT}-01"))]);
            // A round trip with the map that stood here before has ended by a panic.
            client.process.injections.set(header, NO_INJECTION);
            let span = client.span(request);
            assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), PARENT.into()), "{release} {name}");
            let (writer, _) = client.writer(4096, "GET / HTTP/1.1\r\n");
            assert_eq!(client.write(header, BUFFERED, writer, 8).err(), Some(Missed::NothingToDo), "{release} {name}");
        });
    }
}

/// `httputil.ReverseProxy` copies the headers of the request that it serves.
#[test]
fn a_copied_traceparent_is_not_the_programs_own() {
    on_each(|release, mut client| {
        let mut served = SpanIdentity { span_id: [7; 8], trace_flags: 1, ..SpanIdentity::NONE };
        for (bytes, text) in [(&mut served.trace_id[..], TRACE), (&mut served.parent_span_id[..], PARENT)] {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
            }
        }
        let goroutine = client.process.goroutine_or_new(client.goroutine).unwrap();
        goroutine.next().unwrap().span.set(&served, client.goroutine);
        goroutine.opened(0);
        let copied = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).0);
        assert_eq!((hex(&copied.trace_id), copied.parent_span_id), (TRACE.into(), [7; 8]), "{release}");
        client.end(0, [0, 0]);
        let other = "1111111111111111";
        let own = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{other}-01"))]).0);
        assert_eq!(hex(&own.parent_span_id), other, "{release}");
        client.end(0, [0, 0]);
        // Within functions of the user's.
        client.process.parents.has_frames = Setting::new(1);
        let mut within = SpanIdentity { parent_span_id: served.span_id, ..served };
        for level in 0..2 {
            within = SpanIdentity { span_id: [8 + level; 8], parent_span_id: within.span_id, ..within };
            let standing = Standing { address: client.goroutine, goid: 0, depth: 0x100 };
            let opening = Opening { level: level.into(), operation: 0, layer: 4, flags: 0, time: 1, object: 0 };
            let opened = client.process.with_scratch(|scratch| {
                within.copy_to(&mut scratch.span);
                frames::open(&client.process, client.process.goroutine(client.goroutine).unwrap(), &standing, &opening, scratch)
            });
            opened.unwrap();
        }
        let copied = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).0);
        assert_eq!((hex(&copied.trace_id), copied.parent_span_id), (TRACE.into(), [9; 8]), "{release}");
        client.end(0, [0, 0]);
        let own = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{other}-01"))]).0);
        assert_eq!(hex(&own.parent_span_id), other, "{release}");
    });
}

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

#[test]
fn nothing_is_written_where_it_cannot_be_right() {
    on_each(|release, client| {
        let (request, header) = client.request("/", &[]);
        client.span(request);
        let line = "GET / HTTP/1.1\r\n";
        let refused = |case: &str, missed, map, table, (writer, _): (u64, u64), exclude| {
            assert_eq!(client.write(map, table, writer, exclude).err(), Some(missed), "{release}: {case}");
        };
        let (not_ours, lost) = (Missed::NothingToDo, Missed::NotInjected);
        refused("another header", not_ours, header + 8, BUFFERED, client.writer(4096, line), 8);
        refused("another kind of writer", not_ours, header, BUFFERED + 64, client.writer(4096, line), 8);
        refused("the transport's own headers", not_ours, header, BUFFERED, client.writer(4096, line), 0);
        refused("nothing buffered", lost, header, BUFFERED, client.writer(4096, ""), 8);
        refused("in the middle of a line", lost, header, BUFFERED, client.writer(4096, "GET / HTTP"), 8);
        refused("one byte too few", lost, header, BUFFERED, client.writer(line.len() as u64 + 69, line), 8);
        refused("no writer", lost, header, BUFFERED, (0, 0), 8);
        let (writer, _) = client.writer(line.len() as u64 + 70, line);
        assert!(client.write(header, BUFFERED, writer, 8).is_ok(), "{release}: just enough room");
    });
}
