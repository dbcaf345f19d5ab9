//! What the probes of the HTTP client need to know of a program.

use super::{ABSENT, MapLayout, NO_MAP, Offset, ReadOnlyData, Setting};

/// `net/http.Request`, `net/url.URL`, `net/http.Response`, `bufio.Writer` and `runtime.g` of a client.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpClientConfig {
    /// `*bufio.Writer` as `io.Writer`: the itab's address in the file; 0 where headers are not written.
    pub buffered_writer: Setting<u64>,
    /// `Request.Method string`.
    pub method: Offset,
    /// `Request.URL *url.URL`.
    pub url: Offset,
    /// `Request.Header Header`.
    pub header: Offset,
    /// `Request.ctx context.Context`.
    pub context: Offset,
    /// `Request.ContentLength int64`.
    pub content_length: Offset,
    /// `URL.Scheme string`.
    pub scheme: Offset,
    /// `URL.User *Userinfo`.
    pub user: Offset,
    /// `URL.Host string`.
    pub host: Offset,
    /// `URL.Path string`.
    pub path: Offset,
    /// `URL.RawQuery string`.
    pub raw_query: Offset,
    /// `Response.StatusCode int`.
    pub status_code: Offset,
    /// `Response.ProtoMajor int`.
    pub proto_major: Offset,
    /// `Response.ProtoMinor int`.
    pub proto_minor: Offset,
    /// `Response.ContentLength int64`.
    pub response_length: Offset,
    /// `bufio.Writer.buf []byte`.
    pub buffer: Offset,
    /// `bufio.Writer.n int`.
    pub buffered: Offset,
    /// `g.stack.hi uintptr`.
    pub stack_high: Offset,
    /// Zero.
    pub padding: Setting<u32>,
    /// `net/http.Header`.
    pub header_map: MapLayout,
}

/// Before the launcher has set anything.
pub const EMPTY_HTTP_CLIENT: HttpClientConfig = HttpClientConfig {
    buffered_writer: Setting::new(0),
    method: Setting::new(ABSENT),
    url: Setting::new(ABSENT),
    header: Setting::new(ABSENT),
    context: Setting::new(ABSENT),
    content_length: Setting::new(ABSENT),
    scheme: Setting::new(ABSENT),
    user: Setting::new(ABSENT),
    host: Setting::new(ABSENT),
    path: Setting::new(ABSENT),
    raw_query: Setting::new(ABSENT),
    status_code: Setting::new(ABSENT),
    proto_major: Setting::new(ABSENT),
    proto_minor: Setting::new(ABSENT),
    response_length: Setting::new(ABSENT),
    buffer: Setting::new(ABSENT),
    buffered: Setting::new(ABSENT),
    stack_high: Setting::new(ABSENT),
    padding: Setting::new(0),
    header_map: NO_MAP,
};

/// Ends of `(*Transport).roundTrip` that are provided for: Go 1.21 to 1.27 have 16 returns.
pub const CLIENT_ENDS: usize = 32;

/// Cookies of the client's probes.
pub mod cookie {
    /// Start of `(*Transport).roundTrip`: RBX the `*http.Request`.
    pub const START: u32 = 1;
    /// `CALL Header.writeSubset` in `(*Request).write`: RAX the header, RBX, RCX the `io.Writer`, RDI the names left out.
    pub const WRITE: u32 = 2;
    /// The first end of `(*Transport).roundTrip`; the others follow.
    pub const END: u32 = 16;
    /// The first end of `runtime.newproc1`; the others follow.
    pub const NEW_GOROUTINE: u32 = 128;
}

const _: () = assert!(size_of::<HttpClientConfig>() == 8 + 4 * (18 + 16));

// SAFETY: 32-bit settings behind one of 64 bits, an even number of them (see the size assertion above).
unsafe impl ReadOnlyData for HttpClientConfig {}
