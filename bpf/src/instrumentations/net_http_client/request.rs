//! A round trip begins: the span's identity, and what is reported of the request.

use core::mem::MaybeUninit;

use super::depth;
use crate::config::http_client::HttpClientConfig;
use crate::config::{SamplerSetting, propagator};
use crate::go::header::{self, Found, SCRATCH_WORDS, Walk};
use crate::go::string::GoString;
use crate::go::words::{string, word};
use crate::missed::{Done, Missed};
use crate::records::http_client::{CLIENT_TEXTS, ClientTexts, HttpClientStart, LongClientTexts, ShortClientTexts};
use crate::records::{RecordHeader, SpanIdentity, kind};
use crate::target::{Lookup, Memory, Registers, Step, Target};
use crate::trace::client::{ClientCall, Injection};
use crate::trace::{Goroutine, extracted, parents, remote, sampling, sealed};

/// A round trip begins.
#[inline(always)]
pub fn start<T: Target>(target: &T) -> Done {
    let Registers { arguments: [_, request, ..], goroutine: address } = target.registers();
    let config = target.http_client();
    let depth = depth(target, config, address);
    let goroutine = target.goroutine_or_new(address).ok_or(Missed::NoRoom)?;
    if goroutine.client.open != 0 && depth > goroutine.client.depth && is_within(target, &goroutine.client, depth) {
        // A proxy function or a dialler that makes a request itself: part of this one.
        goroutine.client.nested += 1;
        return Err(Missed::NothingToDo);
    }
    let time = target.now();
    goroutine.client.abandon(target);
    let context = request + u64::from(config.context.get());
    let request = Request::read(target, request).ok_or(Missed::Fault)?;
    goroutine.client.open = 1;
    goroutine.client.depth = depth;
    goroutine.client.nested = 0;
    goroutine.client.caller = target.read_or_zero(target.all_registers().stack_pointer);
    let map = request.header;
    header::find(target, &config.header_map, map, header::lengths(target.sampler()), &mut goroutine.headers);
    parents::find(target, goroutine, address, target.read_or_zero(context));
    identify(target, goroutine);
    let span = &goroutine.client.injection.span;
    goroutine.client.seal = sealed::seal(span, address);
    goroutine.client.injection.seal = sealed::seal(span, map);
    goroutine.client.header = map;
    if !config.is_written() {
        goroutine.client.header = target.opaque(0);
    } else if goroutine.client.injection.span.propagation != 0 || goroutine.client.injection.span.trace_flags & 1 != 0 {
        target.set_injection(map, &goroutine.client.injection);
    } else {
        // A round trip that panicked may have left one behind, for a map that stood here then.
        target.forget_injection(map);
    }
    if goroutine.client.injection.span.trace_flags & 1 == 0 {
        return Ok(());
    }
    report_start(target, time, goroutine, &request)
}

/// Words of a `http.Request` that are read at once; all that is needed of it but its context lies in them.
pub const REQUEST_WORDS: usize = 29;
/// Words of a `url.URL`.
pub const URL_WORDS: usize = 16;
const _: () = assert!(URL_WORDS <= SCRATCH_WORDS);

/// What is taken from a `http.Request` at the start.
struct Request {
    method: GoString,
    url: u64,
    header: u64,
    content_length: u64,
    host: GoString,
    redirect: u64,
}

impl Request {
    /// A call of its own in BPF: its stack is free again when it returns.
    #[inline(never)]
    fn read<T: Target>(target: &T, address: u64) -> Option<Self> {
        let config = target.http_client();
        let mut words = MaybeUninit::<[u64; REQUEST_WORDS]>::uninit();
        let words = target.read_into(address, &mut words)?;
        let has_body = word(words, config.body.get()) != 0;
        Some(Self {
            method: string(words, config.method.get()),
            url: word(words, config.url.get()),
            header: word(words, config.header.get()),
            // Without a body, nothing is sent of what it says (`(*http.Request).outgoingLength`).
            content_length: if has_body { word(words, config.content_length.get()) } else { target.opaque(0) },
            host: string(words, config.sent_host.get()),
            redirect: word(words, config.redirect.get()),
        })
    }
}

