//! Records of an HTTP server.

use bytemuck::{Pod, Zeroable};

use super::{RecordHeader, SpanIdentity};

/// A server has received a request and is about to call its handler. The strings of [`text`] follow.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct HttpServerStart {
    /// `kind` is [`super::kind::HTTP_SERVER_START`].
    pub header: RecordHeader,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The new span.
    pub span: SpanIdentity,
    /// `http.Request.ContentLength`: −1 where unknown.
    pub content_length: i64,
    /// `http.Request.ProtoMajor`.
    pub proto_major: u16,
    /// `http.Request.ProtoMinor`.
    pub proto_minor: u16,
    /// 1 where `http.Request.TLS` is set.
    pub tls: u32,
    /// Lengths of the strings in the process.
    pub lengths: [u32; TEXTS],
}

/// Number of strings in a start record.
pub const TEXTS: usize = 14;

/// Places of the strings in [`HttpServerStart::lengths`] and [`CAPACITIES`].
pub mod text {
    /// `http.Request.Method`.
    pub const METHOD: usize = 0;
    /// `url.URL.Path`.
    pub const PATH: usize = 1;
    /// `url.URL.RawQuery`.
    pub const QUERY: usize = 2;
    /// `http.Request.Host`.
    pub const HOST: usize = 3;
    /// `http.Request.RemoteAddr`.
    pub const REMOTE: usize = 4;
    /// Header `User-Agent`.
    pub const USER_AGENT: usize = 5;
    /// Header `X-Forwarded-For`, its first line.
    pub const FORWARDED_FOR: usize = 6;
    /// Header `X-Forwarded-Proto`.
    pub const FORWARDED_PROTO: usize = 7;
    /// Header `Upgrade`.
    pub const UPGRADE: usize = 8;
    /// Header `X-Forwarded-Host`.
    pub const FORWARDED_HOST: usize = 9;
    /// Header `Forwarded`, its first line.
    pub const FORWARDED: usize = 10;
    /// Header `Forwarded`, its second line.
    pub const FORWARDED_NEXT: usize = 11;
    /// Header `X-Forwarded-For`, its second line.
    pub const FORWARDED_FOR_NEXT: usize = 12;
    /// Header `Tracestate`, its lines joined: the last.
    pub const TRACE_STATE: usize = 13;
}

/// How many bytes of each string a record holds at most.
pub static CAPACITIES: [u32; TEXTS] = [64, 2_048, 2_048, 256, 64, 512, 256, 16, 64, 256, 512, 256, 256, 512];
/// The same of the pattern of a route, and of the text of a panic.
pub const CAPACITY: u32 = 252;

/// Patterns of muxes within each other that a record has: of more, the last counts.
pub const PATTERNS: usize = 4;

/// A handler has returned. The patterns follow.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct HttpServerEnd {
    /// `kind` is [`super::kind::HTTP_SERVER_END`], [`super::kind::HTTP_SERVER_UNFINISHED`] or, within [`HttpServerPanic`],
    /// [`super::kind::HTTP_SERVER_PANIC`].
    pub header: RecordHeader,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The span that ends.
    pub span_id: [u8; 8],
    /// Bytes that the handler wrote as body.
    pub body_size: i64,
    /// Status that the handler set; 0 where it set none.
    pub status: u32,
    /// Bits of [`end_flag`].
    pub flags: u32,
    /// Length of the text of a panic; else 0.
    pub message_length: u32,
    /// Lengths of the `ServeMux` patterns that matched (Go ≥ 1.22), or of the route of `hertz`: the one noted in the request, else the first that a mux has found; then
    /// those that muxes within have found, where they are not noted in the request.
    pub pattern_lengths: [u32; PATTERNS],
    /// Zero.
    pub padding: u32,
}

/// Bits of [`HttpServerEnd::flags`].
pub mod end_flag {
    /// The handler took over the connection (`http.Hijacker`).
    pub const HIJACKED: u32 = 1;
    /// The handler's goroutine ended by `runtime.Goexit`.
    pub const GOEXIT: u32 = 2;
    /// The response could not be read: `status` and `body_size` mean nothing.
    pub const RESPONSE_UNREADABLE: u32 = 4;
    /// The header of the response is on its way to the client; in [`crate::records::kind::HTTP_SERVER_UNFINISHED`] only.
    pub const SENT: u32 = 8;
}

/// A handler has panicked. The patterns follow, then the bytes behind `value`, where it is a plausible string header.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct HttpServerPanic {
    /// What had been done until then.
    pub end: HttpServerEnd,
    /// Address of the type descriptor of the panic value, as in the process.
    pub value_type: u64,
    /// The first three words of what the panic value's data pointer points to.
    pub value: [u64; 3],
}

const _: () = {
    assert!(size_of::<HttpServerStart>() == 72 + TEXTS * 4);
    assert!(size_of::<HttpServerEnd>() == 64);
    assert!(size_of::<HttpServerPanic>() == 64 + 32);
};
