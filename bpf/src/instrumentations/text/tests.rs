//! Texts as a receiver reads them.

use super::*;
use crate::config::Setting;
use crate::records::SpanIdentity;
use crate::slots::EMPTY_SLOT;
use crate::target::fake::{FakeProcess, layouts};
use crate::trace::extracted::{Extracted, NOTHING_EXTRACTED};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const B3: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1";

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    core::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
}

/// What is composed of these headers, with a state and baggage of these lengths, from the word `AT` on.
fn composed<const HTTP2: bool, const AT: usize>(propagation: u8, state: usize, baggage: usize) -> Vec<u8> {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    process.propagators.0 = Setting::new(15);
    let mut extracted = Extracted { key: 7, ..NOTHING_EXTRACTED };
    (extracted.trace_state_length, extracted.baggage_length) = (state as u64, baggage as u64);
    extracted.trace_state[..state].fill(b's');
    extracted.baggage[..baggage].fill(b'b');
    process.extracted.set(7, extracted);
    let span = SpanIdentity { trace_id: bytes(TRACE), span_id: bytes(SPAN), trace_flags: 1, propagation, ..SpanIdentity::NONE };
    let mut slot = EMPTY_SLOT;
    compose::<_, HTTP2, AT>(&process, &mut slot, &span, 7);
    assert_eq!(slot.used, 0);
    bytemuck::cast_slice(&slot.words)[AT * 8..][..slot.length as usize].to_vec()
}

/// Names and values of the lines of a header.
fn lines(text: &[u8]) -> Vec<(String, String)> {
    let text = core::str::from_utf8(text).unwrap();
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
    let pairs = text.split_terminator("\r\n").map(|line| line.split_once(": ").unwrap());
    pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
}

/// Names and values of literal fields without indexing, neither compressed (RFC 7541 §6.2.2 and §5.2).
fn fields(mut block: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((first, rest)) = block.split_first() {
        assert_eq!(*first, 0);
        let (name, rest) = string(rest);
        let (value, rest) = string(rest);
        found.push((name, value));
        block = rest;
    }
    found
}

fn string(block: &[u8]) -> (String, &[u8]) {
    let (mut length, mut rest) = (usize::from(block[0]), &block[1..]);
    if length == 127 {
        for shift in (0..).step_by(7) {
            let (byte, behind) = rest.split_first().unwrap();
            length += usize::from(byte & 0x7f) << shift;
            rest = behind;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let (text, rest) = rest.split_at(length);
    (String::from_utf8(text.to_vec()).unwrap(), rest)
}

fn expected(propagation: u8, state: usize, baggage: usize) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    if propagation & propagator::TRACE_CONTEXT != 0 {
        add("traceparent", W3C);
    }
    if propagation & propagator::B3 != 0 {
        add("b3", B3);
    }
    if propagation & propagator::B3_MULTI != 0 {
        add("x-b3-traceid", TRACE);
        add("x-b3-spanid", SPAN);
        add("x-b3-sampled", "1");
    }
    if propagation & propagator::TRACE_STATE != 0 {
        add("tracestate", &"s".repeat(state));
    }
    if propagation & propagator::BAGGAGE != 0 {
        add("baggage", &"b".repeat(baggage));
    }
    headers
}

#[test]
fn each_combination_of_headers() {
    for propagation in 0..32 {
        assert_eq!(lines(&composed::<false, 5>(propagation, 20, 30)), expected(propagation, 20, 30), "{propagation:#b}");
        assert_eq!(fields(&composed::<true, 0>(propagation, 20, 30)), expected(propagation, 20, 30), "{propagation:#b}");
    }
}

/// As a peer counts it (RFC 9113 §6.5.2).
#[test]
fn lists_grow_by_what_is_said() {
    for propagation in 0..32 {
        let fields = fields(&composed::<true, 0>(propagation, MAX_TRACE_STATE, MAX_BAGGAGE));
        let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert_eq!(list_size(propagation), size as u64, "{propagation:#b}");
    }
    assert_eq!((list_size(31), list_size(propagator::TRACE_CONTEXT)), (1_980, 98));
}

/// Around the lengths at which a length takes one byte more, and the longest.
#[test]
fn each_length() {
    for length in [1, 2, 126, 127, 128, 254, 255, 256, 383, 384, 511, MAX_TRACE_STATE] {
        for (state, baggage) in [(length, 1), (length, 2 * length), (MAX_TRACE_STATE, length), (length, MAX_BAGGAGE)] {
            assert_eq!(lines(&composed::<false, 5>(31, state, baggage)), expected(31, state, baggage));
            assert_eq!(fields(&composed::<true, 0>(31, state, baggage)), expected(31, state, baggage));
        }
    }
}

/// What has been forgotten meanwhile is not sent.
#[test]
fn without_the_texts_nothing_is_sent_of_them() {
    for propagation in [propagator::TRACE_STATE, propagator::BAGGAGE, propagator::TRACE_STATE | propagator::BAGGAGE] {
        assert_eq!(composed::<false, 5>(propagation, 0, 0), []);
    }
}

/// As `appendVarInt(dst, 7, length)` of `golang.org/x/net/http2/hpack/encode.go`.
fn hpack_bytes(length: u64) -> Vec<u8> {
    if length < 127 {
        return vec![length as u8];
    }
    let (mut bytes, mut rest) = (vec![127], length - 127);
    while rest >= 128 {
        bytes.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[test]
fn lengths_are_those_of_hpack() {
    for length in 0..=2_000 {
        let (bytes, count) = hpack_length(length);
        assert_eq!(bytes[..count as usize], hpack_bytes(length), "{length}");
    }
}
