//! The B3 headers: `b3`, and `X-B3-TraceId` and its like (<https://github.com/openzipkin/b3-propagation>).

use super::remote::{RemoteParent, sampled};
use super::traceparent::eight_digits;
use crate::go::header::{Found, Values};
use crate::go::string::GoString;
use crate::target::Memory;

/// Reads `b3`: `{trace}-{span}[-{state}[-{parent}]]`, or the state alone. What is malformed is not there.
#[inline(always)]
pub fn read_single<M: Memory>(memory: &M, value: GoString, remote: &mut RemoteParent) {
    let GoString { address, length } = value;
    if length == 1 {
        remote.sampled = state(memory.read_or_zero::<u8>(address)).unwrap_or(sampled::UNSAID);
        return;
    }
    // The length says whether the trace id has 32 or 16 digits, and what else there is.
    let (trace_length, has_state, has_parent) = match length {
        49 => (32, false, false),
        51 => (32, true, false),
        68 => (32, true, true),
        33 => (16, false, false),
        35 => (16, true, false),
        52 => (16, true, true),
        _ => return,
    };
    let [dash]: [u8; 1] = memory.read_or_zero(address.wrapping_add(trace_length));
    let [second, letter, third]: [u8; 3] =
        if has_parent { memory.read_or_zero(address.wrapping_add(trace_length + 17)) } else { [b'-', 0, b'-'] };
    let letter = if has_state && !has_parent {
        let [dash, letter]: [u8; 2] = memory.read_or_zero(address.wrapping_add(trace_length + 17));
        if dash == b'-' { letter } else { 0 }
    } else {
        letter
    };
    let said = if has_state { state(letter) } else { Some(sampled::UNSAID) };
    if dash != b'-' || second != b'-' || third != b'-' {
        return;
    }
    if let Some(said) = said {
        let trace = GoString { address, length: trace_length };
        take_ids(memory, trace, address.wrapping_add(trace_length + 1), said, remote);
    }
}

/// Reads `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled` and `X-B3-Flags`.
#[inline(always)]
pub fn read_multi<M: Memory, V: Values>(memory: &M, found: &Found, remote: &mut RemoteParent) {
    let text = |element: u64| V::first(memory, element);
    let (flags, letter) = (text(found.b3_flags), text(found.b3_sampled));
    let is_debug = flags.length == 1 && memory.read_or_zero::<u8>(flags.address) == b'1';
    let said = if is_debug {
        sampled::YES
    } else if letter.length == 0 {
        sampled::UNSAID
    } else {
        // Old ones say `true` and `false`.
        match memory.read_or_zero::<u8>(letter.address) {
            b'1' | b't' => sampled::YES,
            b'0' | b'f' => sampled::NO,
            _ => sampled::UNSAID,
        }
    };
    let (trace, span) = (text(found.b3_trace), text(found.b3_span));
    if trace.length == 0 && span.length == 0 {
        remote.sampled = said;
    } else if span.length == 16 && (trace.length == 32 || trace.length == 16) {
        take_ids(memory, trace, span.address, said, remote);
    }
}

/// `1`, `0`, or `d` for a trace that is being debugged, which is recorded.
#[inline(always)]
const fn state(letter: u8) -> Option<u64> {
    match letter {
        b'1' | b'd' => Some(sampled::YES),
        b'0' => Some(sampled::NO),
        _ => None,
    }
}

/// Takes the ids, if they are such: a trace id of 32 or 16 digits, a span id of 16.
#[inline(always)]
fn take_ids<M: Memory>(memory: &M, trace: GoString, span: u64, said: u64, remote: &mut RemoteParent) {
    let (high, invalid_high) = if trace.length == 32 { digits(memory, trace.address) } else { (0, 0) };
    let (low, invalid_low) = digits(memory, trace.address.wrapping_add(trace.length - 16));
    let (id, invalid_id) = digits(memory, span);
    if invalid_high | invalid_low | invalid_id != 0 || high | low == 0 || id == 0 {
        return;
    }
    remote.trace_id = bytemuck::cast([high, low]);
    remote.parent_id = id.to_ne_bytes();
    remote.sampled = said;
    remote.found = 1;
}

/// Sixteen lower-case digits: the bytes in the order of memory, and a number that is not zero where one was invalid.
#[inline(always)]
fn digits<M: Memory>(memory: &M, address: u64) -> (u64, u64) {
    let [first, last]: [[u8; 8]; 2] = memory.read_or_zero(address);
    let ((first, invalid_first), (last, invalid_last)) = (eight_digits(first), eight_digits(last));
    (u64::from(u32::from_ne_bytes(first)) | u64::from(u32::from_ne_bytes(last)) << 32, invalid_first | invalid_last)
}
