//! The start of a request: its span's identity, the sampling decision, and what its header says.

#![expect(clippy::cast_possible_truncation, reason = "sizes of records, and lengths that are cut to what a record holds")]

use core::mem::MaybeUninit;

use crate::config::fasthttp_server::{FasthttpServerConfig, WrappedLayout};
use crate::config::{ABSENT, Offset, instrumentation};
use crate::go::header::{self, InPlace};
use crate::go::peer;
use crate::go::string::GoString;
use crate::go::words::string;
use crate::instrumentations::serving;
use crate::missed::{Done, Missed};
use crate::records::Append;
use crate::records::fasthttp_server::{CAPACITIES, FasthttpServerStart};
use crate::records::http_client::{NO_PEER, Peer};
use crate::records::http_server::{TEXTS, text};
use crate::scratch::Scratch;
use crate::target::{Memory, Target};
use crate::trace::{extracted, operation};

/// Words of a header that are read at once: method, target, host and user agent lie in them, wherever they begin.
pub const LINE_WORDS: usize = 20;

/// What is taken from a `Request` at the start.
#[derive(Clone, Copy)]
struct Request {
    address: u64,
    method: GoString,
    target: GoString,
    host: GoString,
    user_agent: GoString,
}

impl Request {
    /// A call of its own in BPF: its stack is free again when it returns.
    #[inline(never)]
    fn read<M: Memory>(memory: &M, config: &FasthttpServerConfig, address: u64) -> Option<Self> {
        let [method, target, host, user_agent] =
            [&config.method, &config.target, &config.host, &config.user_agent].map(Offset::get);
        let from = method.min(target).min(host).min(user_agent);
        let mut words = MaybeUninit::<[u64; LINE_WORDS]>::uninit();
        let words = memory.read_into(address.wrapping_add(from.into()), &mut words)?;
        Some(Self {
            address,
            method: string(words, method - from),
            target: string(words, target - from),
            host: string(words, host - from),
            user_agent: string(words, user_agent - from),
        })
    }
}

/// The header of a request has been read, whose body comes next.
#[inline(always)]
pub(super) fn start<T: Target>(target: &T, config: &FasthttpServerConfig) -> Done {
    let registers = target.registers();
    let (address, holder) = (registers.argument(0), registers.goroutine());
    let goroutine = serving::prepared(target, holder, instrumentation::FASTHTTP_SERVER)?;
    target.with_scratch(|scratch| {
        let time = target.now();
        let request = Request::read(target, config, address).ok_or(Missed::Fault)?;
        let fields = GoString::at(target, address.wrapping_add(config.fields.get().into()));
        let lengths = header::served_lengths(target.propagators());
        header::find_in_arguments(target, fields.address, fields.length, lengths, &mut scratch.headers);
        serving::identify::<_, InPlace>(target, scratch);
        // The `*RequestCtx` that the request is part of, a `context.Context`; `hertz` has a `*RequestContext`, which is none.
        let served = address.wrapping_sub(config.request.get().into());
        let context = if target.parents().wanted.get() == 0 { 0 } else { served };
        if context != 0 {
            extracted::extract::<_, InPlace>(target, scratch);
        }
        let operation = goroutine.next().ok_or(Missed::NoRoom)?;
        operation.kind.set(operation::kind::FASTHTTP_SERVER);
        operation.began.set(time);
        operation.object.set(context);
        // No `*http.Request`.
        let [request_word, context_word] = &operation.words;
        request_word.set(target.opaque(0));
        context_word.set(served);
        serving::open(target, scratch, goroutine, operation, holder)?;
        if scratch.span.trace_flags & 1 == 0 {
            return Ok(());
        }
        operation.reported(report(target, config, time, scratch, &request))
    })
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report<T: Target>(target: &T, config: &FasthttpServerConfig, time: u64, scratch: &mut Scratch, request: &Request) -> Done {
    read_texts(target, request, scratch);
    let Scratch { span, record, texts, .. } = scratch;
    record.length = target.opaque(size_of::<FasthttpServerStart>() as u64);
    target.repeat(TEXTS as u32, &mut Append { record, strings: texts, capacities: &CAPACITIES, next: target.opaque(0) });
    let field = |offset: u32| request.address.wrapping_add(offset.into());
    let is_old = is_old(target, config, request.address);
    let is_tls: u8 = target.read_or_zero(field(config.is_tls.get()));
    let content_length: u64 = target.read_or_zero(field(config.content_length.get()));
    let FasthttpServerStart { start, peer } = record.head();
    start.time = time;
    span.copy_to(&mut start.span);
    start.content_length = content_length.cast_signed();
    start.proto_major = 1;
    start.proto_minor = u16::from(!is_old);
    start.tls = u32::from(is_tls != 0);
    for (length, text) in start.lengths.iter_mut().zip(texts) {
        *length = text.length as u32;
    }
    // What was extracted stays with us.
    start.span.propagation = 0;
    let connection = field(config.connection.get()).wrapping_sub(config.request.get().into());
    *peer = peer_of(target, config, connection);
    record.submit(target, config.start.get(), false)
}

/// Whether a request came by HTTP/1.0.
#[inline(always)]
fn is_old<M: Memory>(memory: &M, config: &FasthttpServerConfig, request: u64) -> bool {
    let no_http11 = config.no_http11.get();
    if no_http11 != ABSENT {
        return memory.read_or_zero::<u8>(request.wrapping_add(no_http11.into())) != 0;
    }
    // `HTTP/1.0`, or `HTTP/1.1`.
    let protocol = GoString::at(memory, request.wrapping_add(config.protocol.get().into()));
    memory.read_or_zero::<u8>(protocol.address.wrapping_add(protocol.length).wrapping_sub(1)) == b'0'
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn peer_of<T: Target>(target: &T, config: &FasthttpServerConfig, connection: u64) -> Peer {
    if config.peer.tcp.get() == 0 {
        return NO_PEER;
    }
    let found = if config.wrapped.inner.get() == ABSENT {
        peer::find(target, &config.peer, connection)
    } else {
        wrapped_peer(target, config, connection)
    };
    found.unwrap_or(NO_PEER)
}

/// The peer of the `network.Conn` of `hertz` whose interface value is at `connection`.
#[inline(always)]
fn wrapped_peer<T: Target>(target: &T, config: &FasthttpServerConfig, connection: u64) -> Option<Peer> {
    let WrappedLayout { netpoll, remote, inner } = &config.wrapped;
    let [table, data]: [u64; 2] = target.read(connection)?;
    if table != netpoll.get().wrapping_add(target.load_bias()) {
        // By its own itab it shows whether a `net.Conn` is there.
        return peer::find(target, &config.peer, data.wrapping_add(inner.get().into()));
    }
    let [_table, data]: [u64; 2] = target.read(data)?;
    peer::of_address(target, &config.peer, data.wrapping_add(remote.get().into()))
}

/// Finds the strings of a request, in the order of [`text`].
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn read_texts<T: Target>(target: &T, request: &Request, scratch: &mut Scratch) {
    let texts = &mut scratch.texts;
    texts[text::METHOD] = request.method;
    texts[text::PATH] = request.target;
    texts[text::HOST] = request.host;
    texts[text::USER_AGENT] = request.user_agent;
    for none in [text::QUERY, text::REMOTE, text::UPGRADE] {
        texts[none] = GoString::none(target);
    }
    serving::header_texts::<_, InPlace>(target, scratch);
}
