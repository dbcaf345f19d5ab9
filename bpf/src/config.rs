//! What the launcher tells the probes before they are loaded: layouts of the program's types, the sampler.
//!
//! The values stand in read-only data, which the kernel's verifier treats as constants: code for a layout
//! that the program does not have is removed when the object is loaded.

pub mod http_client;
pub mod parents;

use core::mem::size_of;

mod ends;

pub use ends::{
    ALWAYS, EMPTY_RECIPE, EndRecipe, EndRecipes, MAX_LOADS, MAX_PER_SITE, MAX_RESULTS, NO_RESULT, ResultLocation, base,
};

/// A number that the launcher sets before the object is loaded.
///
/// The compiler must not assume the value it sees, hence the volatile read.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Setting<T>(T);

impl<T: Copy> Setting<T> {
    /// A setting with this value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: `self` is a valid, aligned, initialised reference; only the optimiser is kept from looking through it.
        unsafe { core::ptr::read_volatile(&raw const self.0) }
    }
}

/// Byte offset of a field in a Go struct.
pub type Offset = Setting<u32>;

/// The program has no such field.
pub const ABSENT: u32 = u32::MAX;

/// How traces are sampled (OpenTelemetry specification, "SDK", "Sampling").
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SamplerSetting {
    /// 1: a sampled or unsampled parent decides; 0: every span is decided on its own.
    pub parent_based: Setting<u32>,
    /// Which headers are read and written: bits of [`propagator`].
    pub propagators: Setting<u32>,
    /// A trace is taken where bytes 8–15 of its id, read big-endian and shifted right by one, are below this:
    /// 0 takes none, 2^63 takes all.
    pub threshold: Setting<u64>,
}

/// Bits of [`SamplerSetting::propagators`], and of [`crate::records::SpanIdentity::passes`].
pub mod propagator {
    /// `traceparent` and `tracestate` (W3C Trace Context).
    pub const TRACE_CONTEXT: u8 = 1;
    /// `baggage` (W3C Baggage).
    pub const BAGGAGE: u8 = 2;
    /// `b3` (<https://github.com/openzipkin/b3-propagation>).
    pub const B3: u8 = 4;
    /// `X-B3-TraceId` and its like.
    pub const B3_MULTI: u8 = 8;
    /// `tracestate`, apart from `traceparent`; in `passes` only.
    pub const TRACE_STATE: u8 = 16;
}

impl SamplerSetting {
    /// Whether the headers of this [`propagator`] are read and written.
    #[inline(always)]
    #[must_use]
    pub fn has(&self, propagator: u8) -> bool {
        self.propagators.get() & u32::from(propagator) != 0
    }
}

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

/// The map behind `http.Header` (`map[string][]string`); see reference in `go::map`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MapLayout {
    /// 1: swiss map (`internal/runtime/maps.Map`, Go ≥ 1.24); 0: `runtime.hmap`.
    pub swiss: Setting<u32>,
    /// Lowest control byte (swiss) or tophash of a slot that holds an entry.
    pub full_from: Setting<u32>,
    /// How many such values there are.
    pub full_count: Setting<u32>,
    /// First key in a group or bucket.
    pub keys: Offset,
    /// From one key to the next.
    pub key_stride: Setting<u32>,
    /// Keys that are read at once: 8, or 4 where elements lie between them.
    pub keys_at_once: Setting<u32>,
    /// First element in a group or bucket.
    pub elements: Offset,
    /// From one element to the next.
    pub element_stride: Setting<u32>,
    /// Size of a group or bucket.
    pub group_size: Setting<u32>,
    /// `Map.used uint64` or `hmap.count int`.
    pub count: Offset,
    /// `Map.dirPtr` or `hmap.buckets`.
    pub directory: Offset,
    /// `Map.dirLen`, or `hmap.B` (one byte).
    pub directory_length: Offset,
    /// `table.groups.data` (swiss).
    pub table_groups: Offset,
    /// `table.groups.lengthMask` (swiss).
    pub table_mask: Offset,
    /// `hmap.oldbuckets`.
    pub old_buckets: Offset,
    /// `bmap.overflow`.
    pub overflow: Offset,
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
    assert!(size_of::<SamplerSetting>() == 16);
    assert!(size_of::<HttpServerConfig>() == 4 * (12 + 12 + 2 + 1 + 4 + 3 + 3 + 3 + 16));
};

/// Cookies tell a probe which of its sites was hit.
pub mod cookie {
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
    /// Start of `(*conn).serve.func1`: the connection's goroutine ends, by a panic where a request is open; or start of
    /// `(*serverConn).runHandler.func1`: an HTTP/2 handler has returned or panicked.
    pub const UNWIND: u32 = 17;
}

const NO_OFFSET: Offset = Setting::new(ABSENT);
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
const NO_WRITER: Http2WriterLayout = Http2WriterLayout { rws: NO_OFFSET, status: NO_OFFSET, wrote_bytes: NO_OFFSET };

const NO_MAP: MapLayout = MapLayout {
    swiss: NO_OFFSET,
    full_from: NO_OFFSET,
    full_count: NO_OFFSET,
    keys: NO_OFFSET,
    key_stride: NO_OFFSET,
    keys_at_once: Setting::new(8),
    elements: NO_OFFSET,
    element_stride: NO_OFFSET,
    group_size: NO_OFFSET,
    count: NO_OFFSET,
    directory: NO_OFFSET,
    directory_length: NO_OFFSET,
    table_groups: NO_OFFSET,
    table_mask: NO_OFFSET,
    old_buckets: NO_OFFSET,
    overflow: NO_OFFSET,
};

/// Before the launcher has set anything.
pub const EMPTY_HTTP_SERVER: HttpServerConfig = HttpServerConfig {
    request: NO_REQUEST,
    http2_request: NO_REQUEST,
    url: UrlLayout { path: NO_OFFSET, raw_query: NO_OFFSET },
    pattern_str: NO_OFFSET,
    response: ResponseLayout { conn: NO_OFFSET, status: NO_OFFSET, written: NO_OFFSET, hijacked: NO_OFFSET },
    http2_writer: NO_WRITER,
    xnet_writer: NO_WRITER,
    panic: PanicLayout { g_panic: NO_OFFSET, arg: NO_OFFSET, goexit: NO_OFFSET },
    header_map: NO_MAP,
};

/// Before the launcher has set anything: nothing is sampled.
pub const EMPTY_SAMPLER: SamplerSetting =
    SamplerSetting { parent_based: Setting::new(0), propagators: Setting::new(0), threshold: Setting::new(0) };

/// The bytes of a configuration, as the object's read-only data holds them.
///
/// # Safety
/// Implemented for structs of [`Setting`]s without implicit padding only.
pub unsafe trait ReadOnlyData: Sized {
    /// The bytes.
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: the type has no padding (the trait's contract), so all its bytes are initialised.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}

// SAFETY: 32-bit settings only (see the size assertion above).
unsafe impl ReadOnlyData for HttpServerConfig {}
// SAFETY: one 64-bit setting.
unsafe impl ReadOnlyData for Setting<u64> {}
// SAFETY: no padding: two 32-bit settings and one of 64 bits.
unsafe impl ReadOnlyData for SamplerSetting {}
