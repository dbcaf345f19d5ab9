//! The parent that the headers of a request name, whichever of the listed propagators they are for.

use core::mem::MaybeUninit;

use super::{b3, traceparent};
use crate::config::propagator;
use crate::go::header::{Found, Values};
use crate::go::string::GoString;
use crate::target::Target;

/// What headers say. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RemoteParent {
    /// The trace, where there is a parent.
    pub trace_id: [u8; 16],
    /// The parent's span id, where there is one.
    pub parent_id: [u8; 8],
    /// 1 where there is a parent.
    pub found: u64,
    /// One of [`sampled`]; also where there is no parent.
    pub sampled: u64,
    /// 1 where the parent is from `traceparent`, so that `tracestate` belongs to it.
    pub is_w3c: u64,
}

/// Values of [`RemoteParent::sampled`].
pub mod sampled {
    /// Not recorded.
    pub const NO: u64 = 0;
    /// Recorded.
    pub const YES: u64 = 1;
    /// Left to us.
    pub const UNSAID: u64 = 2;
}

/// Nothing said.
pub const NO_REMOTE_PARENT: RemoteParent =
    RemoteParent { trace_id: [0; 16], parent_id: [0; 8], found: 0, sampled: sampled::UNSAID, is_w3c: 0 };

/// Reads what the headers say into `remote`: `traceparent` if it is listed and valid, else those of B3.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn extract<T: Target, V: Values>(target: &T, found: &Found, remote: &mut RemoteParent) {
    let nothing = target.opaque(0);
    remote.found = nothing;
    remote.is_w3c = nothing;
    remote.sampled = nothing + sampled::UNSAID;
    let propagators = target.propagators();
    if propagators.has(propagator::TRACE_CONTEXT) {
        // Several are none (§4.3 of W3C Trace Context: the header is sent once).
        let value = if found.trace_parent == 0 { GoString::none(target) } else { V::only(target, found.trace_parent) };
        let mut text = MaybeUninit::<[u8; traceparent::LENGTH]>::uninit();
        if value.length >= traceparent::LENGTH as u64
            && let Some(text) = target.read_into(value.address, &mut text)
            && let Some(parent) = traceparent::parse(text, value.length)
            && (value.length == traceparent::LENGTH as u64 || goes_on(target, value))
        {
            remote.trace_id = parent.trace_id;
            remote.parent_id = parent.parent_id;
            remote.sampled = u64::from(parent.flags & 1);
            remote.is_w3c = 1;
            remote.found = 1;
            return;
        }
    }
    if propagators.has(propagator::B3) {
        b3::read_single(target, V::first(target, found.b3), remote);
    }
    if propagators.has(propagator::B3_MULTI) && remote.found == 0 {
        b3::read_multi::<_, V>(target, found, remote);
    }
}

/// Whether a `traceparent` of a later version goes on as §3.2.4 says: what is behind the flags begins with a dash.
#[inline(always)]
fn goes_on<T: Target>(target: &T, value: GoString) -> bool {
    target.read_or_zero::<u8>(value.address.wrapping_add(traceparent::LENGTH as u64)) == b'-'
}

impl RemoteParent {
    /// What the sampler goes by: the parent's decision, where one was made.
    #[inline(always)]
    #[must_use]
    pub fn decision(&self) -> Option<bool> {
        (self.sampled != sampled::UNSAID).then_some(self.sampled == sampled::YES)
    }
}
