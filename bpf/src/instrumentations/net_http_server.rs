//! The server of `net/http`: HTTP/1 and HTTP/2, two hits per request.
//!
//! match-go: 1.18..: net/http.(*conn).serve(c, ctx)
//! match-go: 1.18..: net/http.serverHandler.ServeHTTP(sh, rw, req)
//! match-go: 1.18..1.26: net/http.(*http2serverConn).runHandler(sc, rw, req, handler)
//! match-go: 1.27..: net/http.http2Handler.ServeHTTP(h, w, req)
//! match-go: 1.27..: net/http/internal/http2.(*serverConn).runHandler(sc, rw, req, handler)

#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of records, and numbers of the program that are cut to what a record holds"
)]

use core::mem::MaybeUninit;

use crate::config::{ABSENT, Http2WriterLayout, HttpServerConfig, RequestLayout, cookie};
use crate::go::header::{self, Walk};
use crate::go::panic::{self, Panic};
use crate::go::string::GoString;
use crate::records::{
    HttpServerEnd, HttpServerPanic, HttpServerStart, LongTexts, RecordHeader, ServerTexts, ShortTexts, SpanIdentity, Text,
    end_flag, kind, server_text,
};
use crate::target::{Memory, Registers, Target};
use crate::trace::{Goroutine, sampling, traceparent};

/// Words of a request that are read at once; all fields that are needed at the start lie in them.
pub const REQUEST_WORDS: usize = 32;

/// Words of a URL that are read at once: its path and its query lie in them.
pub const URL_WORDS: usize = 8;

/// What is taken from a `http.Request` at the start.
#[derive(Clone, Copy)]
struct Request {
    method: GoString,
    url: u64,
    proto_major: u64,
    proto_minor: u64,
    header: u64,
    content_length: u64,
    host: GoString,
    remote: GoString,
    tls: u64,
}

impl Request {
    /// A call of its own in BPF: its stack is free again when it returns.
    #[inline(never)]
    fn read<M: Memory>(memory: &M, layout: &RequestLayout, address: u64) -> Option<Self> {
        let mut words = MaybeUninit::<[u64; REQUEST_WORDS]>::uninit();
        let words = memory.read_into(address, &mut words)?;
        let word = |offset: u32| words.get((offset / 8) as usize).copied().unwrap_or(0);
        let string = |offset: u32| GoString { address: word(offset), length: word(offset + 8) };
        Some(Self {
            method: string(layout.method.get()),
            url: word(layout.url.get()),
            proto_major: word(layout.proto_major.get()),
            proto_minor: word(layout.proto_minor.get()),
            header: word(layout.header.get()),
            content_length: word(layout.content_length.get()),
            host: string(layout.host.get()),
            remote: string(layout.remote_addr.get()),
            tls: word(layout.tls.get()),
        })
    }
}

/// A handler is about to be called with a `*http.Request`.
#[inline(always)]
pub fn start<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [_, second, third, fourth, _], goroutine } = target.registers();
    let goroutine = target.goroutine_or_new(goroutine)?;
    // Through memory, so that the verifier does not follow each value to the end.
    goroutine.started_at = target.cookie() as u32;
    let (writer, request) = if goroutine.started_at == cookie::START_HANDLER { (third, fourth) } else { (second, third) };
    start_request(target, &target.http_server().request, goroutine, writer, request, request)
}

/// A handler is about to be called with a `*http2.ServerRequest` (Go 1.27).
///
/// A program of its own, because the verifier follows each layout separately.
#[inline(always)]
pub fn start_http2_request<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [_, _, writer, request, _], goroutine } = target.registers();
    let goroutine = target.goroutine_or_new(goroutine)?;
    goroutine.started_at = cookie::START_HTTP2_REQUEST;
    // It has no pattern, and the `*http.Request` that is made of it is not known here.
    start_request(target, &target.http_server().http2_request, goroutine, writer, request, 0)
}

