//! Go values in the memory of a synthetic process.

use super::FakeProcess;
use super::maps::Shape;
use crate::config::http_server::{Http2WriterLayout, RequestLayout};
use crate::config::{ABSENT, Offset};

/// A request as a server gives it to a handler.
#[derive(Clone, Debug)]
pub struct Request {
    /// `Method`.
    pub method: String,
    /// `URL.Path`.
    pub path: String,
    /// `URL.RawQuery`.
    pub query: String,
    /// `Host`.
    pub host: String,
    /// `RemoteAddr`.
    pub remote: String,
    /// `ProtoMajor` and `ProtoMinor`.
    pub proto: (u64, u64),
    /// `ContentLength`.
    pub content_length: i64,
    /// Whether `TLS` is set.
    pub tls: bool,
    /// `Pattern`, or that of `pat`.
    pub pattern: String,
    /// `Header`.
    pub headers: Vec<(String, String)>,
    /// How the header's map lies in memory.
    pub shape: Shape,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "POST".into(),
            path: "/items/7".into(),
            query: "page=2".into(),
            host: "shop.example:8080".into(),
            remote: "192.0.2.7:50000".into(),
            proto: (1, 1),
            content_length: 42,
            tls: false,
            pattern: "POST /items/{id}".into(),
            headers: Vec::new(),
            shape: Shape::Plain,
        }
    }
}

impl Request {
    /// The same with these headers in addition.
    #[must_use]
    pub fn with<'h>(mut self, headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Self {
        self.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }
}

impl<const STORES: bool> FakeProcess<STORES> {
    /// A string's header: address and length. An empty string has no address.
    pub fn string(&self, text: &str) -> [u64; 2] {
        if text.is_empty() {
            return [0, 0];
        }
        let address = self.memory.allocate(text.len() as u64);
        self.memory.write(address, text.as_bytes());
        [address, text.len() as u64]
    }

    /// The header of a `[]string`.
    pub fn strings(&self, texts: &[&str]) -> [u64; 3] {
        let length = texts.len() as u64;
        if length == 0 {
            return [0; 3];
        }
        let address = self.memory.allocate(16 * length);
        for (at, text) in (address..).step_by(16).zip(texts) {
            self.memory.write_words(at, &self.string(text));
        }
        [address, length, length]
    }

    /// Writes words at a field of a struct, unless the release has no such field.
    fn set(&self, address: u64, field: Offset, words: &[u64]) {
        if field.get() != ABSENT {
            self.memory.write_words(address + u64::from(field.get()), words);
        }
    }

    /// A `*url.URL`.
    pub fn url(&self, path: &str, query: &str) -> u64 {
        let address = self.memory.allocate(144);
        self.set(address, self.layout.url.path, &self.string(path));
        self.set(address, self.layout.url.raw_query, &self.string(query));
        address
    }

    /// A `*http.Request`.
    pub fn request(&self, request: &Request) -> u64 {
        self.request_of(&self.layout.request, request)
    }

    /// A `*http2.ServerRequest` of Go 1.27.
    pub fn http2_request(&self, request: &Request) -> u64 {
        self.request_of(&self.layout.http2_request, request)
    }

    fn request_of(&self, layout: &RequestLayout, request: &Request) -> u64 {
        let address = self.memory.allocate(288);
        self.set(address, layout.method, &self.string(&request.method));
        self.set(address, layout.url, &[self.url(&request.path, &request.query)]);
        self.set(address, layout.proto_major, &[request.proto.0]);
        self.set(address, layout.proto_minor, &[request.proto.1]);
        self.set(address, layout.header, &[self.header(&request.headers, request.shape)]);
        self.set(address, layout.content_length, &[request.content_length.cast_unsigned()]);
        self.set(address, layout.host, &self.string(&request.host));
        self.set(address, layout.remote_addr, &self.string(&request.remote));
        self.set(address, layout.tls, &[if request.tls { self.memory.allocate(8) } else { 0 }]);
        let pattern = self.string(&request.pattern);
        self.set(address, layout.pattern, &pattern);
        if layout.pat.get() != ABSENT && !request.pattern.is_empty() {
            let pat = self.memory.allocate(64);
            self.set(pat, self.layout.pattern_str, &pattern);
            self.set(address, layout.pat, &[pat]);
        }
        address
    }

    /// A `*http.response` with its `*conn`.
    pub fn response(&self, status: u64, written: i64, hijacked: bool) -> u64 {
        let layout = &self.layout.response;
        let conn = self.memory.allocate(256);
        self.memory.write(conn + u64::from(layout.hijacked.get()), &[u8::from(hijacked)]);
        let address = self.memory.allocate(512);
        self.set(address, layout.conn, &[conn]);
        self.set(address, layout.status, &[status]);
        self.set(address, layout.written, &[written.cast_unsigned()]);
        address
    }

    /// An HTTP/2 `*responseWriter` with its state.
    pub fn http2_writer(&self, layout: &Http2WriterLayout, status: u64, written: i64) -> u64 {
        let state = self.memory.allocate(512);
        self.set(state, layout.status, &[status]);
        self.set(state, layout.wrote_bytes, &[written.cast_unsigned()]);
        let address = self.memory.allocate(32);
        self.set(address, layout.rws, &[state]);
        address
    }

    /// A `*runtime.g` that is not panicking.
    pub fn goroutine_struct(&self) -> u64 {
        self.memory.allocate(448)
    }

    /// Makes a goroutine panic with the interface value `value`; `None` is `runtime.Goexit`.
    pub fn panic(&self, goroutine: u64, value: Option<[u64; 2]>) {
        let layout = &self.layout.panic;
        let panic = self.memory.allocate(112);
        self.set(panic, layout.arg, &value.unwrap_or_default());
        self.memory.write(panic + u64::from(layout.goexit.get()), &[u8::from(value.is_none())]);
        self.set(goroutine, layout.g_panic, &[panic]);
    }

    /// Makes a goroutine that has recovered.
    pub fn recover(&self, goroutine: u64) {
        self.set(goroutine, self.layout.panic.g_panic, &[0]);
    }
}
