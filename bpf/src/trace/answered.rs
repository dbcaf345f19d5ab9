//! The spans of requests that have been answered, by their contexts: what outlives a request still names its parent.
//!
//! `context.WithoutCancel(r.Context())`, or any other context made of it, may be used long after the handler has returned. So the
//! identity stays, until seven later ones of its bucket have taken its place. A context is a Go object whose address another one
//! may get; but it is made of the connection's context, and another one at its address is not, unless it is that of a request,
//! which has taken the place then.

use crate::records::SpanIdentity;
use crate::shared::Shared;
use crate::target::{Lookup, Target};
use crate::trace::sealed::SealedSpan;

/// Buckets: entries of the map. A power of two.
pub const BUCKETS: u32 = 1_024;
/// Requests that each remembers.
pub const WAYS: usize = 7;

/// An answered request.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Answered {
    /// The data pointer of its context.
    context: Shared<u64>,
    /// What it is made of: [`origin`].
    parent: Shared<u64>,
    /// Its span; the holder is the sum of both.
    span: SealedSpan,
}

/// Answered requests whose contexts have the same hash.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Bucket {
    /// How many there were: the next one's place.
    count: Shared<u64>,
    /// Fills the cache line.
    padding: [u64; 7],
    /// The last ones.
    requests: [Answered; WAYS],
}

const NO_REQUEST: Answered = Answered { context: Shared::new(0), parent: Shared::new(0), span: SealedSpan::NONE };

/// None.
pub const NONE_ANSWERED: Bucket = Bucket { count: Shared::new(0), padding: [0; 7], requests: [const { NO_REQUEST }; WAYS] };

/// The bucket of the context at `context`; contexts are 80 bytes or more apart (`context.cancelCtx`).
#[inline(always)]
#[must_use]
pub const fn bucket(context: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are enough")]
    let address = (context >> 4) as u32;
    // 2^32 divided by the golden ratio.
    address.wrapping_mul(0x9e37_79b1) >> (32 - BUCKETS.trailing_zeros())
}

/// A number for what the context at `context` is made of: a `cancelCtx` begins with that (`context/context.go`), an interface value, and so does
/// what a connection has. By addresses alone another context was taken for a request's, once in some 100,000 that are made with many contexts:
/// memory of the collected ones is used again for all that has their size, and the types tell them apart.
#[inline(always)]
fn origin<L: Lookup>(lookup: &L, context: u64) -> u64 {
    let [table, parent]: [u64; 2] = lookup.read_or_zero(context);
    let [parents_table, origin]: [u64; 2] = lookup.read_or_zero(parent);
    let types = table.rotate_left(16) ^ parents_table.rotate_left(32);
    parent.wrapping_add(types).wrapping_add(origin.rotate_left(48))
}

/// The place of this context, if it has one; else [`WAYS`].
///
/// A call of its own in BPF: which place it is is forgotten when it returns, so that what comes behind is verified once.
#[inline(never)]
fn place<L: Lookup>(lookup: &L, bucket: &Bucket, context: u64) -> u64 {
    lookup.opaque(bucket.requests.iter().position(|one| one.context.get() == context).unwrap_or(WAYS) as u64)
}

/// Remembers the span of the request with the context at `context`, which has been answered. What came with it is not propagated
/// any more.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn remember<T: Target>(target: &T, context: u64, span: &SpanIdentity) {
    let parent = origin(target, context);
    let Some(bucket) = target.answered(bucket(context)) else {
        return;
    };
    let mut place = place(target, bucket, context);
    if place == WAYS as u64 {
        let count = bucket.count.get();
        place = count % WAYS as u64;
        bucket.count.set(count.wrapping_add(1));
    }
    // A number that the compiler does not know: the bound stays where the verifier sees it.
    #[expect(clippy::cast_possible_truncation, reason = "below the number of ways")]
    let Some(one) = bucket.requests.get(target.opaque(place) as usize) else {
        return;
    };
    one.context.set(context);
    one.parent.set(parent);
    one.span.set_without_propagation(span, context.wrapping_add(parent));
}

/// Copies the span of the answered request with the context at `context`; false where there is none.
#[inline(always)]
pub fn find<L: Lookup>(lookup: &L, context: u64, copy: &mut SpanIdentity) -> bool {
    let Some(bucket) = lookup.answered(bucket(context)) else {
        return false;
    };
    if bucket.count.get() == 0 {
        // Each context on a way is looked for: seven lines of memory less.
        return false;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of ways")]
    let Some(one) = bucket.requests.get(place(lookup, bucket, context) as usize) else {
        return false;
    };
    let parent = one.parent.get();
    one.span.copy_of(context.wrapping_add(parent), copy) && origin(lookup, context) == parent
}

const _: () = assert!(size_of::<Bucket>() == 512 && size_of::<Answered>() == 64);