/// `with_pattern` is the address of the `*http.Request` whose pattern is read at the end; 0 where there is none.
#[inline(always)]
fn start_request<T: Target>(
    target: &T,
    layout: &RequestLayout,
    goroutine: &mut Goroutine,
    writer: u64,
    address: u64,
    with_pattern: u64,
) -> Option<()> {
    let time = target.now();
    // Whatever an earlier operation left open: this one's end must not be taken for that one's.
    goroutine.open = 0;
    let request = Request::read(target, layout, address)?;
    // An h2c client's preface reaches a handler as the HTTP/1 request "PRI * HTTP/2.0"; x/net/http2/h2c takes it from there.
    if request.proto_major == 2 && request.method.length == 3 && request.is_preface(target) {
        return None;
    }
    goroutine.request = with_pattern;
    goroutine.writer = writer;
    goroutine.server = Server::of(goroutine.started_at, request.proto_major) as u32;
    goroutine.open = 1;
    let layout = &target.http_server().header_map;
    header::find(target, layout, request.header, &mut goroutine.headers);
    if identify(target, goroutine) {
        report_start(target, time, goroutine, &request);
    }
    Some(())
}

/// Whose response writer it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Server {
    /// `net/http.response`.
    Http1 = 0,
    /// The standard library's HTTP/2 server.
    Http2 = 1,
    /// That of `golang.org/x/net/http2`.
    Xnet = 2,
}

impl Server {
    /// The server that calls a handler at this site, with a request of this major version.
    #[inline(always)]
    fn of(site: u32, proto_major: u64) -> Self {
        match site {
            cookie::START_XNET => Self::Xnet,
            cookie::START_HANDLER if proto_major < 2 => Self::Http1,
            _ => Self::Http2,
        }
    }
}

impl Request {
    #[inline(always)]
    fn is_preface<M: Memory>(&self, memory: &M) -> bool {
        memory.read::<[u8; 3]>(self.method.address) == Some(*b"PRI")
    }
}

/// Gives a new span its identity, under the request's `traceparent` if it has a valid one. True where it is recorded.
#[inline(always)]
fn identify<T: Target>(target: &T, goroutine: &mut Goroutine) -> bool {
    let Goroutine { span, random, headers, .. } = goroutine;
    let header = if target.sampler().trace_context.get() == 0 { 0 } else { headers.found.trace_parent };
    let value = GoString::first_of_slice(target, header);
    let mut text = MaybeUninit::<[u8; traceparent::LENGTH]>::uninit();
    let parent = if value.length >= traceparent::LENGTH as u64
        && let Some(text) = target.read_into(value.address, &mut text)
    {
        traceparent::parse(text, value.length)
    } else {
        None
    };
    span.span_id = random.span_id();
    let parent_sampled = if let Some(parent) = parent {
        span.trace_id = parent.trace_id;
        span.parent_span_id = parent.parent_id;
        span.parent_is_remote = 1;
        Some(parent.flags & 1 != 0)
    } else {
        span.trace_id = random.trace_id();
        span.parent_span_id = [0; 8];
        span.parent_is_remote = 0;
        None
    };
    let sampled = sampling::is_sampled(target.sampler(), &span.trace_id, parent_sampled);
    span.trace_flags = u8::from(sampled);
    sampled
}

