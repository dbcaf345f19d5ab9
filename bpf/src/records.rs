//! The records that probes write into the ring buffer, as the launcher reads them.
//!
//! Integers only, explicit padding, sizes asserted. A record's texts are not zeroed beyond their length:
//! whatever lies there is left from an earlier record and must not be read.

pub mod http_client;

use core::mem::size_of;

use bytemuck::AnyBitPattern;

/// Bytes of the ring buffer.
pub const RING_BYTES: u32 = 4 << 20;

/// The first eight bytes of every record.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy, Debug)]
pub struct RecordHeader {
    /// One of [`kind`].
    pub kind: u32,
    /// Size of the whole record in bytes; the launcher refuses a record whose length differs.
    pub size: u32,
}

/// Values of [`RecordHeader::kind`].
pub mod kind {
    /// [`super::HttpServerStart`] with [`super::ShortTexts`].
    pub const HTTP_SERVER_START_SHORT: u32 = 1;
    /// [`super::HttpServerStart`] with [`super::LongTexts`].
    pub const HTTP_SERVER_START_LONG: u32 = 2;
    /// [`super::HttpServerEnd`].
    pub const HTTP_SERVER_END: u32 = 3;
    /// [`super::HttpServerPanic`].
    pub const HTTP_SERVER_PANIC: u32 = 4;
    /// [`super::http_client::HttpClientStart`] with [`super::http_client::ShortClientTexts`].
    pub const HTTP_CLIENT_START_SHORT: u32 = 5;
    /// [`super::http_client::HttpClientStart`] with [`super::http_client::LongClientTexts`].
    pub const HTTP_CLIENT_START_LONG: u32 = 6;
    /// [`super::http_client::HttpClientEnd`].
    pub const HTTP_CLIENT_END: u32 = 7;
    /// [`super::HttpServerEnd`] of a request that is open when the program ends: what is known of it at that moment.
    pub const HTTP_SERVER_UNFINISHED: u32 = 8;
    /// [`super::HttpServerStart`] with [`super::ProxiedTexts`].
    pub const HTTP_SERVER_START_PROXIED: u32 = 9;
}

/// A string of the application, cut at `N` bytes.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy)]
pub struct Text<const N: usize> {
    /// Length in the application; more than `N` where the text was cut, 0 where there was none or it could not be read.
    pub length: u32,
    /// The first `min(length, N)` bytes; the rest is undefined.
    pub bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The bytes that were read, and whether the application's string was longer.
    #[must_use]
    pub fn get(&self) -> (&[u8], bool) {
        let length = self.length as usize;
        (self.bytes.get(..length).unwrap_or(&self.bytes), length > N)
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match core::str::from_utf8(self.get().0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "{:?}", self.get().0),
        }
    }
}

/// Whose child a span is, and its own identity (W3C Trace Context, byte order as on the wire).
///
/// Aligned, so that it is copied by words.
#[repr(C, align(8))]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanIdentity {
    /// Trace id; never zero.
    pub trace_id: [u8; 16],
    /// The span's own id; never zero.
    pub span_id: [u8; 8],
    /// Zero for a root.
    pub parent_span_id: [u8; 8],
    /// Trace flags; bit 0 is "sampled".
    pub trace_flags: u8,
    /// 1 where the parent came with the request, 0 otherwise.
    pub parent_is_remote: u8,
    /// What is propagated with it, bits of [`crate::config::propagator`]: of a served request, what was extracted
    /// besides the parent; of an outgoing one, the headers that are injected.
    pub propagation: u8,
    /// Zero.
    pub padding: [u8; 5],
}

impl SpanIdentity {
    /// No span.
    pub const NONE: Self = Self {
        trace_id: [0; 16],
        span_id: [0; 8],
        parent_span_id: [0; 8],
        trace_flags: 0,
        parent_is_remote: 0,
        propagation: 0,
        padding: [0; 5],
    };

    /// Whether the span's parent is this span of this trace.
    #[inline(always)]
    #[must_use]
    pub fn is_child_of(&self, trace_id: &[u8; 16], span_id: &[u8; 8]) -> bool {
        let [trace, trace_end]: [u64; 2] = bytemuck::cast(self.trace_id);
        let [other, other_end]: [u64; 2] = bytemuck::cast(*trace_id);
        let parents = u64::from_ne_bytes(self.parent_span_id) ^ u64::from_ne_bytes(*span_id);
        // As numbers: of arrays the compiler would compare bytes.
        (trace ^ other) | (trace_end ^ other_end) | parents == 0
    }

    /// Copies by words; of a plain assignment the compiler makes a call of memmove in BPF, which goes byte by byte.
    #[inline(always)]
    pub fn copy_to(&self, other: &mut Self) {
        let [trace, trace_end, span, parent, flags]: [u64; 5] = *bytemuck::cast_ref(self);
        *bytemuck::cast_mut(other) = [trace, trace_end, span, parent, flags];
    }
}

/// A server has received a request and is about to call its handler.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy, Debug)]
pub struct HttpServerStart<Texts> {
    /// `kind` is [`kind::HTTP_SERVER_START_SHORT`], [`kind::HTTP_SERVER_START_PROXIED`] or
    /// [`kind::HTTP_SERVER_START_LONG`].
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
    /// The request's strings.
    pub texts: Texts,
}

macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $capacity:literal,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(AnyBitPattern, Clone, Copy, Debug)]
        #[allow(missing_docs, reason = "the fields are described at `ServerTexts`")]
        pub struct $name { $(pub $field: Text<$capacity>,)* }

        impl ServerTexts for $name {
            fn texts(&self) -> [(&[u8], bool); SERVER_TEXTS] { [$(self.$field.get(),)*] }
            fn capacities() -> [u32; SERVER_TEXTS] { [$($capacity,)*] }
        }
    };
}

/// Number of strings in a start record.
pub const SERVER_TEXTS: usize = 14;

/// The strings of a request, in the order of [`server_text`].
pub trait ServerTexts {
    /// Each string's bytes, and whether it was cut.
    fn texts(&self) -> [(&[u8], bool); SERVER_TEXTS];
    /// The capacities in bytes.
    fn capacities() -> [u32; SERVER_TEXTS];
}

/// Places of the strings in [`ServerTexts`].
pub mod server_text {
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
    /// Header `Tracestate`.
    pub const TRACE_STATE: usize = 8;
    /// Header `Upgrade`.
    pub const UPGRADE: usize = 9;
    /// Header `X-Forwarded-Host`.
    pub const FORWARDED_HOST: usize = 10;
    /// Header `Forwarded`, its first line.
    pub const FORWARDED: usize = 11;
    /// Header `Forwarded`, its second line.
    pub const FORWARDED_NEXT: usize = 12;
    /// Header `X-Forwarded-For`, its second line.
    pub const FORWARDED_FOR_NEXT: usize = 13;
}

texts! {
    /// Strings of an ordinary request; keeps the ring buffer dense.
    ShortTexts {
        method: 12, path: 128, query: 64, host: 64, remote: 48, user_agent: 144,
        forwarded_for: 48, forwarded_proto: 8, trace_state: 4, upgrade: 12,
        forwarded_host: 0, forwarded: 0, forwarded_next: 0, forwarded_for_next: 0,
    }
}

texts! {
    /// Strings of a request that has come through proxies and does not fit [`ShortTexts`].
    ProxiedTexts {
        method: 12, path: 128, query: 64, host: 64, remote: 48, user_agent: 144,
        forwarded_for: 96, forwarded_proto: 16, trace_state: 64, upgrade: 12,
        forwarded_host: 64, forwarded: 160, forwarded_next: 0, forwarded_for_next: 48,
    }
}

texts! {
    /// Strings of a request of which one does not fit [`ProxiedTexts`].
    LongTexts {
        method: 64, path: 2048, query: 2048, host: 256, remote: 64, user_agent: 512,
        forwarded_for: 256, forwarded_proto: 16, trace_state: 512, upgrade: 64,
        forwarded_host: 256, forwarded: 512, forwarded_next: 256, forwarded_for_next: 256,
    }
}

/// A handler has returned.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy, Debug)]
pub struct HttpServerEnd {
    /// `kind` is [`kind::HTTP_SERVER_END`], [`kind::HTTP_SERVER_UNFINISHED`] or, within [`HttpServerPanic`],
    /// [`kind::HTTP_SERVER_PANIC`].
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
    /// The `ServeMux` pattern that matched (Go ≥ 1.22): the one noted in the request, else the first that a mux has found.
    pub pattern: Text<252>,
}

/// Bits of [`HttpServerEnd::flags`].
pub mod end_flag {
    /// The handler took over the connection (`http.Hijacker`).
    pub const HIJACKED: u32 = 1;
    /// The handler's goroutine ended by `runtime.Goexit`.
    pub const GOEXIT: u32 = 2;
    /// The response could not be read: `status` and `body_size` mean nothing.
    pub const RESPONSE_UNREADABLE: u32 = 4;
    /// The header of the response is on its way to the client; in [`super::kind::HTTP_SERVER_UNFINISHED`] only.
    pub const SENT: u32 = 8;
}

/// A handler has panicked.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy, Debug)]
pub struct HttpServerPanic {
    /// What had been done until then.
    pub end: HttpServerEnd,
    /// Address of the type descriptor of the panic value, as in the process.
    pub value_type: u64,
    /// The first three words of what the panic value's data pointer points to.
    pub value: [u64; 3],
    /// The bytes behind `value`, where it is a plausible string header.
    pub message: Text<252>,
}

const _: () = {
    assert!(size_of::<RecordHeader>() == 8);
    assert!(size_of::<SpanIdentity>() == 40);
    assert!(size_of::<HttpServerStart<ShortTexts>>() == 72 + 14 * 4 + 532 + 4);
    assert!(size_of::<HttpServerStart<ProxiedTexts>>() == 72 + 14 * 4 + 920);
    assert!(size_of::<HttpServerStart<LongTexts>>() == 72 + 14 * 4 + 7120);
    assert!(size_of::<HttpServerEnd>() == 296);
    assert!(size_of::<HttpServerPanic>() == 296 + 32 + 256);
};
