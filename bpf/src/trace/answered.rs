//! The spans of requests that have been answered, by their contexts: what outlives a request still names its parent.
//!
//! `context.WithoutCancel(r.Context())`, or any other context made of it, may be used long after the handler has returned. So the
//! identity stays, until seven later ones of its bucket have taken its place. A context is a Go object whose address another one
//! may get; but it is made of the connection's context, and another one at its address is not, unless it is that of a request,
//! which has taken the place then.

use crate::records::SpanIdentity;
use crate::target::{Lookup, Target};
use crate::trace::sealed::{copy_of, seal};

/// Buckets: entries of the map. A power of two.
pub const BUCKETS: u32 = 1_024;
/// Requests that each remembers.
pub const WAYS: usize = 7;

/// An answered request.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Answered {
    /// The data pointer of its context.
    context: u64,
    /// That of the context which this one is made of.
    parent: u64,
    /// That the span is that of both: the holder is their sum.
    seal: u64,
    /// Its span.
    span: SpanIdentity,
}

/// Answered requests whose contexts have the same hash.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Bucket {
    /// How many there were: the next one's place.
    count: u64,
    /// Fills the cache line.
    padding: [u64; 7],
    /// The last ones.
    requests: [Answered; WAYS],
}

/// None.
pub const NONE_ANSWERED: Bucket =
    Bucket { count: 0, padding: [0; 7], requests: [Answered { context: 0, parent: 0, seal: 0, span: SpanIdentity::NONE }; WAYS] };

/// The bucket of the context at `context`; contexts are 80 bytes or more apart (`context.cancelCtx`).
#[inline(always)]
#[must_use]
pub const fn bucket(context: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are enough")]
    let address = (context >> 4) as u32;
    // 2^32 divided by the golden ratio.
    address.wrapping_mul(0x9e37_79b1) >> (32 - BUCKETS.trailing_zeros())
}

/// The data pointer of the context that the one at `context` is made of: a `cancelCtx` begins with it (`context/context.go`).
#[inline(always)]
fn parent_of<L: Lookup>(lookup: &L, context: u64) -> u64 {
    lookup.read_or_zero(context.wrapping_add(8))
}

impl Bucket {
    /// The place of this context, if it has one; else [`WAYS`].
    #[inline(always)]
    fn place(&self, context: u64) -> usize {
        self.requests.iter().position(|one| one.context == context).unwrap_or(WAYS)
    }
}

/// Remembers the span of the request with the context at `context`, which has been answered.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn remember<T: Target>(target: &T, context: u64, span: &SpanIdentity) {
    let parent = parent_of(target, context);
    let Some(bucket) = target.answered(bucket(context)) else {
        return;
    };
    let mut place = bucket.place(context);
    if place == WAYS {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of ways")]
        let next = (bucket.count % WAYS as u64) as usize;
        place = next;
        bucket.count = bucket.count.wrapping_add(1);
    }
    // Through memory that the verifier does not follow: one way for all places.
    #[expect(clippy::cast_possible_truncation, reason = "below the number of ways")]
    let Some(one) = bucket.requests.get_mut(target.opaque(place as u64) as usize) else {
        return;
    };
    one.context = context;
    one.parent = parent;
    span.copy_to(&mut one.span);
    // What came with it is not propagated any more.
    one.span.propagation = 0;
    one.seal = seal(&one.span, context.wrapping_add(parent));
}

/// Copies the span of the answered request with the context at `context`; false where there is none.
#[inline(always)]
pub fn find<L: Lookup>(lookup: &L, context: u64, copy: &mut SpanIdentity) -> bool {
    let Some(bucket) = lookup.answered(bucket(context)) else {
        return false;
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of ways")]
    let Some(one) = bucket.requests.get(lookup.opaque(bucket.place(context) as u64) as usize) else {
        return false;
    };
    let parent = one.parent;
    copy_of(&one.span, &one.seal, context.wrapping_add(parent), copy) && parent_of(lookup, context) == parent
}

const _: () = assert!(size_of::<Bucket>() == 512 && size_of::<Answered>() == 64);
