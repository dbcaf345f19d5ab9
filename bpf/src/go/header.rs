//! One pass over an `http.Header` (`map[string][]string`) for the headers that tracing needs.
//!
//! The map's hash function is not available, so the keys are looked at, group by group; a request has one or two groups.

mod arguments;
mod fields;
mod names;
mod values;

use core::marker::PhantomData;

pub use arguments::{STRIDE, VALUE, find_in_arguments};
pub use fields::find_in_fields;
pub use names::{Found, lengths, served_lengths};
pub use values::{InPlace, InSlices, Values};

use names::compare;

use crate::config::MapLayout;
use crate::go::map::{Buckets, Cursor, Groups, MAX_SLOTS, NO_CURSOR, SAME_AGAIN, SLOTS, Tables};
use crate::go::string::GoString;
use crate::target::{Lookup, Step};

/// Words of [`Walk::scratch`]: the control word and the keys of half a group of strings and slices.
pub const SCRATCH_WORDS: usize = 22;

/// A walk over a map, and what it has found. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The headers found.
    pub found: Found,
    /// The lengths of the names looked for ([`lengths`]).
    lengths: u64,
    cursor: Cursor,
    /// Not 0 where the keys of the group could not be read at once: a page that nothing has been put into yet is not in memory.
    is_torn: u64,
    /// The map's header, then the keys that were read last.
    pub scratch: [u64; SCRATCH_WORDS],
}

/// No walk yet.
pub const NEW_WALK: Walk =
    Walk { found: Found::nothing(0), lengths: 0, cursor: NO_CURSOR, is_torn: 0, scratch: [0; SCRATCH_WORDS] };

/// Looks for the wanted headers in the map at `map` (nil allowed).
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find<L: Lookup>(memory: &L, layout: &MapLayout, map: u64, lengths: u32, walk: &mut Walk) {
    // Not a constant: of constants the compiler makes a call of memset, which writes byte by byte.
    let absent = memory.opaque(0);
    walk.found = Found::nothing(absent);
    walk.lengths = absent + u64::from(lengths);
    walk.is_torn = absent;
    if !walk.cursor.begin(memory, layout, map, &mut walk.scratch) {
        return;
    }
    if layout.swiss.get() != 0 {
        memory.repeat(MAX_SLOTS, &mut Scan::<Tables> { layout, walk, groups: PhantomData });
    } else {
        memory.repeat(MAX_SLOTS, &mut Scan::<Buckets> { layout, walk, groups: PhantomData });
    }
}

/// The loop over the slots of a map. One slot per turn: so the verifier meets each comparison once.
struct Scan<'a, G> {
    layout: &'a MapLayout,
    walk: &'a mut Walk,
    groups: PhantomData<G>,
}

impl<G: Groups> Step for Scan<'_, G> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, memory: &L) -> bool {
        let Self { layout, walk, groups: _ } = self;
        if walk.cursor.slot >= SLOTS {
            let last = walk.cursor.group;
            let group = G::within(&mut walk.cursor).next(memory, layout, last);
            if group == SAME_AGAIN {
                return true;
            }
            walk.cursor.group = group;
            // The control word and the first keys, at once.
            if group == 0 {
                return false;
            }
            let is_read = memory.read_prefix(group, layout.keys.get() + key_bytes(layout), &mut walk.scratch);
            walk.is_torn = u64::from(!is_read);
            walk.cursor.control = if is_read { walk.scratch[0] } else { memory.read_or_zero(group) };
            walk.cursor.slot = 0;
        } else if walk.cursor.slot == u64::from(layout.keys_at_once.get()) {
            let keys = layout.keys.get() + layout.keys_at_once.get() * layout.key_stride.get();
            let [_control, keys_read @ ..] = &mut walk.scratch;
            let is_read = memory.read_prefix(walk.cursor.group.wrapping_add(u64::from(keys)), key_bytes(layout), keys_read);
            walk.is_torn = u64::from(!is_read);
        }
        let slot = walk.cursor.slot;
        walk.cursor.slot += 1;
        if !walk.cursor.is_full(layout, slot) {
            return true;
        }
        if walk.is_torn != 0 {
            let key = walk.cursor.group.wrapping_add(u64::from(layout.keys.get()) + slot * u64::from(layout.key_stride.get()));
            let at = key_at(layout, slot);
            if let Some(words) = walk.scratch.get_mut(at..at + 2) {
                words.copy_from_slice(&memory.read_or_zero::<[u64; 2]>(key));
            }
        }
        let Some(key) = read_key(layout, &walk.scratch, slot) else {
            return false;
        };
        let in_group = u64::from(layout.elements.get()) + slot * u64::from(layout.element_stride.get());
        let element = walk.cursor.group.wrapping_add(in_group);
        let lengths = walk.lengths;
        compare(memory, key, element, lengths, &mut walk.found);
        walk.cursor.entries = walk.cursor.entries.saturating_sub(1);
        walk.cursor.entries != 0
    }
}

/// Where the key of a slot lies in scratch: from its second word on, in both halves of a group.
#[inline(always)]
fn key_at(layout: &MapLayout, slot: u64) -> usize {
    let at = (slot & u64::from(layout.keys_at_once.get() - 1)) * u64::from(layout.key_stride.get()) / 8 + 1;
    #[expect(clippy::cast_possible_truncation, reason = "below 8 × 40 / 8 + 1")]
    let at = at as usize;
    at
}

/// The key of a slot, of those that were read last.
#[inline(always)]
fn read_key(layout: &MapLayout, scratch: &[u64; SCRATCH_WORDS], slot: u64) -> Option<GoString> {
    let at = key_at(layout, slot);
    if at + 1 >= SCRATCH_WORDS {
        return None;
    }
    Some(GoString { address: scratch[at], length: scratch[at + 1] })
}

/// Bytes from the first to the end of the last key that are read at once.
#[inline(always)]
fn key_bytes(layout: &MapLayout) -> u32 {
    (layout.keys_at_once.get() - 1) * layout.key_stride.get() + 16
}

#[cfg(test)]
mod tests;
