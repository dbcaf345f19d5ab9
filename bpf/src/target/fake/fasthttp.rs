//! Values of `github.com/valyala/fasthttp` and `github.com/cloudwego/hertz` in the memory of a synthetic process.

use super::FakeProcess;
use crate::config::fasthttp_server::{EMPTY_FASTHTTP_SERVER, FasthttpServerConfig, WrappedLayout};
use crate::config::http_client::PeerLayout;
use crate::config::http_server::NO_PANIC;
use crate::config::{ABSENT, Offset, Setting};
use crate::go::header::{STRIDE, VALUE};
use crate::records::kind;

const fn at(offset: u32) -> Offset {
    Setting::new(offset)
}

/// The itab of `*net.TCPConn` as `net.Conn`, and that of `*net.TCPAddr` as `net.Addr`.
const ITABS: [u64; 2] = [0x50_0000, 0x50_2000];

/// Layouts as those of fasthttp 1.34; a panic is laid out as the release of Go says.
pub const LAYOUT: FasthttpServerConfig = FasthttpServerConfig {
    peer: PeerLayout {
        tcp: Setting::new(ITABS[0]),
        tls: Setting::new(0x50_1000),
        address: Setting::new(ITABS[1]),
        tls_inner: at(0),
        persist_conn: at(0),
        remote: at(112),
        port: at(24),
    },
    request: at(16),
    response: at(856),
    connection: at(1_400),
    method: at(48),
    target: at(72),
    host: at(120),
    user_agent: at(168),
    fields: at(192),
    content_length: at(8),
    no_http11: at(1),
    is_tls: at(800),
    status: at(8),
    body_stream: at(344),
    body_raw: at(392),
    body: at(384),
    panic: NO_PANIC,
    ..EMPTY_FASTHTTP_SERVER
};

/// The itabs of `*netpoll.Conn` and `*standard.Conn` as `network.Conn`.
pub const WRAPPERS: [u64; 2] = [0x50_3000, 0x50_4000];

/// The same as those of hertz 0.10.
pub const HERTZ_LAYOUT: FasthttpServerConfig = FasthttpServerConfig {
    wrapped: WrappedLayout { netpoll: Setting::new(WRAPPERS[0]), remote: at(72), inner: at(16) },
    no_http11: at(ABSENT),
    protocol: at(240),
    body_writer: at(440),
    route: at(1_480),
    start: Setting::new(kind::HERTZ_SERVER_START),
    ..LAYOUT
};

/// A request as a server has read it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// What stands in the request line.
    pub target: &'r str,
    /// Whether it came by HTTP/1.0.
    pub is_old: bool,
    /// The headers that have no field of their own.
    pub headers: &'r [(&'r str, &'r str)],
}

impl<const STORES: bool> FakeProcess<STORES> {
    /// The array of an `[]argsKV`.
    pub fn arguments(&self, headers: &[(&str, &str)]) -> u64 {
        let address = self.memory.allocate((u64::from(STRIDE) * headers.len() as u64).max(8));
        for (at, (name, value)) in (address..).step_by(STRIDE as usize).zip(headers) {
            self.memory.write_words(at, &self.string(name));
            self.memory.write_words(at + u64::from(VALUE), &self.string(value));
        }
        address
    }

    /// A `*RequestCtx` of a request from 192.0.2.7, port 50000, that is answered with this status and body; of hertz, a `*RequestContext` of the
    /// route `/items/:id`.
    pub fn served(&self, layout: &FasthttpServerConfig, request: &Request<'_>, status: u64, body: &str) -> u64 {
        let address = self.memory.allocate(1_600);
        let of_request = |field: Offset| address + u64::from(layout.request.get()) + u64::from(field.get());
        let set = |field: u64, text: &str| self.memory.write_words(field, &self.string(text));
        set(of_request(layout.method), "POST");
        set(of_request(layout.target), request.target);
        set(of_request(layout.host), "shop.example:8080");
        set(of_request(layout.user_agent), "curl/8.5");
        let fields = self.arguments(request.headers);
        self.memory.write_words(of_request(layout.fields), &[fields, request.headers.len() as u64]);
        self.memory.write_words(of_request(layout.content_length), &[42]);
        let connection = address + u64::from(layout.connection.get());
        if layout.route.get() == ABSENT {
            self.memory.write(of_request(layout.no_http11), &[u8::from(request.is_old)]);
            self.memory.write_words(connection, &[ITABS[0], self.connection()]);
        } else {
            set(of_request(layout.protocol), if request.is_old { "HTTP/1.0" } else { "HTTP/1.1" });
            set(address + u64::from(layout.route.get()), "/items/:id");
            self.memory.write_words(connection, &[WRAPPERS[0], self.polled_connection(layout)]);
        }
        let of_response = |field: Offset| address + u64::from(layout.response.get()) + u64::from(field.get());
        self.memory.write_words(of_response(layout.status), &[status]);
        let buffer = self.memory.allocate(24);
        set(buffer, body);
        self.memory.write_words(of_response(layout.body), &[buffer]);
        address
    }

    /// A `*net.TCPConn`.
    fn connection(&self) -> u64 {
        let (connection, descriptor) = (self.memory.allocate(8), self.memory.allocate(128));
        self.memory.write_words(connection, &[descriptor]);
        self.memory.write_words(descriptor + u64::from(LAYOUT.peer.remote.get()), &[ITABS[1], self.tcp_address()]);
        connection
    }

    /// A `*netpoll.Conn` of hertz around a `*netpoll.connection`, whose itab the runtime has made.
    fn polled_connection(&self, layout: &FasthttpServerConfig) -> u64 {
        let (wrapper, connection) = (self.memory.allocate(16), self.memory.allocate(128));
        self.memory.write_words(wrapper, &[0x7000_0000, connection]);
        self.memory.write_words(connection + u64::from(layout.wrapped.remote.get()), &[ITABS[1], self.tcp_address()]);
        wrapper
    }

    /// A `*standard.Conn` of hertz around a `*net.TCPConn`.
    pub fn standard_connection(&self, layout: &FasthttpServerConfig) -> u64 {
        let wrapper = self.memory.allocate(64);
        self.memory.write_words(wrapper + u64::from(layout.wrapped.inner.get()), &[ITABS[0], self.connection()]);
        wrapper
    }

    /// A `*net.TCPAddr`.
    fn tcp_address(&self) -> u64 {
        let (address, bytes) = (self.memory.allocate(48), self.memory.allocate(8));
        self.memory.write(bytes, &[192, 0, 2, 7]);
        self.memory.write_words(address, &[bytes, 4, 4, 50_000]);
        address
    }
}
