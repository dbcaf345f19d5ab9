//! One pass over header fields as `github.com/valyala/fasthttp` and `github.com/cloudwego/hertz` have them, `[]argsKV`, for the headers that tracing needs.
//!
//! `argsKV` is `struct { key, value []byte; noValue bool }` (`args.go`). A header that came in several lines has as many elements.

use super::names::compare;
use super::{Found, Walk};
use crate::go::string::GoString;
use crate::target::{Lookup, Step};

/// Bytes of an `argsKV`.
pub const STRIDE: u32 = 56;
/// Where the value stands in it; the key is first.
pub const VALUE: u32 = 24;
/// Fields that are looked at, at most.
const MAX_FIELDS: u32 = 1_024;

/// Looks for the wanted names in `count` fields at `address`; of what is found, the address of the first value. Of several lines of
/// `traceparent`, `tracestate` or `baggage` one alone would be another header: they are none.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find_in_arguments<L: Lookup>(memory: &L, address: u64, count: u64, lengths: u32, walk: &mut Walk) {
    let absent = memory.opaque(0);
    walk.found = Found::nothing(absent);
    walk.lengths = absent + u64::from(lengths);
    walk.cursor.entries = count;
    for several in walk.scratch.iter_mut().take(ONCE) {
        *several = absent;
    }
    // From the last one on, so that the first counts.
    walk.cursor.group = address.wrapping_add(count.wrapping_mul(STRIDE.into()));
    memory.repeat(MAX_FIELDS, &mut Scan { walk });
    let Walk { found, scratch, .. } = walk;
    for (several, element) in scratch.iter().zip([&mut found.trace_parent, &mut found.trace_state, &mut found.baggage]) {
        if *several != 0 {
            *element = absent;
        }
    }
}

/// The loop over fields.
struct Scan<'a> {
    walk: &'a mut Walk,
}

impl Step for Scan<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, memory: &L) -> bool {
        let Self { walk } = self;
        if walk.cursor.entries == 0 {
            return false;
        }
        walk.cursor.entries -= 1;
        walk.cursor.group = walk.cursor.group.wrapping_sub(STRIDE.into());
        let Some([address, length]) = memory.read::<[u64; 2]>(walk.cursor.group) else {
            return false;
        };
        let before = once(&walk.found);
        compare(
            memory,
            GoString { address, length },
            walk.cursor.group.wrapping_add(VALUE.into()),
            walk.lengths,
            &mut walk.found,
        );
        for ((several, before), now) in walk.scratch.iter_mut().zip(before).zip(once(&walk.found)) {
            if before != 0 && now != before {
                *several = 1;
            }
        }
        true
    }
}

/// How many headers come once.
const ONCE: usize = 3;

/// The headers that come once.
#[inline(always)]
const fn once(found: &Found) -> [u64; ONCE] {
    [found.trace_parent, found.trace_state, found.baggage]
}

#[cfg(test)]
mod tests;