/// The strings of a request, where they lie in the program.
struct Strings {
    values: [GoString; crate::records::SERVER_TEXTS],
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_start<T: Target>(target: &T, time: u64, goroutine: &mut Goroutine, request: &Request) {
    let Goroutine { span, headers: Walk { found, scratch, .. }, .. } = goroutine;
    let url = &target.http_server().url;
    let from = url.path.get().min(url.raw_query.get());
    // Both strings of the URL at once; they are neighbours but for a few words.
    target.read_prefix(request.url + u64::from(from), (URL_WORDS * 8) as u32, scratch);
    let url_string = |offset: u32| {
        let at = ((offset - from) / 8) as usize;
        let word = |at: usize| scratch.get(at).copied().unwrap_or(0);
        GoString { address: word(at), length: word(at + 1) }
    };
    let (path, query) = (url_string(url.path.get()), url_string(url.raw_query.get()));
    let trace_state = if span.parent_is_remote == 0 { 0 } else { found.trace_state };
    // In the order of `server_text`.
    let strings = Strings {
        values: [
            request.method,
            path,
            query,
            request.host,
            request.remote,
            GoString::first_of_slice(target, found.user_agent),
            GoString::first_of_slice(target, found.forwarded_for),
            GoString::first_of_slice(target, found.forwarded_proto),
            GoString::first_of_slice(target, trace_state),
        ],
    };
    if strings.fit::<ShortTexts>() {
        if let Some(record) = target.reserve::<HttpServerStart<ShortTexts>>() {
            fill_start(record, kind::HTTP_SERVER_START_SHORT, time, span, request);
            strings.copy_to_short(target, &mut record.texts);
            target.submit(record, false);
        }
    } else if let Some(record) = target.reserve::<HttpServerStart<LongTexts>>() {
        fill_start(record, kind::HTTP_SERVER_START_LONG, time, span, request);
        strings.copy_to_long(target, &mut record.texts);
        target.submit(record, false);
    }
}

macro_rules! copy_texts {
    ($name:ident, $texts:ty) => {
        #[inline(always)]
        fn $name<M: Memory>(&self, memory: &M, texts: &mut $texts) {
            self.values[server_text::METHOD].copy_to(memory, &mut texts.method);
            self.values[server_text::PATH].copy_to(memory, &mut texts.path);
            self.values[server_text::QUERY].copy_to(memory, &mut texts.query);
            self.values[server_text::HOST].copy_to(memory, &mut texts.host);
            self.values[server_text::REMOTE].copy_to(memory, &mut texts.remote);
            self.values[server_text::USER_AGENT].copy_to(memory, &mut texts.user_agent);
            self.values[server_text::FORWARDED_FOR].copy_to(memory, &mut texts.forwarded_for);
            self.values[server_text::FORWARDED_PROTO].copy_to(memory, &mut texts.forwarded_proto);
            self.values[server_text::TRACE_STATE].copy_to(memory, &mut texts.trace_state);
        }
    };
}

impl Strings {
    #[inline(always)]
    fn fit<Texts: ServerTexts>(&self) -> bool {
        let capacities = Texts::capacities();
        let mut fit = true;
        for (value, capacity) in self.values.iter().zip(capacities) {
            fit &= value.length <= u64::from(capacity);
        }
        fit
    }

