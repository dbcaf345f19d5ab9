//! The server of `net/http`: HTTP/1 and HTTP/2, two hits per request.
//!
//! match-go: 1.18..: net/http.(*conn).serve(c, ctx)
//! match-go: 1.18..: net/http.serverHandler.ServeHTTP(sh, rw, req)
//! match-go: 1.18..1.26: net/http.(*http2serverConn).runHandler(sc, rw, req, handler)
//! match-go: 1.27..: net/http.http2Handler.ServeHTTP(h, w, req)
//! match-go: 1.27..: net/http/internal/http2.(*serverConn).runHandler(sc, rw, req, handler)

use core::mem::MaybeUninit;

use crate::config::{ABSENT, HttpServerConfig, Http2WriterLayout, RequestLayout, cookie};
use crate::go::header;
use crate::go::panic;
use crate::go::string::GoString;
use crate::records::{
    HttpServerEnd, HttpServerPanic, HttpServerStart, LongTexts, RecordHeader, ServerTexts, ShortTexts, SpanIdentity, Text,
    end_flag, kind, server_text,
};
use crate::target::{Memory, Target};
use crate::trace::{ActiveSpan, ids, sampling, traceparent};

/// Words of a request that are read at once; all fields that are needed at the start lie in them.
pub const REQUEST_WORDS: usize = 32;

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
    let [_, second, third, fourth, _] = target.registers().arguments;
    let (writer, request) = if target.cookie() == cookie::START_HANDLER { (third, fourth) } else { (second, third) };
    start_request(target, &target.http_server().request, writer, request, request)
}

/// A handler is about to be called with a `*http2.ServerRequest` (Go 1.27).
///
/// A program of its own, because the verifier follows each layout separately.
#[inline(always)]
pub fn start_http2_request<T: Target>(target: &T) -> Option<()> {
    let [_, _, writer, request, _] = target.registers().arguments;
    // It has no pattern, and the `*http.Request` that is made of it is not known here.
    start_request(target, &target.http_server().http2_request, writer, request, 0)
}

