//! What is extracted from a served request besides its parent, and injected unchanged into what is sent for it: `tracestate` and `baggage`.
//!
//! Longer ones, and a state that its grammar forbids ([`super::tracestate`]), are left out as a whole: half of one could mean something
//! else. Those that came in several lines are sent on in one.

use crate::config::propagator;
use crate::go::header::Values;
use crate::go::string::GoString;
use crate::records::RecordBuffer;
use crate::scratch::Scratch;
use crate::target::{Lookup, Step, Target};
use crate::trace::tracestate::Grammar;

/// Bytes of `tracestate` that are propagated (W3C Trace Context §3.3.1.5: at least 512).
pub const MAX_TRACE_STATE: usize = 512;
/// As a number of turns.
const MAX_TURNS: u32 = 512;
const _: () = assert!(MAX_TURNS as usize == MAX_TRACE_STATE && MAX_TRACE_STATE.is_power_of_two());
/// Bytes of `baggage` that are propagated.
pub const MAX_BAGGAGE: usize = 1_024;

/// The texts that came with a request.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Extracted {
    /// Under which number they are remembered. It stands first, and so is written first: who has copied the texts looks whether it is
    /// still the same.
    pub key: u64,
    /// Bytes of the state.
    pub trace_state_length: u64,
    /// Bytes of the baggage.
    pub baggage_length: u64,
    /// `tracestate`.
    pub trace_state: [u8; MAX_TRACE_STATE],
    /// `baggage`.
    pub baggage: [u8; MAX_BAGGAGE],
}

/// No texts.
pub const NOTHING_EXTRACTED: Extracted =
    Extracted { key: 0, trace_state_length: 0, baggage_length: 0, trace_state: [0; MAX_TRACE_STATE], baggage: [0; MAX_BAGGAGE] };

impl Extracted {
    /// Whether these are still the texts with this number: the kernel may have given the memory to another request.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, key: u64) -> bool {
        // SAFETY: a valid, aligned, initialised word. Volatile, for the kernel may write to it.
        unsafe { core::ptr::read_volatile(&raw const self.key) == key }
    }
}

/// Under which number the texts of a request are remembered: the id of its span.
#[inline(always)]
#[must_use]
pub fn key(span_id: [u8; 8]) -> u64 {
    u64::from_ne_bytes(span_id)
}

/// Extracts the texts of a request that begins to be served, as far as there are any, and remembers them; its span says which.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn extract<T: Target, V: Values>(target: &T, scratch: &mut Scratch) {
    let Scratch { span, headers, remote, grammar, extracted, record, .. } = scratch;
    let (found, propagators) = (&headers.found, target.propagators());
    let has_state = propagators.has(propagator::TRACE_CONTEXT) && remote.is_w3c != 0 && found.trace_state != 0;
    let has_baggage = propagators.has(propagator::BAGGAGE) && found.baggage != 0;
    if !has_state && !has_baggage {
        return;
    }
    extracted.trace_state_length = target.opaque(0);
    extracted.baggage_length = target.opaque(0);
    if has_state {
        let length = copy::<_, V, _>(target, record, found.trace_state, &mut extracted.trace_state);
        if is_trace_state(target, &extracted.trace_state, length, grammar) {
            extracted.trace_state_length = length;
            span.propagation |= propagator::TRACE_STATE;
        }
    }
    if has_baggage {
        extracted.baggage_length = copy::<_, V, _>(target, record, found.baggage, &mut extracted.baggage);
        if extracted.baggage_length != 0 {
            span.propagation |= propagator::BAGGAGE;
        }
    }
    if span.propagation != 0 {
        extracted.key = key(span.span_id);
        target.set_extracted(extracted.key, extracted);
    }
}

/// Whether the first bytes of `text` are a `tracestate` as the specification wants it.
#[inline(always)]
fn is_trace_state<T: Target>(target: &T, text: &[u8; MAX_TRACE_STATE], length: u64, grammar: &mut Grammar) -> bool {
    *grammar = Grammar::new(target.opaque(0));
    target.repeat(MAX_TURNS, &mut Check { text, length, grammar });
    grammar.is_complete()
}

/// The loop over the bytes of a `tracestate`.
struct Check<'a> {
    text: &'a [u8; MAX_TRACE_STATE],
    length: u64,
    grammar: &'a mut Grammar,
}

impl Step for Check<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, _lookup: &L) -> bool {
        let Self { text, length, grammar } = self;
        if grammar.at >= *length || grammar.is_invalid() {
            return false;
        }
        // The bound is a power of two: the verifier sees that nothing else is read.
        #[expect(clippy::cast_possible_truncation, reason = "below the bound")]
        let index = grammar.at as usize & (MAX_TRACE_STATE - 1);
        grammar.take(text[index]);
        true
    }
}

/// Copies the value of a header, if it is not too long. Its length; 0 where there is none. Lines are joined in `record`, which is nobody's
/// yet.
#[inline(always)]
fn copy<T: Target, V: Values, const N: usize>(target: &T, record: &mut RecordBuffer, element: u64, text: &mut [u8; N]) -> u64 {
    let GoString { address, length } = V::only(target, element);
    if length != 0 {
        // What is read is cut once more, of a number of its own: of one that is compared less one, older verifiers do not know the bounds.
        #[expect(clippy::cast_possible_truncation, reason = "at most the size of the text")]
        let is_read = length <= N as u64 && target.read_bytes(address, target.opaque(length) as u32, text);
        return if is_read { length } else { 0 };
    }
    record.length = target.opaque(0);
    #[expect(clippy::cast_possible_truncation, reason = "1,024 at most")]
    let length = V::append_lines(target, record, element, N as u32);
    target.take_text(record, text);
    length
}