/// Whether a call at this depth of the stack is made by the round trip `outer`, which has not ended; it may have panicked.
#[inline(always)]
fn is_within<T: Target>(target: &T, outer: &ClientCall, depth: u64) -> bool {
    let stack_pointer = target.all_registers().stack_pointer;
    target.read_or_zero::<u64>(stack_pointer.wrapping_add(depth.wrapping_sub(outer.depth))) == outer.caller
}

/// Gives a new span its identity: under the parent that the program has named in the request's headers itself, else under the
/// one that was found. What the program has set stays the only one of its kind.
#[inline(always)]
fn identify<T: Target>(target: &T, goroutine: &mut Goroutine) {
    let Goroutine { search, random, headers, remote, client: ClientCall { injection, .. }, .. } = goroutine;
    let sampler = target.sampler();
    remote::extract(target, &headers.found, remote);
    let Injection { span, extracted, writes, peer, .. } = injection;
    *writes = 0;
    peer.length = 0;
    span.span_id = random.span_id();
    span.parent_is_remote = 0;
    // A proxy that copies the headers of the request that it serves has not named a parent.
    let served = &search.parent;
    let is_copied = search.found != 0 && served.is_child_of(&remote.trace_id, &remote.parent_id);
    let decision = if remote.found != 0 && !is_copied {
        span.trace_id = remote.trace_id;
        span.parent_span_id = remote.parent_id;
        remote.decision()
    } else if search.found != 0 {
        span.trace_id = search.parent.trace_id;
        span.parent_span_id = search.parent.span_id;
        Some(search.parent.trace_flags & 1 != 0)
    } else {
        span.trace_id = random.trace_id();
        span.parent_span_id = [0; 8];
        None
    };
    span.trace_flags = u8::from(sampling::is_sampled(sampler, &span.trace_id, decision));
    // Without a parent that was found there is nothing that came with it.
    *extracted = extracted::key(&search.parent);
    let came = if search.found == 0 { 0 } else { search.parent.propagation };
    span.propagation = to_inject(sampler, came, &headers.found);
}

/// Which headers a request gets, of those that it does not have.
#[inline(always)]
fn to_inject(sampler: &SamplerSetting, came: u8, own: &Found) -> u8 {
    let mut propagation = came & (propagator::TRACE_STATE | propagator::BAGGAGE);
    // The state of a trace goes with its `traceparent`.
    if own.trace_parent | own.trace_state != 0 {
        propagation &= !propagator::TRACE_STATE;
    }
    if own.baggage != 0 {
        propagation &= !propagator::BAGGAGE;
    }
    for (propagator, own) in [
        (propagator::TRACE_CONTEXT, own.trace_parent),
        (propagator::B3, own.b3),
        (propagator::B3_MULTI, own.b3_trace | own.b3_span | own.b3_sampled | own.b3_flags),
    ] {
        if sampler.has(propagator) && own == 0 {
            propagation |= propagator;
        }
    }
    propagation
}

/// A client follows ten redirects, unless the program says otherwise (`net/http.defaultCheckRedirect`).
const MAX_REDIRECTS: u32 = 64;

/// The way back from a request through the redirects that have led to it.
struct Redirects<'a> {
    config: &'a HttpClientConfig,
    /// The `*http.Response` by which the last one came.
    response: u64,
    count: u64,
}

