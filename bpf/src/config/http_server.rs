//! What the probes of the HTTP server need to know of a program.

use core::mem::size_of;

use super::{MapLayout, NO_MAP, NO_OFFSET, Offset, ReadOnlyData};

/// `http.Request`, or `http2.ServerRequest` of Go 1.27, which names its fields alike.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RequestLayout {
    /// `Method string`.
    pub method: Offset,
    /// `URL *url.URL`.
    pub url: Offset,
    /// `ProtoMajor int`.
    pub proto_major: Offset,
    /// `ProtoMinor int`.
    pub proto_minor: Offset,
    /// `Header Header`.
    pub header: Offset,
    /// `ContentLength int64`.
    pub content_length: Offset,
    /// `Host string`.
    pub host: Offset,
    /// `RemoteAddr string`.
    pub remote_addr: Offset,
    /// `TLS *tls.ConnectionState`.
    pub tls: Offset,
    /// `ctx context.Context` (`http2.ServerRequest`: `Context`).
    pub context: Offset,
    /// `Pattern string` (Go ≥ 1.23), or [`ABSENT`].
    pub pattern: Offset,
    /// `pat *pattern` (Go 1.22), or [`ABSENT`].
    pub pat: Offset,
}

/// `url.URL`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UrlLayout {
    /// `Path string`.
    pub path: Offset,
    /// `RawQuery string`.
    pub raw_query: Offset,
}

/// `net/http.response` and `net/http.conn`: the HTTP/1 response writer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ResponseLayout {
    /// `response.conn *conn`.
    pub conn: Offset,
    /// `response.status int`.
    pub status: Offset,
    /// `response.written int64`.
    pub written: Offset,
    /// `conn.hijackedv bool`.
    pub hijacked: Offset,
    /// `response.cw.wroteHeader bool`, or [`ABSENT`].
    pub sent: Offset,
}

/// `responseWriter` and `responseWriterState` of an HTTP/2 server.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Http2WriterLayout {
    /// `responseWriter.rws *responseWriterState`.
    pub rws: Offset,
    /// `responseWriterState.status int`.
    pub status: Offset,
    /// `responseWriterState.wroteBytes int64`.
    pub wrote_bytes: Offset,
    /// `responseWriterState.sentHeader bool`, or [`ABSENT`].
    pub sent: Offset,
}

/// `runtime.g` and `runtime._panic`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PanicLayout {
    /// `g._panic *_panic`.
    pub g_panic: Offset,
    /// `_panic.arg any`.
    pub arg: Offset,
    /// `_panic.goexit bool`.
    pub goexit: Offset,
}

/// All that the probes of the HTTP server need to know of a program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpServerConfig {
    /// `net/http.Request`.
    pub request: RequestLayout,
    /// `net/http/internal/http2.ServerRequest` (Go 1.27), else a copy of `request`.
    pub http2_request: RequestLayout,
    /// `net/url.URL`.
    pub url: UrlLayout,
    /// `net/http.pattern.str` (Go 1.22), or [`ABSENT`].
    pub pattern_str: Offset,
    /// `net/http.response`.
    pub response: ResponseLayout,
    /// The HTTP/2 server within the standard library.
    pub http2_writer: Http2WriterLayout,
    /// The HTTP/2 server of `golang.org/x/net/http2`.
    pub xnet_writer: Http2WriterLayout,
    /// `runtime.g`.
    pub panic: PanicLayout,
    /// `net/http.Header`.
    pub header_map: MapLayout,
}

const _: () = {
    assert!(size_of::<HttpServerConfig>() == 4 * (12 + 12 + 2 + 1 + 5 + 4 + 4 + 3 + 16));
};

/// What a hit of the server's probes means ([`super::Cookie::event`]).
pub mod event {
    /// `CALL serverHandler.ServeHTTP` in `(*conn).serve`, or that function's start:
    /// RBX, RCX the `ResponseWriter` interface, RDI the `*http.Request`.
    pub const START_HANDLER: u32 = 1;
    /// Start of `(*serverConn).runHandler` of the standard library's HTTP/2 server: RBX the `*responseWriter`, RCX the `*http.Request`.
    pub const START_HTTP2: u32 = 2;
    /// The same of `golang.org/x/net/http2`.
    pub const START_XNET: u32 = 3;
    /// Start of `net/http.http2Handler.ServeHTTP` (Go 1.27): RCX the `*http2.ResponseWriter`, RDI the `*http2.ServerRequest`.
    pub const START_HTTP2_REQUEST: u32 = 4;
    /// `CALL (*conn).hijacked` in `(*conn).serve`: an HTTP/1 handler has returned.
    pub const END: u32 = 16;
    /// Start of `(*conn).serve.func1`: the connection's goroutine ends, by a panic where a request is open.
    pub const UNWIND: u32 = 17;
    /// Start of `(*serverConn).runHandler.func1`: an HTTP/2 handler has returned or panicked.
    pub const END_HTTP2: u32 = 20;
    /// An end of `(*ServeMux).findHandler`.
    pub const ROUTE: u32 = 19;
    /// Start of `runtime.exit` or `runtime.dieFromSignal`: the program ends, whatever is still open.
    pub const EXIT: u32 = 18;
}

/// Not known.
pub const NO_PANIC: PanicLayout = PanicLayout { g_panic: NO_OFFSET, arg: NO_OFFSET, goexit: NO_OFFSET };
const NO_REQUEST: RequestLayout = RequestLayout {
    method: NO_OFFSET,
    url: NO_OFFSET,
    proto_major: NO_OFFSET,
    proto_minor: NO_OFFSET,
    header: NO_OFFSET,
    content_length: NO_OFFSET,
    host: NO_OFFSET,
    remote_addr: NO_OFFSET,
    tls: NO_OFFSET,
    context: NO_OFFSET,
    pattern: NO_OFFSET,
    pat: NO_OFFSET,
};
const NO_WRITER: Http2WriterLayout =
    Http2WriterLayout { rws: NO_OFFSET, status: NO_OFFSET, wrote_bytes: NO_OFFSET, sent: NO_OFFSET };

/// Before the launcher has set anything.
pub const EMPTY_HTTP_SERVER: HttpServerConfig = HttpServerConfig {
    request: NO_REQUEST,
    http2_request: NO_REQUEST,
    url: UrlLayout { path: NO_OFFSET, raw_query: NO_OFFSET },
    pattern_str: NO_OFFSET,
    response: ResponseLayout { conn: NO_OFFSET, status: NO_OFFSET, written: NO_OFFSET, hijacked: NO_OFFSET, sent: NO_OFFSET },
    http2_writer: NO_WRITER,
    xnet_writer: NO_WRITER,
    panic: NO_PANIC,
    header_map: NO_MAP,
};

// SAFETY: 32-bit settings only (see the size assertion above).
unsafe impl ReadOnlyData for HttpServerConfig {}
