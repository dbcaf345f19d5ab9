//! Round trips from start to end, as the launcher and the executor see them, on the layouts of three releases of Go.

use super::any;
use crate::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig, event};
use crate::config::http_server::HttpServerConfig;
use crate::config::{ABSENT, Cookie, EMPTY_RECIPE, EndRecipe, ResultLocation, Setting};
use crate::go::abi::Registers;
use crate::missed::{Done, Missed};
use crate::records::http_client::{CAPACITIES, CAPACITY, HttpClientEnd, HttpClientStart, TEXTS};
use crate::records::{SpanIdentity, kind};
use crate::slots::{Slot, bucket, meant_for, site};
use crate::target::fake::maps::Shape;
use crate::target::fake::reported::{decode, hex, kind_of, take};
use crate::target::fake::{FakeProcess, layouts};
use crate::target::{Lookup as _, Target as _};

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

mod copied;
mod disturbed;
mod http2;
mod refused;
mod within;
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

fn decode_start(bytes: &[u8]) -> Start {
    assert_eq!(kind_of(bytes), kind::HTTP_CLIENT_START);
    let (head, mut rest): (HttpClientStart, _) = decode(bytes);
    let texts = std::array::from_fn(|index| take(&mut rest, head.lengths[index], CAPACITIES[index]).0);
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
        let (message, _cut) = take(&mut rest, head.message_length, CAPACITY);
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
