//! What comes with a request and is passed on as it is with what it does: `tracestate` and `baggage`.
//!
//! Longer ones, and those that came in several lines, are left out as a whole: half of one could mean something else.

use crate::config::propagator;
use crate::go::string::GoString;
use crate::records::SpanIdentity;
use crate::target::Target;
use crate::trace::Goroutine;

/// Bytes of `tracestate` that are passed on (W3C Trace Context §3.3.1.5: at least 512).
pub const MAX_STATE: usize = 512;
/// Bytes of `baggage` that are passed on.
pub const MAX_BAGGAGE: usize = 1_024;

/// The texts that came with a request.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Carried {
    /// Bytes of the state.
    pub state_length: u64,
    /// Bytes of the baggage.
    pub baggage_length: u64,
    /// `tracestate`.
    pub state: [u8; MAX_STATE],
    /// `baggage`.
    pub baggage: [u8; MAX_BAGGAGE],
}

/// No texts.
pub const NOTHING_CARRIED: Carried =
    Carried { state_length: 0, baggage_length: 0, state: [0; MAX_STATE], baggage: [0; MAX_BAGGAGE] };

/// Under which number the texts of a span's request are remembered: its id.
#[inline(always)]
#[must_use]
pub fn key(span: &SpanIdentity) -> u64 {
    u64::from_ne_bytes(span.span_id)
}

/// Remembers the texts of the request that `goroutine` begins to serve, as far as there are any; its span says which.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn take<T: Target>(target: &T, goroutine: &mut Goroutine) -> Option<()> {
    let Goroutine { span, headers, remote, .. } = goroutine;
    let (found, sampler) = (&headers.found, target.sampler());
    let has_state = sampler.has(propagator::TRACE_CONTEXT) && remote.is_w3c != 0 && found.trace_state != 0;
    let has_baggage = sampler.has(propagator::BAGGAGE) && found.baggage != 0;
    if !has_state && !has_baggage {
        return None;
    }
    let carried = target.carry(key(span))?;
    if has_state {
        carried.state_length = copy(target, found.trace_state, &mut carried.state);
        if carried.state_length != 0 {
            span.passes |= propagator::TRACE_STATE;
        }
    }
    if has_baggage {
        carried.baggage_length = copy(target, found.baggage, &mut carried.baggage);
        if carried.baggage_length != 0 {
            span.passes |= propagator::BAGGAGE;
        }
    }
    if span.passes == 0 {
        target.forget_carried(key(span));
    }
    Some(())
}

/// Copies the only string of a header, if it is not too long. Its length; 0 where there is none.
#[inline(always)]
fn copy<T: Target, const N: usize>(target: &T, element: u64, text: &mut [u8; N]) -> u64 {
    let GoString { address, length } = GoString::only_of_slice(target, element);
    #[expect(clippy::cast_possible_truncation, reason = "at most the size of the text")]
    let is_read = length != 0 && length <= N as u64 && target.read_bytes(address, length as u32, text);
    if is_read { length } else { 0 }
}
