//! What is to be injected into an outgoing request, from its start until its header has been written.

use crate::config::{Propagators, propagator};
use crate::go::header::Found;
use crate::records::http_client::{NO_PEER, Peer};
use crate::shared::Shared;
use crate::slots::drops;
use crate::trace::sealed::SealedSpan;

/// What is to be injected into a request, by an address: of its header map, of the array of its header fields, or of the writer that writes
/// its header.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Injection {
    /// The request's span; [`crate::records::SpanIdentity::propagation`] says which headers it gets. The holder is the address.
    pub span: SealedSpan,
    /// Under which number the texts are remembered that it gets as well ([`crate::trace::extracted`]).
    pub extracted: Shared<u64>,
    /// How often its header was written.
    pub writes: Shared<u64>,
    /// To whom it was written last: the words of a [`Peer`].
    peer: [Shared<u64>; 3],
}

/// None.
pub const NO_INJECTION: Injection =
    Injection { span: SealedSpan::NONE, extracted: Shared::new(0), writes: Shared::new(0), peer: [const { Shared::new(0) }; 3] };

impl Injection {
    /// To whom its header was written last.
    #[inline(always)]
    #[must_use]
    pub fn peer(&self) -> Peer {
        let [address, address_end, numbers] = &self.peer;
        bytemuck::cast([address.get(), address_end.get(), numbers.get()])
    }

    /// Its header is written to this peer, or to somebody who is not known ([`NO_PEER`]).
    #[inline(always)]
    pub fn set_peer(&self, peer: Peer) {
        let words: [u64; 3] = bytemuck::cast(peer);
        for (word, value) in self.peer.iter().zip(words) {
            word.set(value);
        }
    }

    /// Nothing has been written yet.
    #[inline(always)]
    pub fn reset(&self) {
        self.writes.set(0);
        self.set_peer(NO_PEER);
    }
}

/// What names a span alone; the rest is passed on from elsewhere.
const IDS: u8 = propagator::TRACE_CONTEXT | propagator::B3 | propagator::B3_MULTI;

/// Which headers a request gets, of those that it does not have. `is_copied`: those that it has and that name a parent are copies of what
/// came, and ours take their place.
#[inline(always)]
#[must_use]
pub fn to_inject(propagators: &Propagators, came: u8, own: &Found, is_copied: bool) -> u8 {
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
        if propagators.has(propagator) && own == 0 {
            propagation |= propagator;
        }
    }
    propagation | (u8::from(is_copied) * propagator::COPIED)
}

/// The same, for a header whose copies are left out, so that ours are written for each that is listed.
#[inline(always)]
#[must_use]
pub fn anew(propagators: &Propagators, propagation: u8) -> u8 {
    let is_copied = u8::from(propagation & propagator::COPIED != 0);
    #[expect(clippy::cast_possible_truncation, reason = "the propagators are bits of a byte")]
    let listed = propagators.0.get() as u8 & IDS;
    propagation & !propagator::COPIED | (is_copied * listed)
}

/// The fields that are left out where `propagation` says that they are copies: bits of [`crate::slots::drops`].
#[inline(always)]
#[must_use]
pub fn dropped(propagators: &Propagators, propagation: u8) -> u64 {
    if propagation & propagator::COPIED == 0 {
        return 0;
    }
    let w3c = u64::from(propagators.has(propagator::TRACE_CONTEXT)) * drops::TRACE_PARENT;
    w3c | (u64::from(propagators.has(propagator::B3) | propagators.has(propagator::B3_MULTI)) * drops::B3)
}

const _: () = assert!(size_of::<Injection>() == 48 + 16 + 24);
