//! A round trip begins: the span's identity, and what is reported of the request.

#![expect(clippy::cast_possible_truncation, reason = "numbers of the process that are cut to what a record holds")]

use core::mem::MaybeUninit;

use super::identity::{adopt, identify};
use super::{depth, redirects};
use crate::config::http_client::HttpClientConfig;
use crate::config::{instrumentation, propagator};
use crate::go::header::{self, SCRATCH_WORDS, Walk};
use crate::go::string::GoString;
use crate::go::words::{string, word};
use crate::missed::{Done, Missed};
use crate::records::http_client::{CAPACITIES, HttpClientStart, TEXTS};
use crate::records::{Append, SpanIdentity, kind};
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::goroutine::{Goroutine, unopened};
use crate::trace::operation::{self, Operation};
use crate::trace::{baggage, exports, parents, waiting, wrapped};

/// A round trip begins.
#[inline(always)]
pub fn start<T: Target>(target: &T, config: &HttpClientConfig) -> Done {
    let registers = target.registers();
    let (request, address) = (registers.argument(1), registers.goroutine());
    let depth = depth(target, address);
    let goroutine = target.goroutine_or_new(address).ok_or(Missed::NoRoom)?;
    if is_nested(target, goroutine, depth) {
        // A proxy function or a dialler that makes a request itself: part of this one.
        return Err(Missed::NothingToDo);
    }
    // Until there is an operation.
    goroutine.not_opened(unopened::ROUND_TRIP);
    if is_dump(target, config, registers.argument(0)) || target.settings().is_off(instrumentation::HTTP_CLIENT) {
        return Err(Missed::NothingToDo);
    }
    target.with_scratch(|scratch| begin(target, config, scratch, goroutine, &Sent { request, goroutine: address, depth }))
}

/// Whether the transport is that of `httputil.DumpRequestOut`, which sends nothing.
#[inline(always)]
fn is_dump<T: Target>(target: &T, config: &HttpClientConfig, transport: u64) -> bool {
    let dial = config.dump_dial.get();
    if dial == 0 {
        return false;
    }
    // A function value is the address of a word that has that of its code (`runtime.funcval`).
    let function: u64 = target.read_or_zero(transport.wrapping_add(config.dial.get().into()));
    function != 0 && target.read_or_zero::<u64>(function) == dial.wrapping_add(target.load_bias())
}

/// Whether a round trip that begins at this depth of the stack is made by one that has not ended, which then knows of it. One that a
/// panic has unwound is closed.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn is_nested<T: Target>(target: &T, goroutine: &Goroutine, depth: u64) -> bool {
    let Some((number, outer)) = goroutine.round_trip() else {
        return false;
    };
    let is_nested = depth > outer.depth.get().into() && is_within(target, outer, depth);
    if is_nested {
        outer.nested.set(outer.nested.get() + 1);
    } else {
        goroutine.close(target, number);
    }
    is_nested
}

/// A request, and where it is sent.
struct Sent {
    /// The `*http.Request`.
    request: u64,
    /// The address of the goroutine's `g`.
    goroutine: u64,
    /// [`Operation::depth`].
    depth: u64,
}

#[inline(always)]
fn begin<T: Target>(target: &T, config: &HttpClientConfig, scratch: &mut Scratch, goroutine: &Goroutine, sent: &Sent) -> Done {
    let time = target.now();
    let context_at = sent.request.wrapping_add(config.context.get().into());
    let request = Request::read(target, config, sent.request).ok_or(Missed::Fault)?;
    let carrier = request.header;
    // What the walk finds out about the address is not known behind it: what comes is verified once.
    header::find(target, &config.header_map, target.opaque(carrier), header::lengths(target.propagators()), &mut scratch.headers);
    let context = target.read_or_zero(context_at);
    parents::find(target, goroutine, &mut scratch.search, sent.goroutine, context);
    wrapped::look(target, &mut scratch.search, instrumentation::HTTP_CLIENT, true);
    baggage::look(target, scratch, goroutine, context);
    identify(target, scratch, goroutine);
    let is_reported = adopt(target, scratch);
    leave_export_out(target, config, scratch, &request);
    let operation = goroutine.next().ok_or(Missed::NoRoom)?;
    operation.span.set(&scratch.span, sent.goroutine);
    operation.kind.set(operation::kind::HTTP_CLIENT);
    operation.nested.set(0);
    operation.is_reported.set(is_reported as u32);
    operation.began.set(time);
    operation.depth.set(sent.depth as u32);
    operation.object.set(if config.is_written() { carrier } else { 0 });
    let [caller, _] = &operation.words;
    caller.set(target.registers().return_address(target));
    goroutine.opened(unopened::ROUND_TRIP);
    if !goroutine.is_held_by(sent.goroutine) {
        return Err(Missed::Evicted);
    }
    let is_sampled = u64::from(scratch.span.trace_flags & 1) & is_reported != 0;
    if config.is_written() {
        baggage::take(target, scratch);
        queue_injection(target, scratch, carrier);
    }
    if !is_sampled {
        return Ok(());
    }
    operation.reported(report_start(target, config, time, scratch, &request))
}

