//! The start of a request: its span's identity, the sampling decision, and what the request says.

#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of records, and numbers of the program that are cut to what a record holds"
)]

use core::mem::MaybeUninit;

use super::Server;
use crate::config::{RequestLayout, cookie};
use crate::go::header::{self, Found, SCRATCH_WORDS, Walk};
use crate::go::string::GoString;
use crate::go::words::{string, word};
use crate::missed::{Done, Missed};
use crate::records::{
    HttpServerStart, LongTexts, ProxiedTexts, RecordHeader, SERVER_TEXTS, ServerTexts, ShortTexts, SpanIdentity, kind,
    server_text,
};
use crate::target::{Memory, Registers, Target};
use crate::trace::{Goroutine, extracted, remote, sampling, sealed};

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

/// A handler is about to be called with a `*http.Request`; `site` is one of [`cookie`].
#[inline(always)]
pub fn start<T: Target>(target: &T, site: u32) -> Done {
    let Registers { arguments: [_, second, third, fourth, _], goroutine: holder } = target.registers();
    let goroutine = target.goroutine_or_new(holder).ok_or(Missed::NoRoom)?;
    // Through memory, so that the verifier does not follow each value to the end.
    goroutine.started_at = site;
    let (writer, request) = if goroutine.started_at == cookie::START_HANDLER { (third, fourth) } else { (second, third) };
    start_request(target, &target.http_server().request, goroutine, holder, Handled { writer, request, with_pattern: request })
}

/// A handler is about to be called with a `*http2.ServerRequest` (Go 1.27).
///
/// A program of its own, because the verifier follows each layout separately.
#[inline(always)]
pub fn start_http2_request<T: Target>(target: &T) -> Done {
    let Registers { arguments: [_, _, writer, request, _], goroutine: holder } = target.registers();
    let goroutine = target.goroutine_or_new(holder).ok_or(Missed::NoRoom)?;
    goroutine.started_at = cookie::START_HTTP2_REQUEST;
    // It has no pattern, and the `*http.Request` that is made of it is not known here.
    start_request(target, &target.http_server().http2_request, goroutine, holder, Handled { writer, request, with_pattern: 0 })
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
    layout: &RequestLayout,
    goroutine: &mut Goroutine,
    holder: u64,
    handled: Handled,
) -> Done {
    let Handled { writer, request: address, with_pattern } = handled;
    let time = target.now();
    // Whatever an earlier operation left open: this one's end must not be taken for that one's.
    goroutine.open = 0;
    goroutine.client.abandon(target);
    goroutine.forget(target);
    let mut request = Request::read(target, layout, address).ok_or(Missed::Fault)?;
    // An h2c client's preface reaches a handler as the HTTP/1 request "PRI * HTTP/2.0"; x/net/http2/h2c takes it from there.
    if request.proto_major == 2 && request.method.length == 3 && request.is_preface(target) {
        return Err(Missed::NothingToDo);
    }
    if goroutine.started_at == cookie::START_HTTP2_REQUEST {
        // `http2Handler.ServeHTTP` tells the program so, whatever came before an upgrade.
        (request.proto_major, request.proto_minor) = (target.opaque(2), target.opaque(0));
    }
    let context_at = address.wrapping_add(layout.context.get().into());
    goroutine.request = with_pattern;
    goroutine.route = GoString::none(target);
    goroutine.writer = writer;
    goroutine.server = Server::of(goroutine.started_at, request.proto_major) as u32;
    goroutine.open = 1;
    let layout = &target.http_server().header_map;
    header::find(target, layout, request.header, header::served_lengths(target.sampler()), &mut goroutine.headers);
    let is_sampled = identify(target, goroutine);
    if target.parents().wanted.get() != 0 {
        // The data pointer of the interface: a context that was made for this request.
        goroutine.context = target.read_or_zero(context_at + 8);
        if goroutine.context != 0 {
            extracted::extract(target, goroutine);
        }
    }
    goroutine.seal = sealed::seal(&goroutine.span, holder);
    if goroutine.context != 0 {
        target.remember_context(goroutine.context, &goroutine.span);
    }
    if !is_sampled {
        return Ok(());
    }
    let reported = report_start(target, time, goroutine, holder, &request);
    if reported.is_err() {
        // Its end is not reported either.
        goroutine.open = 0;
    }
    reported
}

impl Request {
    #[inline(always)]
    fn is_preface<M: Memory>(&self, memory: &M) -> bool {
        memory.read::<[u8; 3]>(self.method.address) == Some(*b"PRI")
    }
}

