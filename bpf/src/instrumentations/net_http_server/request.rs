//! The start of a request: its span's identity, the sampling decision, and what the request says.

#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of records, and numbers of the program that are cut to what a record holds"
)]

use core::mem::MaybeUninit;

use super::server_of;
use crate::config::http_server::{HttpServerConfig, RequestLayout, event};
use crate::config::instrumentation;
use crate::go::header::{self, InSlices, Values as _, Walk};
use crate::go::string::GoString;
use crate::go::words::{string, word};
use crate::instrumentations::serving;
use crate::missed::{Done, Missed};
use crate::records::http_server::{CAPACITIES, HttpServerStart, TEXTS, text};
use crate::records::{Append, append_lines, kind};
use crate::scratch::Scratch;
use crate::target::{Memory, Target};
use crate::trace::extracted;
use crate::trace::goroutine::Goroutine;

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
        Some(Self {
            method: string(words, layout.method.get()),
            url: word(words, layout.url.get()),
            proto_major: word(words, layout.proto_major.get()),
            proto_minor: word(words, layout.proto_minor.get()),
            header: word(words, layout.header.get()),
            content_length: word(words, layout.content_length.get()),
            host: string(words, layout.host.get()),
            remote: string(words, layout.remote_addr.get()),
            tls: word(words, layout.tls.get()),
        })
    }
}

/// A handler is about to be called with a `*http.Request`; `event` says where.
#[inline(always)]
pub fn start<T: Target>(target: &T, config: &HttpServerConfig, event: u32) -> Done {
    let registers = target.registers();
    let (second, third, fourth) = (registers.argument(1), registers.argument(2), registers.argument(3));
    let holder = registers.goroutine();
    let goroutine = serving::prepared(target, holder, instrumentation::HTTP_SERVER)?;
    target.with_scratch(|scratch| {
        scratch.event = event.into();
        // Not the number itself: the verifier would know it from here on, and follow what comes behind for each.
        let is_handler = target.opaque(event.into()) == u64::from(event::START_HANDLER);
        let (writer, request) = if is_handler { (third, fourth) } else { (second, third) };
        let handled = Handled { writer, request, with_pattern: request };
        start_request(target, config, &config.request, scratch, (goroutine, holder), handled)
    })
}

/// A handler is about to be called with a `*http2.ServerRequest` (Go 1.27).
///
/// A BPF program of its own, because the verifier follows each layout separately.
#[inline(always)]
pub fn start_http2_request<T: Target>(target: &T, config: &HttpServerConfig) -> Done {
    let registers = target.registers();
    let holder = registers.goroutine();
    // It has no pattern, and the `*http.Request` that is made of it is not known here.
    let handled = Handled { writer: registers.argument(2), request: registers.argument(3), with_pattern: 0 };
    let goroutine = serving::prepared(target, holder, instrumentation::HTTP_SERVER)?;
    target.with_scratch(|scratch| {
        scratch.event = event::START_HTTP2_REQUEST.into();
        start_request(target, config, &config.http2_request, scratch, (goroutine, holder), handled)
    })
}

/// What a handler is called with: addresses.
#[derive(Clone, Copy)]
struct Handled {
    writer: u64,
    request: u64,
    /// The `*http.Request` whose pattern is read at the end; 0 where there is none.
    with_pattern: u64,
}