    copy_texts!(copy_to_short, ShortTexts);
    copy_texts!(copy_to_long, LongTexts);
}

#[inline(always)]
fn fill_start<Texts>(record: &mut HttpServerStart<Texts>, kind: u32, time: u64, span: &SpanIdentity, request: &Request) {
    record.header = RecordHeader { kind, size: size_of::<HttpServerStart<Texts>>() as u32 };
    record.time = time;
    span.copy_to(&mut record.span);
    record.content_length = request.content_length.cast_signed();
    record.proto_major = request.proto_major as u16;
    record.proto_minor = request.proto_minor as u16;
    record.tls = u32::from(request.tls != 0);
}

/// An HTTP/1 handler has returned.
#[inline(always)]
pub fn end<T: Target>(target: &T) -> Option<()> {
    let goroutine = close(target)?;
    report_end(target, goroutine, 0)
}

/// An HTTP/2 handler has returned or panicked, or the goroutine of an HTTP/1 connection ends: by a panic where a request
/// is open.
#[inline(always)]
pub fn unwind<T: Target>(target: &T) -> Option<()> {
    let goroutine = close(target)?;
    match panic::current(target, &target.http_server().panic, target.registers().goroutine) {
        Some(panic) if !panic.goexit => report_panic(target, goroutine, panic),
        Some(_goexit) => report_end(target, goroutine, end_flag::GOEXIT),
        None => report_end(target, goroutine, 0),
    }
}

/// The goroutine, if it has an open and sampled operation; that is closed with this.
#[inline(always)]
fn close<T: Target>(target: &T) -> Option<&mut Goroutine> {
    let goroutine = target.goroutine(target.registers().goroutine)?;
    if goroutine.open == 0 {
        return None;
    }
    goroutine.open = 0;
    (goroutine.span.trace_flags & 1 != 0).then_some(goroutine)
}

#[inline(always)]
fn report_end<T: Target>(target: &T, goroutine: &Goroutine, flags: u32) -> Option<()> {
    let time = target.now();
    let record = target.reserve::<HttpServerEnd>()?;
    record.header = RecordHeader { kind: kind::HTTP_SERVER_END, size: size_of::<HttpServerEnd>() as u32 };
    fill_end(target, record, time, goroutine, flags);
    // One in eight looks whether the launcher must be woken; the span id is random.
    target.submit(record, goroutine.span.span_id[0].is_multiple_of(8));
    Some(())
}

#[inline(always)]
fn report_panic<T: Target>(target: &T, goroutine: &Goroutine, panic: Panic) -> Option<()> {
    let time = target.now();
    let record = target.reserve::<HttpServerPanic>()?;
    record.end.header = RecordHeader { kind: kind::HTTP_SERVER_PANIC, size: size_of::<HttpServerPanic>() as u32 };
    fill_end(target, &mut record.end, time, goroutine, 0);
    record.value_type = panic.value_type;
    record.value = if let Some(words) = target.read(panic.data) {
        words
    } else {
        // A shorter value at the end of what is mapped.
        let [first, second] = target.read_or_zero(panic.data);
        [first, second, 0]
    };
    GoString { address: record.value[0], length: record.value[1] }.copy_to(target, &mut record.message);
    target.submit(record, true);
    Some(())
}

#[inline(always)]
fn fill_end<T: Target>(target: &T, record: &mut HttpServerEnd, time: u64, goroutine: &Goroutine, flags: u32) {
    let config = target.http_server();
    record.time = time;
    record.span_id = goroutine.span.span_id;
    let (status, body_size, more_flags) = if goroutine.server == Server::Http1 as u32 {
        http1_response(target, config, goroutine.writer)
    } else if goroutine.server == Server::Xnet as u32 {
        http2_response(target, &config.xnet_writer, goroutine.writer)
    } else {
        http2_response(target, &config.http2_writer, goroutine.writer)
    };
    record.status = status;
    record.body_size = body_size;
    record.flags = flags | more_flags;
    copy_pattern(target, config, goroutine.request, &mut record.pattern);
}

/// Words of a response writer that are read at once: its status and its number of bytes lie in them.
pub const RESPONSE_WORDS: usize = 4;

/// What stands for a response that cannot be read.
const UNREADABLE: (u32, i64, u32) = (0, 0, end_flag::RESPONSE_UNREADABLE);

/// The two fields of a response writer at `address`, read at once.
#[inline(always)]
fn status_and_size<M: Memory>(memory: &M, address: u64, status: u32, size: u32) -> Option<(u32, i64)> {
    let from = status.min(size);
    let mut words = MaybeUninit::<[u64; RESPONSE_WORDS]>::uninit();
    let words = memory.read_into(address + u64::from(from), &mut words)?;
    let word = |offset: u32| words.get(((offset - from) / 8) as usize).copied().unwrap_or(0);
    Some((word(status) as u32, word(size).cast_signed()))
}

/// Status, body size and flags of a `net/http.response`.
#[inline(always)]
fn http1_response<M: Memory>(memory: &M, config: &HttpServerConfig, writer: u64) -> (u32, i64, u32) {
    let layout = &config.response;
    let Some((status, written)) = status_and_size(memory, writer, layout.status.get(), layout.written.get()) else {
        return UNREADABLE;
    };
    if status != 0 {
        return (status, written, 0);
    }
    // Without a status: has the handler written nothing, or taken the connection?
    let connection: u64 = memory.read_or_zero(writer + u64::from(layout.conn.get()));
    let hijacked: u8 = memory.read_or_zero(connection + u64::from(layout.hijacked.get()));
    (0, written, if hijacked == 0 { 0 } else { end_flag::HIJACKED })
}

/// Status, body size and flags of an HTTP/2 `responseWriter`.
#[inline(always)]
fn http2_response<M: Memory>(memory: &M, layout: &Http2WriterLayout, writer: u64) -> (u32, i64, u32) {
    let state: u64 = memory.read_or_zero(writer + u64::from(layout.rws.get()));
    match status_and_size(memory, state, layout.status.get(), layout.wrote_bytes.get()) {
        Some((status, written)) => (status, written, 0),
        None => UNREADABLE,
    }
}

/// The pattern that `ServeMux` noted in the request (`Request.Pattern`, Go ≥ 1.23; `Request.pat.str`, Go 1.22).
#[inline(always)]
fn copy_pattern<M: Memory, const N: usize>(memory: &M, config: &HttpServerConfig, request: u64, text: &mut Text<N>) {
    let (pattern, pat) = (config.request.pattern.get(), config.request.pat.get());
    let address = if request == 0 {
        0
    } else if pattern != ABSENT {
        request + u64::from(pattern)
    } else if pat != ABSENT {
        match memory.read::<u64>(request + u64::from(pat)) {
            Some(pat) if pat != 0 => pat + u64::from(config.pattern_str.get()),
            Some(_) | None => 0,
        }
    } else {
        0
    };
    if address == 0 {
        text.length = 0;
    } else {
        GoString::at(memory, address).copy_to(memory, text);
    }
}

#[cfg(test)]
mod tests;
