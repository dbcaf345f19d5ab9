//! Records of an HTTP client.

use bytemuck::{Pod, Zeroable};

use super::{RecordHeader, SpanIdentity};

/// A client is about to send a request. Its strings follow: method, scheme, host, path and query of the URL, and the host that is
/// sent where it is another one.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct HttpClientStart {
    /// `kind` is [`super::kind::HTTP_CLIENT_START`].
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
    /// Lengths of the strings in the process.
    pub lengths: [u32; TEXTS],
}

/// Number of strings in a start record.
pub const TEXTS: usize = 6;
/// How many bytes of each string a record holds at most.
pub static CAPACITIES: [u32; TEXTS] = [64, 12, 256, 2_048, 2_048, 256];
/// The same of the text of an error.
pub const CAPACITY: u32 = 252;

/// A round trip has ended. The bytes behind the error's words follow, where they are a plausible string header.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
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
    /// Length of the error's text.
    pub message_length: u32,
    /// Zero.
    pub padding: u32,
}

/// The other end of a connection.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The IP address: 4 or 16 bytes, then zeros.
    pub address: [u8; 16],
    /// Bytes of the address; 0 where it is not known.
    pub length: u32,
    /// The TCP port.
    pub port: u32,
}

/// Nobody known.
pub const NO_PEER: Peer = Peer { address: [0; 16], length: 0, port: 0 };

const _: () = {
    assert!(size_of::<HttpClientStart>() == 72 + TEXTS * 4);
    assert!(size_of::<HttpClientEnd>() == 40 + 32 + 8 + 24 + 8);
};