/// `holder` is the address of the goroutine's `g`.
#[inline(always)]
fn start_request<T: Target>(
    target: &T,
    config: &HttpServerConfig,
    layout: &RequestLayout,
    scratch: &mut Scratch,
    (goroutine, holder): (&Goroutine, u64),
    handled: Handled,
) -> Done {
    let Handled { writer, request: address, with_pattern } = handled;
    let time = target.now();
    let mut request = Request::read(target, layout, address).ok_or(Missed::Fault)?;
    // An h2c client's preface reaches a handler as the HTTP/1 request "PRI * HTTP/2.0"; x/net/http2/h2c takes it from there.
    if request.proto_major == 2 && request.method.length == 3 && request.is_preface(target) {
        return Err(Missed::NothingToDo);
    }
    if scratch.event == u64::from(event::START_HTTP2_REQUEST) {
        // `http2Handler.ServeHTTP` tells the program so, whatever came before an upgrade.
        (request.proto_major, request.proto_minor) = (target.opaque(2), target.opaque(0));
    }
    let map = &config.header_map;
    header::find(target, map, request.header, header::served_lengths(target.propagators()), &mut scratch.headers);
    serving::identify::<_, InSlices>(target, scratch);
    // The data pointer of the interface: a context that was made for this request.
    let context_at = address.wrapping_add(layout.context.get().into()).wrapping_add(8);
    let context: u64 = if target.parents().wanted.get() == 0 { 0 } else { target.read_or_zero(context_at) };
    if context != 0 {
        extracted::extract::<_, InSlices>(target, scratch);
    }
    let operation = goroutine.next().ok_or(Missed::NoRoom)?;
    operation.kind.set(server_of(scratch.event, request.proto_major));
    operation.began.set(time);
    operation.object.set(context);
    let [request_word, writer_word] = &operation.words;
    request_word.set(with_pattern);
    writer_word.set(writer);
    serving::open(target, scratch, goroutine, operation, holder)?;
    if scratch.span.trace_flags & 1 == 0 {
        return Ok(());
    }
    operation.reported(report_start(target, config, time, scratch, &request))
}

impl Request {
    #[inline(always)]
    fn is_preface<M: Memory>(&self, memory: &M) -> bool {
        memory.read::<[u8; 3]>(self.method.address) == Some(*b"PRI")
    }
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_start<T: Target>(target: &T, config: &HttpServerConfig, time: u64, scratch: &mut Scratch, request: &Request) -> Done {
    read_texts(target, config, request, scratch);
    let Scratch { span, record, texts, headers: Walk { found, .. }, remote, .. } = scratch;
    record.length = target.opaque(size_of::<HttpServerStart>() as u64);
    target.repeat(TEXTS as u32, &mut Append { record, strings: texts, capacities: &CAPACITIES, next: target.opaque(0) });
    let trace_state = &mut texts[text::TRACE_STATE];
    if remote.is_w3c != 0 && found.trace_state != 0 && trace_state.length == 0 {
        trace_state.length = append_lines(target, record, found.trace_state, CAPACITIES[text::TRACE_STATE]);
    }
    let head: &mut HttpServerStart = record.head();
    head.time = time;
    span.copy_to(&mut head.span);
    head.content_length = request.content_length.cast_signed();
    head.proto_major = request.proto_major as u16;
    head.proto_minor = request.proto_minor as u16;
    head.tls = u32::from(request.tls != 0);
    for (length, text) in head.lengths.iter_mut().zip(texts) {
        *length = text.length as u32;
    }
    // What was extracted stays with us.
    head.span.propagation = 0;
    record.submit(target, kind::HTTP_SERVER_START, false)
}

/// Finds the strings of a request, in the order of [`text`].
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn read_texts<T: Target>(target: &T, config: &HttpServerConfig, request: &Request, scratch: &mut Scratch) {
    let Scratch { headers: Walk { found, scratch: words, .. }, texts, .. } = scratch;
    let url = &config.url;
    let from = url.path.get().min(url.raw_query.get());
    // Both strings of the URL at once; they are neighbours but for a few words.
    target.read_prefix(request.url.wrapping_add(from.into()), (URL_WORDS * 8) as u32, words);
    texts[text::METHOD] = request.method;
    texts[text::PATH] = string(words, url.path.get() - from);
    texts[text::QUERY] = string(words, url.raw_query.get() - from);
    texts[text::HOST] = request.host;
    texts[text::REMOTE] = request.remote;
    texts[text::USER_AGENT] = InSlices::first(target, found.user_agent);
    texts[text::UPGRADE] = InSlices::first(target, found.upgrade);
    serving::header_texts::<_, InSlices>(target, scratch);
}
