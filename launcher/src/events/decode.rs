//! Bytes of the ring buffer into records; what is not exactly a known record is refused.

use std::net::SocketAddr;

use bpf::records::fasthttp_server::{self, FasthttpServerStart};
use bpf::records::http_client::{self, HttpClientEnd, HttpClientStart, Peer};
use bpf::records::http_server::{self, HttpServerEnd, HttpServerPanic, HttpServerStart, PATTERNS};
use bpf::records::{RecordHeader, SpanIdentity, kind, taken};
use bytemuck::AnyBitPattern;

pub use super::operation::{Happened, OperationHappened, OperationStarted, RawValue};
use super::operation::{operation_event, operation_start};
use super::otel_api::{self, EncodedPart, SpanCalled};
use super::request_target;

/// A string of the process as far as a record holds it, and whether it was cut.
pub type Text<'a> = (&'a [u8], bool);

/// One record, borrowed from the ring buffer.
#[derive(Debug)]
pub enum Record<'a> {
    /// A server has received a request.
    HttpServerStart(ServerStart<'a>),
    /// Its handler has returned.
    HttpServerEnd(ServerEnd<'a>),
    /// The process ends while its handler runs.
    HttpServerUnfinished(ServerEnd<'a>),
    /// Its handler has panicked.
    HttpServerPanic(ServerPanic<'a>),
    /// A client is about to send a request.
    HttpClientStart(ClientStart<'a>),
    /// Its round trip has ended.
    HttpClientEnd(ClientEnd<'a>),
    /// An operation of a table has begun.
    OperationStart(OperationStarted<'a>),
    /// Something has happened to one.
    OperationEvent(OperationHappened<'a>),
    /// A part of a span that the program has made.
    EncodedSpan(EncodedPart<'a>),
    /// Something was called of a span of ours.
    SpanCall(SpanCalled<'a>),
    /// A span of the SDK has taken the place of the one with this id.
    Superseded([u8; 8]),
}

/// The end of a request.
#[derive(Debug)]
pub struct ServerEnd<'a> {
    /// What is known of it in numbers.
    pub head: HttpServerEnd,
    /// The `ServeMux` patterns that matched, of muxes within each other, the outermost first, or the route of `hertz`; empty where it is not
    /// known.
    pub patterns: [Text<'a>; PATTERNS],
}

/// The end of a request by a panic.
#[derive(Debug)]
pub struct ServerPanic<'a> {
    /// What had been done until then.
    pub end: ServerEnd<'a>,
    /// Address of the type descriptor of the panic value, as in the process.
    pub value_type: u64,
    /// The first three words of what the panic value's data pointer points to.
    pub value: [u64; 3],
    /// The bytes behind these, where they are a plausible string header.
    pub message: Text<'a>,
}

/// The end of a round trip.
#[derive(Debug)]
pub struct ClientEnd<'a> {
    /// What is known of it in numbers.
    pub head: HttpClientEnd,
    /// The bytes behind the error's words, where they are a plausible string header.
    pub message: Text<'a>,
}

/// The start of a round trip.
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
    pub texts: [Text<'a>; http_client::TEXTS],
}

/// The start of a request.
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
    /// Which server has received it.
    pub server: HttpServer,
    /// The strings, in the order of [`bpf::records::http_server::text`].
    pub texts: [Text<'a>; http_server::TEXTS],
}

/// A server of HTTP.
#[derive(Clone, Copy, Debug)]
pub enum HttpServer {
    /// That of `net/http`, or of `golang.org/x/net/http2`.
    NetHttp,
    /// That of `github.com/valyala/fasthttp`, with the port from which the request has come; [`bpf::records::http_server::text::REMOTE`] is the
    /// bytes of the address.
    Fasthttp(u16),
    /// That of `github.com/cloudwego/hertz`, likewise.
    Hertz(u16),
}

impl ServerStart<'_> {
    /// The client's address, where the request asks for an upgrade of its connection to HTTP/2 (RFC 7540 §3.2), and that tells its
    /// connection from all others: one of a Unix socket does not.
    #[must_use]
    pub fn upgrade_to_http2(&self) -> Option<Box<str>> {
        let (upgrade, _cut) = self.texts[http_server::text::UPGRADE];
        if !upgrade.split(|&byte| byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"h2c")) {
            return None;
        }
        let remote = std::str::from_utf8(self.texts[http_server::text::REMOTE].0).ok()?;
        remote.parse::<SocketAddr>().is_ok().then(|| remote.into())
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
    /// The length does not fit what the record says.
    #[error("a record of kind {kind} has {actual} bytes and says {said}, and its head and strings have {expected}")]
    WrongSize {
        /// The kind.
        kind: u32,
        /// Bytes present.
        actual: usize,
        /// Bytes that the header claims.
        said: u32,
        /// Bytes that the head has, and the strings that it speaks of.
        expected: usize,
    },
}

/// Decodes one item of the ring buffer.
///
/// # Errors
/// Where the bytes are not a record of this launcher's probes.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let header = bytes.get(..size_of::<RecordHeader>()).ok_or(DecodeError::TooShort(bytes.len()))?;
    let header: RecordHeader = bytemuck::pod_read_unaligned(header);
    let mut reader = Reader { header, bytes, rest: bytes };
    let record = match header.kind {
        kind::HTTP_SERVER_START => Record::HttpServerStart(server_start(&mut reader)?),
        kind::FASTHTTP_SERVER_START => Record::HttpServerStart(fasthttp_start(&mut reader, HttpServer::Fasthttp)?),
        kind::HERTZ_SERVER_START => Record::HttpServerStart(fasthttp_start(&mut reader, HttpServer::Hertz)?),
        kind::HTTP_SERVER_END => Record::HttpServerEnd(server_end(&mut reader)?),
        kind::HTTP_SERVER_UNFINISHED => Record::HttpServerUnfinished(server_end(&mut reader)?),
        kind::HTTP_SERVER_PANIC => Record::HttpServerPanic(server_panic(&mut reader)?),
        kind::HTTP_CLIENT_START => Record::HttpClientStart(client_start(&mut reader)?),
        kind::HTTP_CLIENT_END => Record::HttpClientEnd(client_end(&mut reader)?),
        kind::OPERATION_START => Record::OperationStart(operation_start(&mut reader)?),
        kind::OPERATION_END => Record::OperationEvent(operation_event(&mut reader, Happened::Ended)?),
        kind::OPERATION_RETURNED => Record::OperationEvent(operation_event(&mut reader, Happened::Returned)?),
        kind::OPERATION_UNWOUND => Record::OperationEvent(operation_event(&mut reader, Happened::Unwound)?),
        kind::OPERATION_GOEXIT => Record::OperationEvent(operation_event(&mut reader, Happened::Exited)?),
        kind::OPERATION_ANNOTATED => Record::OperationEvent(operation_event(&mut reader, Happened::Annotated)?),
        kind::OPERATION_PANIC => Record::OperationEvent(operation_event(&mut reader, Happened::Panicked)?),
        kind::ENCODED_SPAN => Record::EncodedSpan(otel_api::encoded_part(&mut reader)?),
        kind::SPAN_CALL => Record::SpanCall(otel_api::span_call(&mut reader)?),
        kind::SUPERSEDED => Record::Superseded(otel_api::superseded(&mut reader)?),
        unknown => return Err(DecodeError::UnknownKind(unknown)),
    };
    reader.end().map(|()| record)
}

/// The head of a record, then its strings one after the other.
pub(super) struct Reader<'a> {
    header: RecordHeader,
    bytes: &'a [u8],
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn head<H: AnyBitPattern>(&mut self) -> Result<H, DecodeError> {
        self.take(size_of::<H>()).map(bytemuck::pod_read_unaligned)
    }

    /// A string of this length in the process.
    fn text(&mut self, length: u32, capacity: u32) -> Result<Text<'a>, DecodeError> {
        self.take(taken(length, capacity) as usize).map(|bytes| (bytes, length > capacity))
    }

    fn texts<const N: usize>(&mut self, lengths: [u32; N], capacities: &[u32; N]) -> Result<[Text<'a>; N], DecodeError> {
        let mut texts = [(&[][..], false); N];
        for ((text, length), capacity) in texts.iter_mut().zip(lengths).zip(capacities) {
            *text = self.text(length, *capacity)?;
        }
        Ok(texts)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.wrong_size((self.bytes.len() - self.rest.len()).saturating_add(length)));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The first bytes of the address in a [`FasthttpServerStart`].
    fn peer(&self, length: u32) -> &'a [u8] {
        let from = std::mem::offset_of!(FasthttpServerStart, peer) + std::mem::offset_of!(Peer, address);
        self.bytes.get(from..).and_then(|bytes| bytes.get(..length as usize)).unwrap_or_default()
    }

    /// Nothing may be left.
    fn end(&self) -> Result<(), DecodeError> {
        let is_whole = u32::try_from(self.bytes.len()) == Ok(self.header.size);
        if is_whole && self.rest.is_empty() { Ok(()) } else { Err(self.wrong_size(self.bytes.len() - self.rest.len())) }
    }

    fn wrong_size(&self, expected: usize) -> DecodeError {
        DecodeError::WrongSize { kind: self.header.kind, actual: self.bytes.len(), said: self.header.size, expected }
    }
}

fn server_start<'a>(reader: &mut Reader<'a>) -> Result<ServerStart<'a>, DecodeError> {
    let head: HttpServerStart = reader.head()?;
    let texts = reader.texts(head.lengths, &http_server::CAPACITIES)?;
    Ok(server_start_of(&head, HttpServer::NetHttp, &texts))
}