impl Step for Redirects<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, memory: &L) -> bool {
        if self.response == 0 {
            return false;
        }
        self.count += 1;
        let request: u64 = memory.read_or_zero(self.response + u64::from(self.config.redirected.get()));
        if request == 0 {
            return false;
        }
        self.response = memory.read_or_zero(request + u64::from(self.config.redirect.get()));
        true
    }
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_start<T: Target>(target: &T, time: u64, goroutine: &mut Goroutine, request: &Request) -> Done {
    let Goroutine { client, headers: Walk { scratch, .. }, texts, .. } = goroutine;
    // All of the URL at once; what cannot be read is zero.
    target.read_prefix(request.url, (URL_WORDS * 8) as u32, scratch);
    let strings = texts.first_chunk_mut::<CLIENT_TEXTS>().ok_or(Missed::NothingToDo)?;
    find_strings(target, request, scratch, strings);
    let mut redirects = Redirects { config: target.http_client(), response: request.redirect, count: target.opaque(0) };
    if request.redirect != 0 {
        target.repeat(MAX_REDIRECTS, &mut redirects);
    }
    let user = word(scratch, target.http_client().user.get());
    let numbers = Numbers { content_length: request.content_length, has_user: user != 0, redirects: redirects.count };
    if GoString::all_fit(strings, ShortClientTexts::capacities()) {
        let record = target.reserve::<HttpClientStart<ShortClientTexts>>()?;
        fill_start(record, kind::HTTP_CLIENT_START_SHORT, time, &client.injection.span, numbers);
        copy_to_short(target, strings, &mut record.texts);
        target.submit(record, false);
    } else {
        let record = target.reserve::<HttpClientStart<LongClientTexts>>()?;
        fill_start(record, kind::HTTP_CLIENT_START_LONG, time, &client.injection.span, numbers);
        copy_to_long(target, strings, &mut record.texts);
        target.submit(record, false);
    }
    Ok(())
}

/// What a record says of a request besides its strings.
#[derive(Clone, Copy)]
struct Numbers {
    content_length: u64,
    has_user: bool,
    redirects: u64,
}

#[inline(always)]
fn fill_start<Texts>(record: &mut HttpClientStart<Texts>, kind: u32, time: u64, span: &SpanIdentity, numbers: Numbers) {
    record.header = RecordHeader { kind, size: size_of::<HttpClientStart<Texts>>() as u32 };
    record.time = time;
    span.copy_to(&mut record.span);
    record.content_length = numbers.content_length.cast_signed();
    record.has_user = u32::from(numbers.has_user);
    record.redirects = numbers.redirects as u32;
}

/// The strings of a request, where they lie in the program, in the order of [`ClientTexts`]; `url` is the beginning of the
/// `url.URL`.
#[inline(always)]
fn find_strings<T: Target>(target: &T, request: &Request, url: &[u64], strings: &mut [GoString; CLIENT_TEXTS]) {
    let config = target.http_client();
    let host = string(url, config.host.get());
    // `http.NewRequest` takes it from the URL: then it is the same string, at the same address.
    let is_same = (request.host.address ^ host.address) | (request.host.length ^ host.length) == 0;
    *strings = [
        request.method,
        string(url, config.scheme.get()),
        host,
        string(url, config.path.get()),
        string(url, config.raw_query.get()),
        if is_same { GoString::none(target) } else { request.host },
    ];
}

macro_rules! copy_texts {
    ($name:ident, $texts:ty) => {
        #[inline(always)]
        fn $name<M: Memory>(memory: &M, strings: &[GoString; CLIENT_TEXTS], texts: &mut $texts) {
            let [method, scheme, host, path, query, sent_host] = strings;
            method.copy_to(memory, &mut texts.method);
            scheme.copy_to(memory, &mut texts.scheme);
            host.copy_to(memory, &mut texts.host);
            path.copy_to(memory, &mut texts.path);
            query.copy_to(memory, &mut texts.query);
            sent_host.copy_to(memory, &mut texts.sent_host);
        }
    };
}

copy_texts!(copy_to_short, ShortClientTexts);
copy_texts!(copy_to_long, LongClientTexts);
