//! What the probes of servers of `github.com/valyala/fasthttp`, and of `github.com/cloudwego/hertz`, need to know of a program: each has one
//! of these.

use core::mem::size_of;

use super::http_client::{NO_PEER, PeerLayout};
use super::http_server::{NO_PANIC, PanicLayout};
use super::{NO_OFFSET, Offset, ReadOnlyData, Setting};
use crate::records::kind;

/// All of it. A field within another one counts from the outer: `Request.Header.method` from the `Request`. Fields have the names of
/// `fasthttp`; where `hertz` has another one, that stands behind it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FasthttpServerConfig {
    /// From a connection to the address of its peer.
    pub peer: PeerLayout,
    /// What is around the connections of `hertz`.
    pub wrapped: WrappedLayout,
    /// `RequestCtx.Request Request`; `RequestContext.Request`.
    pub request: Offset,
    /// `RequestCtx.Response Response`; `RequestContext.Response`.
    pub response: Offset,
    /// `RequestCtx.c net.Conn`; `RequestContext.conn network.Conn`.
    pub connection: Offset,
    /// `Request.Header.method []byte`.
    pub method: Offset,
    /// `Request.Header.requestURI []byte`: what stands in the request line.
    pub target: Offset,
    /// `Request.Header.host []byte`.
    pub host: Offset,
    /// `Request.Header.userAgent []byte`.
    pub user_agent: Offset,
    /// `Request.Header.h []argsKV`: all other headers.
    pub fields: Offset,
    /// `Request.Header.contentLength int`: negative where it is not known.
    pub content_length: Offset,
    /// `Request.Header.noHTTP11 bool`, or [`super::ABSENT`].
    pub no_http11: Offset,
    /// `Request.Header.protocol string`, where the former is absent.
    pub protocol: Offset,
    /// `Request.isTLS bool`.
    pub is_tls: Offset,
    /// `Response.Header.statusCode int`: 0 stands for 200.
    pub status: Offset,
    /// `Response.bodyStream io.Reader`.
    pub body_stream: Offset,
    /// `Response.bodyRaw []byte`.
    pub body_raw: Offset,
    /// `Response.body *bytebufferpool.ByteBuffer`, which begins with its `B []byte`.
    pub body: Offset,
    /// `Response.hijackWriter network.ExtWriter`: what has written the body already, or [`super::ABSENT`].
    pub body_writer: Offset,
    /// `RequestContext.fullPath string`: the route, or [`super::ABSENT`].
    pub route: Offset,
    /// The kind of a start's record: which server it is.
    pub start: Setting<u32>,
    /// `runtime.g`.
    pub panic: PanicLayout,
}

/// What is around the connections of `hertz`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WrappedLayout {
    /// `*netpoll.Conn` as `network.Conn`, which holds a `*netpoll.connection` in an interface: the itab's address in the file; 0 where there
    /// is none.
    pub netpoll: Setting<u64>,
    /// `netpoll.connection.netFD.remoteAddr net.Addr`.
    pub remote: Offset,
    /// `standard.Conn.c net.Conn`, of all others; [`super::ABSENT`] where nothing is around them.
    pub inner: Offset,
}

/// Nothing is around them.
pub const NOT_WRAPPED: WrappedLayout = WrappedLayout { netpoll: Setting::new(0), remote: NO_OFFSET, inner: NO_OFFSET };

/// Before the launcher has set anything.
pub const EMPTY_FASTHTTP_SERVER: FasthttpServerConfig = FasthttpServerConfig {
    peer: NO_PEER,
    wrapped: NOT_WRAPPED,
    request: NO_OFFSET,
    response: NO_OFFSET,
    connection: NO_OFFSET,
    method: NO_OFFSET,
    target: NO_OFFSET,
    host: NO_OFFSET,
    user_agent: NO_OFFSET,
    fields: NO_OFFSET,
    content_length: NO_OFFSET,
    no_http11: NO_OFFSET,
    protocol: NO_OFFSET,
    is_tls: NO_OFFSET,
    status: NO_OFFSET,
    body_stream: NO_OFFSET,
    body_raw: NO_OFFSET,
    body: NO_OFFSET,
    body_writer: NO_OFFSET,
    route: NO_OFFSET,
    start: Setting::new(kind::FASTHTTP_SERVER_START),
    panic: NO_PANIC,
};

/// What a hit of the server's probes means ([`super::Cookie::event`]).
pub mod event {
    /// `CALL (*Request).readLimitBody` or `readBodyStream` (`req.ReadLimitBody`, `req.ReadBodyStream`) where a connection is served, when the header has been read: the first argument is
    /// the `*Request`.
    pub const START: u32 = 1;
    /// `CALL writeResponse` behind the handler: the first argument is the `*RequestCtx`.
    pub const END: u32 = 16;
    /// `CALL (*Response).Write` (`resp.Write`) behind the handler, where the former is inlined: the first argument is the `*Response`.
    pub const END_RESPONSE: u32 = 17;
    /// The same as [`END`] where an error is answered, perhaps before there was a request.
    pub const ERROR: u32 = 18;
    /// The same as [`END_RESPONSE`].
    pub const ERROR_RESPONSE: u32 = 19;
    /// `CALL runtime.newproc`: the connection has been taken over; a request is open where nothing is answered.
    pub const HIJACKED: u32 = 20;
    /// `CALL (*Server).releaseCtx`, or the start of `Server.Serve.func1` of `hertz`: the connection ends; a request that is open is never
    /// answered, or a panic unwinds its handler.
    pub const CLOSED: u32 = 21;
    /// Start of `runtime.preprintpanics`: a panic on this goroutine ends the process.
    pub const PANIC: u32 = 22;
}

const _: () = assert!(size_of::<WrappedLayout>() == 8 + 2 * 4);
const _: () = assert!(size_of::<FasthttpServerConfig>() == size_of::<PeerLayout>() + size_of::<WrappedLayout>() + 4 * (19 + 3));

// SAFETY: 32-bit settings behind those of 64 bits, an even number of them (see the size assertion above).
unsafe impl ReadOnlyData for FasthttpServerConfig {}
