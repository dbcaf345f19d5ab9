//! One pass over header fields as `golang.org/x/net/http2/hpack` has them, `[]HeaderField`, for the headers that tracing needs.
//!
//! `hpack.HeaderField` is `struct { Name, Value string; Sensitive bool }` (`hpack/hpack.go`).

use super::names::compare;
use super::{Found, Walk};
use crate::go::string::GoString;
use crate::target::{Lookup, Step};

/// Bytes of a `HeaderField`.
const STRIDE: u64 = 40;
/// Where the value stands in it, a string.
const VALUE: u64 = 16;
/// Fields that are looked at, at most.
const MAX_FIELDS: u32 = 1_024;
/// What each field counts besides name and value (RFC 9113 §6.5.2, `SETTINGS_MAX_HEADER_LIST_SIZE`).
const OVERHEAD: u64 = 32;

/// Looks for the wanted names in `count` fields at `address`; of what is found, the address of the value. Returns the size of the list, as the setting of a
/// peer limits it; `u64::MAX` where there are too many, or they cannot be read.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find_in_fields<L: Lookup>(memory: &L, address: u64, count: u64, lengths: u32, walk: &mut Walk) -> u64 {
    let absent = memory.opaque(0);
    walk.found = Found::nothing(absent);
    walk.lengths = absent + u64::from(lengths);
    let mut scan = Scan { next: address, left: count, size: absent, walk };
    memory.repeat(MAX_FIELDS, &mut scan);
    if scan.left == 0 { scan.size } else { u64::MAX }
}

/// The loop over fields.
struct Scan<'a> {
    next: u64,
    left: u64,
    size: u64,
    walk: &'a mut Walk,
}

impl Step for Scan<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, memory: &L) -> bool {
        if self.left == 0 {
            return false;
        }
        let Some([name, name_length, _value, value_length]) = memory.read::<[u64; 4]>(self.next) else {
            return false;
        };
        let found_at = self.next.wrapping_add(VALUE);
        self.left -= 1;
        self.next = self.next.wrapping_add(STRIDE);
        self.size = self.size.wrapping_add(name_length).wrapping_add(value_length).wrapping_add(OVERHEAD);
        let lengths = self.walk.lengths;
        compare(memory, GoString { address: name, length: name_length }, found_at, lengths, &mut self.walk.found);
        true
    }
}

#[cfg(test)]
mod tests;