/// What stands in the request line is taken apart here: path and query.
fn fasthttp_start<'a>(reader: &mut Reader<'a>, server: fn(u16) -> HttpServer) -> Result<ServerStart<'a>, DecodeError> {
    let FasthttpServerStart { start, peer } = reader.head()?;
    let mut texts = reader.texts(start.lengths, &fasthttp_server::CAPACITIES)?;
    let (target, is_cut) = texts[http_server::text::PATH];
    let (path, query) = request_target::path_and_query(target);
    let is_path_cut = is_cut && query.is_none();
    texts[http_server::text::PATH] = (path, is_path_cut);
    texts[http_server::text::QUERY] = (query.unwrap_or_default(), is_cut && !is_path_cut);
    texts[http_server::text::REMOTE] = (reader.peer(peer.length), false);
    Ok(server_start_of(&start, server(u16::try_from(peer.port).unwrap_or_default()), &texts))
}

fn server_start_of<'a>(head: &HttpServerStart, server: HttpServer, texts: &[Text<'a>; http_server::TEXTS]) -> ServerStart<'a> {
    let HttpServerStart { header: _, time, span, content_length, proto_major, proto_minor, tls, lengths: _ } = *head;
    ServerStart { time, span, content_length, version: (proto_major, proto_minor), tls: tls != 0, server, texts: *texts }
}

