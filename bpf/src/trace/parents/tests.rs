//! Parents through contexts as the Go library nests them.

use super::{NO_SEARCH, find};
use crate::config::parents::{ContextType, EMPTY_PARENTS, ParentsConfig, context_kind};
use crate::config::{ABSENT, Setting, propagator};
use crate::missed::Missed;
use crate::records::SpanIdentity;
use crate::target::fake::{FakeProcess, layouts};
use crate::target::{Lookup as _, Target};
use crate::trace::answered;
use crate::trace::operation::kind;

mod remote;

/// Descriptors.
const CANCEL: u64 = 0x50_0000;
const VALUE: u64 = 0x50_1000;
const GIN: u64 = 0x50_2000;
const BACKGROUND: u64 = 0x50_3000;
const KEY: u64 = 0x50_4000;
const SERVER_KEY: u64 = 0x50_7000;
const SPAN: u64 = 0x50_5000;
const OTHER_SPAN: u64 = 0x50_6000;
/// Where the program was moved to.
const BIAS: u64 = 0x7f00_0000;

fn span(number: u8) -> SpanIdentity {
    SpanIdentity { trace_id: [number; 16], span_id: [number; 8], trace_flags: 1, ..SpanIdentity::NONE }
}

fn process() -> FakeProcess {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    process.parents = ParentsConfig {
        has_frames: Setting::new(0),
        server_key: Setting::new(SERVER_KEY),
        span_key: Setting::new(KEY),
        wanted: Setting::new(1),
        goid: Setting::new(152),
        status: Setting::new(144),
        g_m: Setting::new(48),
        m_curg: Setting::new(184),
        stack_high: Setting::new(8),
        ..EMPTY_PARENTS
    };
    process.load_bias.set(BIAS);
    let mut add = |descriptor: u64, kind, offset, through| {
        process.context_types.insert(descriptor, ContextType { kind, offset, through, span_kind: 0 });
    };
    add(CANCEL, context_kind::HOLDS, 0, ABSENT);
    add(VALUE, context_kind::VALUE, 0, ABSENT);
    add(GIN, context_kind::HOLDS, 64, 248);
    add(SPAN, context_kind::SPAN, 96, ABSENT);
    process
}

/// A `context.Context` of a type, whose struct has these words from `offset` on: its interface value.
fn context(process: &FakeProcess, descriptor: u64, offset: u64, words: &[u64]) -> [u64; 2] {
    let table = process.memory.allocate(32);
    process.memory.write_words(table + 8, &[descriptor]);
    let data = process.memory.allocate(512);
    process.memory.write_words(data + offset, words);
    [table, data]
}

fn cancel(process: &FakeProcess, parent: [u64; 2]) -> [u64; 2] {
    context(process, CANCEL, 0, &parent)
}

/// The parent that an operation with this context has, on a goroutine that does nothing else.
fn parent_of(process: &FakeProcess, context: [u64; 2]) -> Option<SpanIdentity> {
    let address = process.goroutine_struct();
    let goroutine = process.goroutine_or_new(address).unwrap();
    let mut search = NO_SEARCH;
    find(process, goroutine, &mut search, address, context);
    (search.found != 0).then_some(search.parent)
}

/// Another goroutine serves a request with this context.
fn serve(process: &FakeProcess, context: u64, span: &SpanIdentity) -> u64 {
    let address = process.goroutine_struct();
    let goroutine = process.goroutine_or_new(address).unwrap();
    let operation = goroutine.next().unwrap();
    operation.kind.set(kind::HTTP1_SERVER);
    operation.span.set(span, address);
    operation.object.set(context);
    goroutine.opened(0);
    process.remember_context(context, address);
    address
}

#[test]
fn the_contexts_of_a_request_lead_to_its_span() {
    let process = process();
    let background = context(&process, BACKGROUND, 0, &[]);
    let served = cancel(&process, background);
    let by = serve(&process, served[1], &span(1));
    let [table, data] = served;
    let in_value = context(&process, VALUE, 0, &[table, data, 7, 7, 7, 7]);
    let nested = (0..20).fold(in_value, |inner, _| cancel(&process, inner));
    let request = process.memory.allocate(512);
    process.memory.write_words(request + 248, &nested);
    let gin = context(&process, GIN, 64, &[request]);
    for context in [served, in_value, nested, gin] {
        assert_eq!(parent_of(&process, context), Some(span(1)));
    }
    // Its goroutine serves another request already.
    let operation = process.goroutine(by).unwrap().active().unwrap();
    operation.object.set(data + 8);
    assert_eq!(parent_of(&process, served), None);
    operation.object.set(data);
    process.forget_context(data);
    for context in [served, in_value, nested, gin, background, [0, 0], [0, data], [0xdead_0000, 0xdead_0000]] {
        assert_eq!(parent_of(&process, context), None);
    }
}

#[test]
fn a_circle_of_contexts_ends() {
    let process = process();
    let first = cancel(&process, [0, 0]);
    let second = cancel(&process, first);
    process.memory.write_words(first[1], &second);
    assert_eq!(parent_of(&process, first), None);
}

