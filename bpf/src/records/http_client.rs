//! Records of an HTTP client.

use bytemuck::AnyBitPattern;

use super::{RecordHeader, SpanIdentity, Text};

/// A client is about to send a request.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy, Debug)]
pub struct HttpClientStart<Texts> {
    /// `kind` is [`super::kind::HTTP_CLIENT_START_SHORT`] or [`super::kind::HTTP_CLIENT_START_LONG`].
    pub header: RecordHeader,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The new span.
    pub span: SpanIdentity,
    /// `http.Request.ContentLength`: −1 where unknown, 0 where there is no body.
    pub content_length: i64,
    /// 1 where the URL has a user.
    pub has_user: u32,
    /// How many redirects have led to the request.
    pub redirects: u32,
    /// The request's strings.
    pub texts: Texts,
}

/// Number of strings in a start record.
pub const CLIENT_TEXTS: usize = 6;

/// The strings of a request: method, scheme, host, path and query of its URL, and the host that is sent.
pub trait ClientTexts {
    /// Each string's bytes, and whether it was cut.
    fn texts(&self) -> [(&[u8], bool); CLIENT_TEXTS];
    /// The capacities in bytes.
    fn capacities() -> [u32; CLIENT_TEXTS];
}

macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $method:literal, $scheme:literal, $host:literal, $path:literal, $query:literal, $sent_host:literal }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(AnyBitPattern, Clone, Copy, Debug)]
        pub struct $name {
            /// `http.Request.Method`.
            pub method: Text<$method>,
            /// `url.URL.Scheme`.
            pub scheme: Text<$scheme>,
            /// `url.URL.Host`, with the port.
            pub host: Text<$host>,
            /// `url.URL.Path`.
            pub path: Text<$path>,
            /// `url.URL.RawQuery`.
            pub query: Text<$query>,
            /// `http.Request.Host`; empty where it is that of the URL.
            pub sent_host: Text<$sent_host>,
        }

        impl ClientTexts for $name {
            fn texts(&self) -> [(&[u8], bool); CLIENT_TEXTS] {
                let Self { method, scheme, host, path, query, sent_host } = self;
                [method.get(), scheme.get(), host.get(), path.get(), query.get(), sent_host.get()]
            }
            fn capacities() -> [u32; CLIENT_TEXTS] {
                [$method, $scheme, $host, $path, $query, $sent_host]
            }
        }
    };
}

texts! {
    /// Strings of an ordinary request; keeps the ring buffer dense.
    ShortClientTexts { 12, 12, 88, 124, 64, 52 }
}

texts! {
    /// Strings of a request of which one does not fit [`ShortClientTexts`].
    LongClientTexts { 64, 12, 256, 2048, 2048, 256 }
}

/// A round trip has ended.
#[repr(C)]
#[derive(AnyBitPattern, Clone, Copy, Debug)]
pub struct HttpClientEnd {
    /// `kind` is [`super::kind::HTTP_CLIENT_END`].
    pub header: RecordHeader,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The span that ends.
    pub span_id: [u8; 8],
    /// `http.Response.ContentLength`: −1 where unknown.
    pub content_length: i64,
    /// `http.Response.StatusCode`; 0 where there is no response.
    pub status: u32,
    /// `http.Response.ProtoMajor`.
    pub proto_major: u16,
    /// `http.Response.ProtoMinor`.
    pub proto_minor: u16,
    /// Address of the error's type descriptor, as in the process; 0 where there is no error.
    pub error_type: u64,
    /// The first three words of what the error's data pointer points to.
    pub error: [u64; 3],
    /// How often the header was written: more than once where the request was sent again.
    pub writes: u64,
    /// To whom.
    pub peer: Peer,
    /// The bytes behind the error's words, where they are a plausible string header.
    pub message: Text<252>,
}

/// The other end of a connection.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The IP address: 4 or 16 bytes, then zeros.
    pub address: [u8; 16],
    /// Bytes of the address; 0 where it is not known.
    pub length: u32,
    /// The TCP port.
    pub port: u32,
}

impl Peer {
    /// Copies by words, as [`SpanIdentity::copy_to`].
    #[inline(always)]
    pub fn copy_to(&self, other: &mut Self) {
        let words: [u64; 3] = bytemuck::cast(*self);
        *other = bytemuck::cast(words);
    }
}

/// Nobody known.
pub const NO_PEER: Peer = Peer { address: [0; 16], length: 0, port: 0 };

const _: () = {
    assert!(size_of::<HttpClientStart<ShortClientTexts>>() == 72 + 6 * 4 + 352);
    assert!(size_of::<HttpClientStart<LongClientTexts>>() == 72 + 6 * 4 + 4684 + 4);
    assert!(size_of::<HttpClientEnd>() == 8 + 8 + 8 + 8 + 8 + 8 + 24 + 8 + 24 + 256);
};