/// Gives a new span its identity, under the parent that the request's headers name if they do. True where it is recorded.
#[inline(always)]
fn identify<T: Target>(target: &T, goroutine: &mut Goroutine) -> bool {
    let Goroutine { span, random, headers, remote, .. } = goroutine;
    remote::extract(target, &headers.found, remote);
    span.span_id = random.span_id();
    span.propagation = 0;
    if remote.found != 0 {
        span.trace_id = remote.trace_id;
        span.parent_span_id = remote.parent_id;
        span.parent_is_remote = 1;
    } else {
        span.trace_id = random.trace_id();
        span.parent_span_id = [0; 8];
        span.parent_is_remote = 0;
    }
    let sampled = sampling::is_sampled(target.sampler(), &span.trace_id, remote.decision());
    span.trace_flags = u8::from(sampled);
    sampled
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_start<T: Target>(target: &T, time: u64, goroutine: &mut Goroutine, holder: u64, request: &Request) -> Done {
    let Goroutine { span, remote, headers: Walk { found, scratch, .. }, texts, .. } = goroutine;
    read_texts(target, request, found, remote.is_w3c, scratch, texts);
    let strings = Strings { values: texts };
    macro_rules! report {
        ($texts:ty, $kind:expr, $copy:ident) => {{
            let record = target.reserve::<HttpServerStart<$texts>>()?;
            fill_start(record, $kind, time, span, request);
            strings.$copy(target, &mut record.texts);
            // Another goroutine may have got this memory meanwhile.
            if goroutine.is_of(holder) {
                target.submit(record, false);
                Ok(())
            } else {
                target.discard(record);
                Err(Missed::Evicted)
            }
        }};
    }
    if GoString::all_fit(texts, ShortTexts::capacities()) {
        report!(ShortTexts, kind::HTTP_SERVER_START_SHORT, copy_to_short)
    } else if GoString::all_fit(texts, ProxiedTexts::capacities()) {
        report!(ProxiedTexts, kind::HTTP_SERVER_START_PROXIED, copy_to_proxied)
    } else {
        report!(LongTexts, kind::HTTP_SERVER_START_LONG, copy_to_long)
    }
}

/// Finds the strings of a request, in the order of `server_text`.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn read_texts<T: Target>(
    target: &T,
    request: &Request,
    found: &Found,
    is_w3c: u64,
    scratch: &mut [u64; SCRATCH_WORDS],
    texts: &mut [GoString; SERVER_TEXTS],
) {
    let url = &target.http_server().url;
    let from = url.path.get().min(url.raw_query.get());
    // Both strings of the URL at once; they are neighbours but for a few words.
    target.read_prefix(request.url + u64::from(from), (URL_WORDS * 8) as u32, scratch);
    texts[server_text::METHOD] = request.method;
    texts[server_text::PATH] = string(scratch, url.path.get() - from);
    texts[server_text::QUERY] = string(scratch, url.raw_query.get() - from);
    texts[server_text::HOST] = request.host;
    texts[server_text::REMOTE] = request.remote;
    texts[server_text::USER_AGENT] = GoString::first_of_slice(target, found.user_agent);
    texts[server_text::FORWARDED_PROTO] = GoString::first_of_slice(target, found.forwarded_proto);
    texts[server_text::FORWARDED_HOST] = GoString::first_of_slice(target, found.forwarded_host);
    texts[server_text::UPGRADE] = GoString::first_of_slice(target, found.upgrade);
    let trace_state = if is_w3c == 0 { 0 } else { found.trace_state };
    // Of several lines one alone would be another state.
    texts[server_text::TRACE_STATE] =
        if trace_state == 0 { GoString::none(target) } else { GoString::only_of_slice(target, trace_state) };
    let [first, next] = GoString::first_two_of_slice(target, found.forwarded_for);
    texts[server_text::FORWARDED_FOR] = first;
    texts[server_text::FORWARDED_FOR_NEXT] = next;
    let [first, next] = GoString::first_two_of_slice(target, found.forwarded);
    texts[server_text::FORWARDED] = first;
    texts[server_text::FORWARDED_NEXT] = next;
}

/// The strings of a request, where they lie in the program.
struct Strings<'a> {
    values: &'a [GoString; SERVER_TEXTS],
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
            self.values[server_text::UPGRADE].copy_to(memory, &mut texts.upgrade);
            self.values[server_text::FORWARDED_HOST].copy_to(memory, &mut texts.forwarded_host);
            self.values[server_text::FORWARDED].copy_to(memory, &mut texts.forwarded);
            self.values[server_text::FORWARDED_NEXT].copy_to(memory, &mut texts.forwarded_next);
            self.values[server_text::FORWARDED_FOR_NEXT].copy_to(memory, &mut texts.forwarded_for_next);
        }
    };
}

impl Strings<'_> {
    copy_texts!(copy_to_short, ShortTexts);
    copy_texts!(copy_to_proxied, ProxiedTexts);
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