#[test]
fn a_span_of_the_opentelemetry_api_is_nearer_than_the_request() {
    let process = process();
    let served = cancel(&process, [0, 0]);
    let _server = serve(&process, served[1], &span(1));
    let sdk = |descriptor: u64, key: u64, id: u64, remote: u64| {
        let value = process.memory.allocate(256);
        process.memory.write_words(value + 96, &[0x1111, 0x2222, id, 1, 0, 0, 0, remote]);
        let [table, data] = served;
        parent_of(&process, context(&process, VALUE, 0, &[table, data, key, 0, descriptor, value]))
    };
    let found = sdk(SPAN, KEY + BIAS, 0x3333, 0).unwrap();
    assert_eq!((u64::from_ne_bytes(found.span_id), found.trace_flags, found.propagation), (0x3333, 1, 0));
    assert_eq!(u128::from_ne_bytes(found.trace_id), 0x2222 << 64 | 0x1111);
    // Another key, a span of an unknown type, one without an identity, and one of another process.
    for not_taken in [
        sdk(SPAN, KEY, 0x3333, 0),
        sdk(OTHER_SPAN, KEY + BIAS, 0x3333, 0),
        sdk(SPAN, KEY + BIAS, 0, 0),
        sdk(SPAN, KEY + BIAS, 0x3333, 1),
    ] {
        assert_eq!(not_taken, Some(span(1)));
    }
}

/// Baggage and state of the request that the goroutine serves, if they are of the same trace.
#[test]
fn under_a_span_of_the_api_what_came_with_the_request_is_passed_on() {
    let process = process();
    for (trace, is_same) in [(1, true), (2, false)] {
        let address = process.goroutine_struct();
        let goroutine = process.goroutine_or_new(address).unwrap();
        let operation = goroutine.next().unwrap();
        operation.kind.set(kind::HTTP1_SERVER);
        let propagators = propagator::TRACE_STATE | propagator::BAGGAGE;
        operation.span.set(&SpanIdentity { propagation: propagators, ..span(1) }, address);
        goroutine.opened(0);
        let value = process.memory.allocate(256);
        let trace = u64::from_ne_bytes([trace; 8]);
        process.memory.write_words(value + 96, &[trace, trace, 0x3333, 1, 0, 0, 0, 0]);
        let context = context(&process, VALUE, 0, &[0, 0, KEY + BIAS, 0, SPAN, value]);
        let mut search = NO_SEARCH;
        find(&process, goroutine, &mut search, address, context);
        assert_eq!(u64::from_ne_bytes(search.parent.span_id), 0x3333);
        let expected = if is_same { (propagators, u64::from_ne_bytes([1; 8])) } else { (0, 0x3333) };
        assert_eq!((search.parent.propagation, search.texts), expected);
    }
}

/// What is made of a request's context names its span when the request has been answered, until another context has its address.
#[test]
fn the_context_of_an_answered_request_keeps_its_span() {
    let process = process();
    let connection = cancel(&process, [0, 0]);
    let served = cancel(&process, connection);
    let [table, data] = served;
    let in_value = context(&process, VALUE, 0, &[table, data, 7, 7, 7, 7]);
    let of_request = SpanIdentity { propagation: 3, ..span(1) };
    let by = serve(&process, data, &of_request);
    assert_eq!(parent_of(&process, in_value), Some(of_request));
    process.goroutine(by).unwrap().close(&process, 0);
    assert!(process.contexts.is_empty());
    answered::remember(&process, data, &of_request);
    // What came with it is not propagated any more.
    assert_eq!(parent_of(&process, in_value), Some(span(1)));
    // The same address, made of another context.
    let other = cancel(&process, [0, 0]);
    process.memory.write_words(data, &other);
    assert_eq!(parent_of(&process, in_value), None);
    process.memory.write_words(data, &connection);
    assert_eq!(parent_of(&process, in_value), Some(span(1)));
    // The same addresses, made of a context of another type, or of what is made of another one.
    process.memory.write_words(data, &[other[0] + 8, connection[1]]);
    assert_eq!(parent_of(&process, in_value), None);
    process.memory.write_words(data, &connection);
    process.memory.write_words(connection[1], &other);
    assert_eq!(parent_of(&process, in_value), None);
    process.memory.write_words(connection[1], &[0_u64, 0]);
    assert_eq!(parent_of(&process, in_value), Some(span(1)));
    // Others of its bucket take its place, the seventh at last; the same one twice takes one.
    let others: Vec<u64> =
        (1..1 << 20).map(|step| data + step * 16).filter(|other| answered::bucket(*other) == answered::bucket(data)).collect();
    for other in &others[..answered::WAYS - 1] {
        answered::remember(&process, *other, &span(2));
        answered::remember(&process, *other, &span(2));
        assert_eq!(parent_of(&process, in_value), Some(span(1)));
    }
    answered::remember(&process, others[answered::WAYS], &span(2));
    assert_eq!(parent_of(&process, in_value), None);
}

/// A way through the context of a server's connection that has led to no request is counted.
#[test]
fn a_forgotten_request_is_counted() {
    let process = process();
    let connection = context(&process, VALUE, 0, &[0, 0, SERVER_KEY + BIAS, 7, 7, 7]);
    let served = cancel(&process, connection);
    assert_eq!(parent_of(&process, served), None);
    assert_eq!(process.missed.take(), [Missed::ContextForgotten]);
    let _server = serve(&process, served[1], &span(1));
    assert_eq!(parent_of(&process, served), Some(span(1)));
    assert_eq!(parent_of(&process, cancel(&process, [0, 0])), None);
    assert!(process.missed.take().is_empty());
}