/// `with_pattern` is the address of the `*http.Request` whose pattern is read at the end; 0 where there is none.
#[inline(always)]
fn start_request<T: Target>(target: &T, layout: &RequestLayout, writer: u64, address: u64, with_pattern: u64) -> Option<()> {
    let time = target.now();
    let request = Request::read(target, layout, address)?;
    // An h2c client's preface reaches a handler as the HTTP/1 request "PRI * HTTP/2.0"; x/net/http2/h2c takes it from there.
    if request.proto_major == 2 && request.method.length == 3 && request.is_preface(target) {
        return None;
    }
    let active = target.active_span_or_new(target.registers().goroutine)?;
    active.request = with_pattern;
    active.writer = writer;
    active.server = Server::of(target.cookie(), request.proto_major) as u32;
    active.open = 1;
    header::find(target, &target.http_server().header_map, request.header, &mut active.headers);
    if identify(target, active.headers.trace_parent, &mut active.span) {
        report_start(target, time, active, &request);
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
    fn of(site: u64, proto_major: u64) -> Self {
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

/// Gives a new span its identity under the `traceparent` at `values` (a `[]string`). True where it is recorded.
#[inline(always)]
fn identify<T: Target>(target: &T, values: u64, span: &mut SpanIdentity) -> bool {
    let value = GoString::first_of_slice(target, values);
    let mut text = MaybeUninit::<[u8; traceparent::LENGTH]>::uninit();
    let parent = if value.length >= traceparent::LENGTH as u64
        && let Some(text) = target.read_into(value.address, &mut text)
    {
        traceparent::parse(text, value.length)
    } else {
        None
    };
    span.span_id = ids::new_span_id(target);
    let parent_sampled = if let Some(parent) = parent {
        span.trace_id = parent.trace_id;
        span.parent_span_id = parent.parent_id;
        span.parent_is_remote = 1;
        Some(parent.flags & 1 != 0)
    } else {
        span.trace_id = ids::new_trace_id(target);
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
fn report_start<T: Target>(target: &T, time: u64, active: &ActiveSpan, request: &Request) {
    let ActiveSpan { span, headers, .. } = active;
    let url = &target.http_server().url;
    let trace_state = if span.parent_is_remote == 0 { 0 } else { headers.trace_state };
    // In the order of `server_text`.
    let strings = Strings {
        values: [
            request.method,
            GoString::at(target, request.url + u64::from(url.path.get())),
            GoString::at(target, request.url + u64::from(url.raw_query.get())),
            request.host,
            request.remote,
            GoString::first_of_slice(target, headers.user_agent),
            GoString::first_of_slice(target, headers.forwarded_for),
            GoString::first_of_slice(target, headers.forwarded_proto),
            GoString::first_of_slice(target, trace_state),
        ],
    };
    if strings.fit::<ShortTexts>() {
        if let Some(record) = target.reserve::<HttpServerStart<ShortTexts>>() {
            fill_start(record, kind::HTTP_SERVER_START_SHORT, time, span, request);
            strings.copy_to_short(target, &mut record.texts);
            target.submit(record);
        }
    } else if let Some(record) = target.reserve::<HttpServerStart<LongTexts>>() {
        fill_start(record, kind::HTTP_SERVER_START_LONG, time, span, request);
        strings.copy_to_long(target, &mut record.texts);
        target.submit(record);
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
    record.span = *span;
    record.content_length = request.content_length.cast_signed();
    record.proto_major = request.proto_major as u16;
    record.proto_minor = request.proto_minor as u16;
    record.tls = u32::from(request.tls != 0);
}

/// A handler has returned or panicked, or a connection has ended.
#[inline(always)]
pub fn end<T: Target>(target: &T) -> Option<()> {
    let goroutine = target.registers().goroutine;
    let active = target.active_span(goroutine)?;
    if active.open == 0 {
        return None;
    }
    active.open = 0;
    let active = *active;
    if active.span.trace_flags & 1 == 0 {
        return None;
    }
    let time = target.now();
    let panicking = if target.cookie() == cookie::END_HTTP1 {
        None
    } else {
        panic::current(target, &target.http_server().panic, goroutine)
    };
    match panicking {
        Some(panic) if !panic.goexit => {
            let record = target.reserve::<HttpServerPanic>()?;
            fill_end(target, &mut record.end, time, &active);
            record.end.header = RecordHeader { kind: kind::HTTP_SERVER_PANIC, size: size_of::<HttpServerPanic>() as u32 };
            record.value_type = panic.value_type;
            record.value = target.read(panic.data).unwrap_or([0; 3]);
            GoString { address: record.value[0], length: record.value[1] }.copy_to(target, &mut record.message);
            target.submit(record);
        }
        other => {
            let record = target.reserve::<HttpServerEnd>()?;
            fill_end(target, record, time, &active);
            record.header = RecordHeader { kind: kind::HTTP_SERVER_END, size: size_of::<HttpServerEnd>() as u32 };
            if other.is_some() {
                record.flags |= end_flag::GOEXIT;
            }
            target.submit(record);
        }
    }
    Some(())
}

#[inline(always)]
fn fill_end<T: Target>(target: &T, record: &mut HttpServerEnd, time: u64, active: &ActiveSpan) {
    let config = target.http_server();
    record.time = time;
    record.span_id = active.span.span_id;
    let response = if active.server == Server::Http1 as u32 {
        http1_response(target, config, active.writer)
    } else if active.server == Server::Xnet as u32 {
        http2_response(target, &config.xnet_writer, active.writer)
    } else {
        http2_response(target, &config.http2_writer, active.writer)
    };
    let (status, body_size, flags) = response.unwrap_or((0, 0, end_flag::RESPONSE_UNREADABLE));
    record.status = status;
    record.body_size = body_size;
    record.flags = flags;
    copy_pattern(target, config, active.request, &mut record.pattern);
}

/// Status, body size and flags of a `net/http.response`.
#[inline(always)]
fn http1_response<M: Memory>(memory: &M, config: &HttpServerConfig, writer: u64) -> Option<(u32, i64, u32)> {
    let layout = &config.response;
    let status: u64 = memory.read(writer + u64::from(layout.status.get()))?;
    let written: i64 = memory.read(writer + u64::from(layout.written.get()))?;
    let connection: u64 = memory.read(writer + u64::from(layout.conn.get()))?;
    let hijacked: u8 = memory.read(connection + u64::from(layout.hijacked.get()))?;
    Some((status as u32, written, if hijacked == 0 { 0 } else { end_flag::HIJACKED }))
}

/// Status, body size and flags of an HTTP/2 `responseWriter`.
#[inline(always)]
fn http2_response<M: Memory>(memory: &M, layout: &Http2WriterLayout, writer: u64) -> Option<(u32, i64, u32)> {
    let state: u64 = memory.read(writer + u64::from(layout.rws.get()))?;
    let status: u64 = memory.read(state + u64::from(layout.status.get()))?;
    let written: i64 = memory.read(state + u64::from(layout.wrote_bytes.get()))?;
    Some((status as u32, written, 0))
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
