//! Bytes of the ring buffer into records; what is not exactly a known record is refused.

use std::net::SocketAddr;

use bpf::records::http_client::{CLIENT_TEXTS, ClientTexts, HttpClientEnd, HttpClientStart, LongClientTexts, ShortClientTexts};
use bpf::records::{
    HttpServerEnd, HttpServerPanic, HttpServerStart, LongTexts, ProxiedTexts, RecordHeader, SERVER_TEXTS, ServerTexts,
    ShortTexts, SpanIdentity, kind, server_text,
};

/// One record, borrowed from the ring buffer.
#[derive(Debug)]
pub enum Record<'a> {
    /// A server has received a request.
    HttpServerStart(ServerStart<'a>),
    /// Its handler has returned.
    HttpServerEnd(&'a HttpServerEnd),
    /// The program ends while its handler runs.
    HttpServerUnfinished(&'a HttpServerEnd),
    /// Its handler has panicked.
    HttpServerPanic(&'a HttpServerPanic),
    /// A client is about to send a request.
    HttpClientStart(ClientStart<'a>),
    /// Its round trip has ended.
    HttpClientEnd(&'a HttpClientEnd),
}

/// The start of a round trip, whatever the size of its record.
#[derive(Debug)]
pub struct ClientStart<'a> {
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The new span.
    pub span: SpanIdentity,
    /// Length of the request's body, −1 where unknown.
    pub content_length: i64,
    /// Whether the URL has a user.
    pub has_user: bool,
    /// How many redirects have led to the request.
    pub redirects: u32,
    /// Method, scheme, host, path and query of the URL, the host that is sent where it is another one, and whether each was cut.
    pub texts: [(&'a [u8], bool); CLIENT_TEXTS],
}

/// The start of a request, whatever the size of its record.
#[derive(Debug)]
pub struct ServerStart<'a> {
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The new span.
    pub span: SpanIdentity,
    /// Length of the request's body, −1 where unknown.
    pub content_length: i64,
    /// HTTP version, major and minor.
    pub version: (u16, u16),
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The strings, in the order of [`bpf::records::server_text`], and whether each was cut.
    pub texts: [(&'a [u8], bool); SERVER_TEXTS],
}

impl ServerStart<'_> {
    /// The client's address, where the request asks for an upgrade of its connection to HTTP/2 (RFC 7540 §3.2), and that tells its
    /// connection from all others: one of a Unix socket does not.
    #[must_use]
    pub fn upgrade_to_http2(&self) -> Option<Box<str>> {
        let (upgrade, _cut) = self.texts[server_text::UPGRADE];
        let asks = upgrade.split(|&byte| byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"h2c"));
        let remote = std::str::from_utf8(self.texts[server_text::REMOTE].0).ok()?;
        (asks && remote.parse::<SocketAddr>().is_ok()).then(|| remote.into())
    }
}

/// Why bytes are no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a header.
    #[error("a record of {0} bytes is shorter than its header")]
    TooShort(usize),
    /// The kind is not known.
    #[error("record kind {0} is unknown")]
    UnknownKind(u32),
    /// The length does not fit the kind.
    #[error("a record of kind {kind} has {actual} bytes and says {said}, {expected} are expected")]
    WrongSize {
        /// The kind.
        kind: u32,
        /// Bytes present.
        actual: usize,
        /// Bytes that the header claims.
        said: u32,
        /// Bytes that the kind has.
        expected: usize,
    },
}

/// Decodes one item of the ring buffer.
///
/// # Errors
/// Where the bytes are not a record of this launcher's BPF object.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let header = bytes.get(..size_of::<RecordHeader>()).ok_or(DecodeError::TooShort(bytes.len()))?;
    let header: RecordHeader = bytemuck::pod_read_unaligned(header);
    match header.kind {
        kind::HTTP_SERVER_START_SHORT => Ok(Record::HttpServerStart(start::<ShortTexts>(view(header, bytes)?))),
        kind::HTTP_SERVER_START_PROXIED => Ok(Record::HttpServerStart(start::<ProxiedTexts>(view(header, bytes)?))),
        kind::HTTP_SERVER_START_LONG => Ok(Record::HttpServerStart(start::<LongTexts>(view(header, bytes)?))),
        kind::HTTP_SERVER_END => Ok(Record::HttpServerEnd(view(header, bytes)?)),
        kind::HTTP_SERVER_UNFINISHED => Ok(Record::HttpServerUnfinished(view(header, bytes)?)),
        kind::HTTP_SERVER_PANIC => Ok(Record::HttpServerPanic(view(header, bytes)?)),
        kind::HTTP_CLIENT_START_SHORT => Ok(Record::HttpClientStart(client_start::<ShortClientTexts>(view(header, bytes)?))),
        kind::HTTP_CLIENT_START_LONG => Ok(Record::HttpClientStart(client_start::<LongClientTexts>(view(header, bytes)?))),
        kind::HTTP_CLIENT_END => Ok(Record::HttpClientEnd(view(header, bytes)?)),
        unknown => Err(DecodeError::UnknownKind(unknown)),
    }
}

/// The record in `bytes`, if it has exactly the size of one.
fn view<T: bytemuck::AnyBitPattern>(header: RecordHeader, bytes: &[u8]) -> Result<&T, DecodeError> {
    let wrong_size =
        || DecodeError::WrongSize { kind: header.kind, actual: bytes.len(), said: header.size, expected: size_of::<T>() };
    if u32::try_from(size_of::<T>()) != Ok(header.size) {
        return Err(wrong_size());
    }
    bytemuck::try_from_bytes(bytes).map_err(|_size_or_alignment| wrong_size())
}

fn start<T: ServerTexts>(record: &HttpServerStart<T>) -> ServerStart<'_> {
    ServerStart {
        time: record.time,
        span: record.span,
        content_length: record.content_length,
        version: (record.proto_major, record.proto_minor),
        tls: record.tls != 0,
        texts: record.texts.texts(),
    }
}

fn client_start<T: ClientTexts>(record: &HttpClientStart<T>) -> ClientStart<'_> {
    ClientStart {
        time: record.time,
        span: record.span,
        content_length: record.content_length,
        has_user: record.has_user != 0,
        redirects: record.redirects,
        texts: record.texts.texts(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `words` of memory that is aligned like the ring buffer.
    fn record(kind: u32, said: usize, actual: usize) -> Vec<u64> {
        let mut words = vec![0_u64; actual.div_ceil(8)];
        words[0] = u64::from(kind) | (said as u64) << 32;
        words
    }

    #[test]
    fn a_record_of_the_right_size_is_decoded() {
        let size = size_of::<HttpServerEnd>();
        let words = record(kind::HTTP_SERVER_END, size, size);
        assert!(matches!(decode(bytemuck::cast_slice(&words)), Ok(Record::HttpServerEnd(_))));
    }

    #[test]
    fn everything_else_is_refused() {
        let size = size_of::<HttpServerEnd>();
        assert_eq!(decode(&[1, 0, 0]).unwrap_err(), DecodeError::TooShort(3));
        let words = record(99, size, size);
        assert_eq!(decode(bytemuck::cast_slice(&words)).unwrap_err(), DecodeError::UnknownKind(99));
        for (said, actual) in [(size, size - 8), (size - 8, size), (size, size + 8), (0, size)] {
            let words = record(kind::HTTP_SERVER_END, said, actual);
            assert!(matches!(decode(bytemuck::cast_slice(&words)), Err(DecodeError::WrongSize { .. })), "{said} {actual}");
        }
    }

    #[test]
    fn a_text_longer_than_its_room_is_cut_and_says_so() {
        let size = size_of::<HttpServerStart<ShortTexts>>();
        let mut words = record(kind::HTTP_SERVER_START_SHORT, size, size);
        // The length of the method, the first text after the 72 bytes of the head.
        words[9] = u64::from(u32::MAX);
        let Ok(Record::HttpServerStart(start)) = decode(bytemuck::cast_slice(&words)) else { panic!("not decoded") };
        assert_eq!(start.texts[0], ([0; 12].as_slice(), true));
    }
}