fn server_end<'a>(reader: &mut Reader<'a>) -> Result<ServerEnd<'a>, DecodeError> {
    let head: HttpServerEnd = reader.head()?;
    Ok(ServerEnd { head, patterns: reader.texts(head.pattern_lengths, &[http_server::CAPACITY; PATTERNS])? })
}

fn server_panic<'a>(reader: &mut Reader<'a>) -> Result<ServerPanic<'a>, DecodeError> {
    let HttpServerPanic { end: head, value_type, value } = reader.head()?;
    let patterns = reader.texts(head.pattern_lengths, &[http_server::CAPACITY; PATTERNS])?;
    let message = reader.text(head.message_length, http_server::CAPACITY)?;
    Ok(ServerPanic { end: ServerEnd { head, patterns }, value_type, value, message })
}

fn client_start<'a>(reader: &mut Reader<'a>) -> Result<ClientStart<'a>, DecodeError> {
    let HttpClientStart { header: _, time, span, content_length, has_user, redirects, lengths } = reader.head()?;
    let texts = reader.texts(lengths, &http_client::CAPACITIES)?;
    Ok(ClientStart { time, span, content_length, has_user: has_user != 0, redirects, texts })
}

fn client_end<'a>(reader: &mut Reader<'a>) -> Result<ClientEnd<'a>, DecodeError> {
    let head: HttpClientEnd = reader.head()?;
    Ok(ClientEnd { head, message: reader.text(head.message_length, http_client::CAPACITY)? })
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;

    use super::*;

    fn header(kind: u32, size: usize) -> RecordHeader {
        RecordHeader { kind, size: u32::try_from(size).unwrap() }
    }

    /// An end with a pattern, whose header claims this size.
    fn end(said: usize) -> Vec<u8> {
        let head = HttpServerEnd {
            header: header(kind::HTTP_SERVER_END, said),
            pattern_lengths: [4, 0, 0, 0],
            ..HttpServerEnd::zeroed()
        };
        [bytemuck::bytes_of(&head), b"/a/b"].concat()
    }

    const SIZE: usize = size_of::<HttpServerEnd>() + 4;

    #[test]
    fn a_record_of_the_right_size_is_decoded() {
        let bytes = end(SIZE);
        let Ok(Record::HttpServerEnd(end)) = decode(&bytes) else { panic!("not decoded") };
        assert_eq!(end.patterns[0], (&b"/a/b"[..], false));
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(decode(&[1, 0, 0]).unwrap_err(), DecodeError::TooShort(3));
        let unknown = bytemuck::bytes_of(&header(99, 8)).to_vec();
        assert_eq!(decode(&unknown).unwrap_err(), DecodeError::UnknownKind(99));
        for (said, actual) in [(SIZE, SIZE - 8), (SIZE - 8, SIZE), (SIZE, SIZE + 8), (0, SIZE), (SIZE + 8, SIZE + 8), (SIZE, 8)] {
            let mut bytes = end(said);
            bytes.resize(actual, 0);
            assert!(matches!(decode(&bytes), Err(DecodeError::WrongSize { .. })), "{said} {actual}");
        }
    }

    #[test]
    fn a_text_longer_than_its_room_is_cut_and_says_so() {
        let mut head = HttpServerStart::zeroed();
        head.lengths[http_server::text::METHOD] = u32::MAX;
        head.lengths[http_server::text::PATH] = 1;
        let size = size_of::<HttpServerStart>() + 65;
        head.header = header(kind::HTTP_SERVER_START, size);
        let mut bytes = bytemuck::bytes_of(&head).to_vec();
        bytes.resize(size - 1, b'm');
        bytes.push(b'/');
        let Ok(Record::HttpServerStart(start)) = decode(&bytes) else { panic!("not decoded") };
        assert_eq!(start.texts[http_server::text::METHOD], ([b'm'; 64].as_slice(), true));
        assert_eq!(start.texts[http_server::text::PATH], (&b"/"[..], false));
    }
}