/// Remembers what is to be injected into the request with this carrier, for when its header is written.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn queue_injection<T: Target>(target: &T, scratch: &mut Scratch, carrier: u64) {
    let Scratch { injection, span, search, remote, .. } = scratch;
    // A request without a header map is refused by the client before anything is written.
    let is_wanted = span.trace_flags & 1 != 0 || span.propagation != 0;
    if carrier == 0 || !is_wanted {
        // A round trip that panicked may have left one behind, for a map that stood here then.
        target.forget_injection(carrier);
        return;
    }
    if T::STORES && span.propagation & propagator::COPIED != 0 {
        // For [`super::copied`]: the parent that copies name.
        injection.span.set(&SpanIdentity { parent_span_id: remote.parent_id, ..*span }, carrier);
    } else {
        injection.span.set(span, carrier);
    }
    injection.extracted.set(search.texts);
    injection.reset();
    // Before it can be found.
    waiting::begin(target, carrier);
    target.set_injection(carrier, injection);
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
    fn read<T: Target>(target: &T, config: &HttpClientConfig, address: u64) -> Option<Self> {
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

/// Does not sample a request of the program's own exporter.
#[inline(always)]
fn leave_export_out<T: Target>(target: &T, config: &HttpClientConfig, scratch: &mut Scratch, request: &Request) {
    let path = || GoString::at(target, request.url.wrapping_add(config.path.get().into()));
    if exports::may_be(target, &scratch.span) && exports::is_request(target, request.method, path()) {
        scratch.span.trace_flags = 0;
    }
}

/// Whether a call at this depth of the stack is made by the round trip `outer`, which has not ended; it may have panicked.
#[inline(always)]
fn is_within<T: Target>(target: &T, outer: &Operation, depth: u64) -> bool {
    let stack_pointer = target.registers().stack_pointer;
    let [caller, _] = &outer.words;
    target.read_or_zero::<u64>(stack_pointer.wrapping_add(depth.wrapping_sub(outer.depth.get().into()))) == caller.get()
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_start<T: Target>(target: &T, config: &HttpClientConfig, time: u64, scratch: &mut Scratch, request: &Request) -> Done {
    let Scratch { span, headers: Walk { scratch: url, .. }, texts, record, .. } = scratch;
    // All of the URL at once; what cannot be read is zero.
    target.read_prefix(request.url, (URL_WORDS * 8) as u32, url);
    let strings = texts.first_chunk_mut::<TEXTS>().ok_or(Missed::NothingToDo)?;
    find_strings(target, config, request, url, strings);
    let redirects = redirects::count(target, config, request.redirect);
    let has_user = word(url, config.user.get()) != 0;
    record.length = target.opaque(size_of::<HttpClientStart>() as u64);
    let mut append = Append { record, strings, capacities: &CAPACITIES, next: target.opaque(0) };
    target.repeat(TEXTS as u32, &mut append);
    let Append { record, strings, .. } = append;
    let head: &mut HttpClientStart = record.head();
    head.time = time;
    span.copy_to(&mut head.span);
    head.content_length = request.content_length.cast_signed();
    head.has_user = u32::from(has_user);
    head.redirects = redirects as u32;
    for (length, string) in head.lengths.iter_mut().zip(strings) {
        *length = string.length as u32;
    }
    record.submit(target, kind::HTTP_CLIENT_START, false)
}

/// The strings of a request, where they lie in the process, in the order of [`HttpClientStart::lengths`]; `url` is the beginning of
/// the `url.URL`.
#[inline(always)]
fn find_strings<T: Target>(
    target: &T,
    config: &HttpClientConfig,
    request: &Request,
    url: &[u64],
    strings: &mut [GoString; TEXTS],
) {
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
