//! One pass over an `http.Header` (`map[string][]string`) for the headers that tracing needs.
//!
//! Swiss maps: `internal/runtime/maps/{map,table,group}.go`, Go ≥ 1.24. Older maps: `runtime/map.go`, Go ≤ 1.23.
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
use crate::go::string::GoString;
use crate::target::{Lookup, Memory, Step};

/// Words of [`Walk::scratch`]: the control word and the keys of half a group of strings and slices.
pub const SCRATCH_WORDS: usize = 22;
/// Slots in a swiss group, and in a bucket of the older map.
const SLOTS: u64 = 8;
/// Slots that are looked at, at most.
const MAX_SLOTS: u32 = 16 * 1024;
/// No group this time; ask again.
const SAME_AGAIN: u64 = u64::MAX;
/// Words of a map's header that are read at once.
pub const MAP_WORDS: u32 = 4;
/// `hmap.B` beyond this is no map.
const MAX_B: u64 = 20;
/// Set in `hmap.flags` where the map grows to the same size, so that there are as many old buckets as new ones.
const SAME_SIZE_GROW: u64 = 8;

/// A walk over a map, and what it has found. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The headers found.
    pub found: Found,
    /// The lengths of the names looked for ([`lengths`]).
    lengths: u64,
    /// Entries not seen yet.
    entries: u64,
    /// The next slot of the group.
    slot: u64,
    group: u64,
    /// One byte for each slot of the group.
    control: u64,
    /// Not 0 where the keys of the group could not be read at once: a page that nothing has been put into yet is not in memory.
    is_torn: u64,
    tables: Tables,
    buckets: Buckets,
    /// The map's header, then the keys that were read last.
    pub scratch: [u64; SCRATCH_WORDS],
}

/// No walk yet.
pub const NEW_WALK: Walk = Walk {
    found: Found::nothing(0),
    lengths: 0,
    entries: 0,
    slot: 0,
    group: 0,
    control: 0,
    is_torn: 0,
    tables: Tables { directory: 0, left: 0, single_group: 0, table: 0, group: 0, groups_left: 0 },
    buckets: Buckets { next: 0, left: 0, old: 0, old_count: 0 },
    scratch: [0; SCRATCH_WORDS],
};

/// Looks for the wanted headers in the map at `map` (nil allowed).
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find<L: Lookup>(memory: &L, layout: &MapLayout, map: u64, lengths: u32, walk: &mut Walk) {
    // Not a constant: of constants the compiler makes a call of memset, which writes byte by byte.
    let absent = memory.opaque(0);
    walk.found = Found::nothing(absent);
    walk.lengths = absent + u64::from(lengths);
    // All that is needed of the map lies in its first words.
    if map == 0 || !memory.read_prefix(map, MAP_WORDS * 8, &mut walk.scratch) {
        return;
    }
    let header = &walk.scratch;
    let field = |offset: u32| header.get((offset / 8) as usize).copied().unwrap_or(0) >> (offset % 8 * 8);
    let directory = field(layout.directory.get());
    walk.entries = field(layout.count.get());
    walk.slot = SLOTS;
    walk.group = 0;
    walk.is_torn = absent;
    if walk.entries == 0 || directory == 0 {
        return;
    }
    if layout.swiss.get() != 0 {
        walk.tables = Tables::of(directory, field(layout.directory_length.get()), absent);
        memory.repeat(MAX_SLOTS, &mut Scan::<Tables> { layout, walk, groups: PhantomData });
    } else {
        // `hmap.flags` is the byte before `hmap.B`.
        let flags = field(layout.directory_length.get().wrapping_sub(1));
        let b = field(layout.directory_length.get()) & 0xff;
        if b > MAX_B {
            return;
        }
        walk.buckets = Buckets::of(directory, field(layout.old_buckets.get()), b, flags);
        memory.repeat(MAX_SLOTS, &mut Scan::<Buckets> { layout, walk, groups: PhantomData });
    }
}

/// The groups or buckets of a map, one after the other.
trait Groups {
    /// The address of the next one, 0 at the end. `last` is the one before, 0 at first; [`SAME_AGAIN`] for another try.
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, last: u64) -> u64;
    /// Where they stand in a walk.
    fn within(walk: &mut Walk) -> &mut Self;
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
        if walk.slot >= SLOTS {
            let last = walk.group;
            let group = G::within(walk).next(memory, layout, last);
            if group == SAME_AGAIN {
                return true;
            }
            walk.group = group;
            // The control word and the first keys, at once.
            if group == 0 {
                return false;
            }
            let is_read = memory.read_prefix(group, layout.keys.get() + key_bytes(layout), &mut walk.scratch);
            walk.is_torn = u64::from(!is_read);
            walk.control = if is_read { walk.scratch[0] } else { memory.read_or_zero(group) };
            walk.slot = 0;
        } else if walk.slot == u64::from(layout.keys_at_once.get()) {
            let keys = layout.keys.get() + layout.keys_at_once.get() * layout.key_stride.get();
            let [_control, keys_read @ ..] = &mut walk.scratch;
            let is_read = memory.read_prefix(walk.group.wrapping_add(u64::from(keys)), key_bytes(layout), keys_read);
            walk.is_torn = u64::from(!is_read);
        }
        let slot = walk.slot;
        walk.slot += 1;
        let cell = walk.control >> (8 * (slot & 7));
        let above = cell.wrapping_sub(u64::from(layout.full_from.get())) & 0xff;
        if above >= u64::from(layout.full_count.get()) {
            return true;
        }
        if walk.is_torn != 0 {
            let key = walk.group.wrapping_add(u64::from(layout.keys.get()) + slot * u64::from(layout.key_stride.get()));
            let at = key_at(layout, slot);
            if let Some(words) = walk.scratch.get_mut(at..at + 2) {
                words.copy_from_slice(&memory.read_or_zero::<[u64; 2]>(key));
            }
        }
        let Some(key) = read_key(layout, &walk.scratch, slot) else {
            return false;
        };
        let in_group = u64::from(layout.elements.get()) + slot * u64::from(layout.element_stride.get());
        let element = walk.group.wrapping_add(in_group);
        let lengths = walk.lengths;
        compare(memory, key, element, lengths, &mut walk.found);
        walk.entries = walk.entries.saturating_sub(1);
        walk.entries != 0
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

/// The groups of a swiss map: one, or those of the tables in its directory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Tables {
    /// Address of the only group, or of the next directory slot.
    directory: u64,
    /// Directory slots left.
    left: u64,
    /// 1 where `directory` is the only group.
    single_group: u64,
    /// The table being walked; neighbouring directory slots may hold the same one.
    table: u64,
    group: u64,
    groups_left: u64,
}

impl Tables {
    /// Those of a map with this `dirPtr` and `dirLen` (`internal/runtime/maps/map.go`); `none` is 0.
    #[inline(always)]
    fn of(directory: u64, tables: u64, none: u64) -> Self {
        Self { directory, left: tables, single_group: u64::from(tables == 0), table: none, group: none, groups_left: none }
    }
}

impl Groups for Tables {
    #[inline(always)]
    fn within(walk: &mut Walk) -> &mut Self {
        &mut walk.tables
    }

    #[inline(always)]
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, _last: u64) -> u64 {
        if self.single_group != 0 {
            let group = self.directory;
            self.directory = memory.opaque(0);
            return group;
        }
        if self.groups_left == 0 {
            if self.left == 0 {
                return 0;
            }
            let table = memory.read_or_zero::<u64>(self.directory);
            self.directory = self.directory.wrapping_add(8);
            self.left -= 1;
            if table == self.table {
                return SAME_AGAIN;
            }
            self.table = table;
            let field = |offset: u32| memory.read_or_zero::<u64>(table.wrapping_add(u64::from(offset)));
            self.group = field(layout.table_groups.get());
            self.groups_left = field(layout.table_mask.get()).wrapping_add(1);
        }
        let group = self.group;
        self.group = group.wrapping_add(u64::from(layout.group_size.get()));
        self.groups_left = self.groups_left.saturating_sub(1);
        group
    }
}

/// The buckets of the older map, their overflow chains, and what growth has not moved yet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Buckets {
    next: u64,
    left: u64,
    old: u64,
    old_count: u64,
}

impl Buckets {
    /// Those of an `hmap` with these `buckets`, `oldbuckets`, `B` and `flags` (`runtime/map.go`).
    #[inline(always)]
    fn of(buckets: u64, old: u64, b: u64, flags: u64) -> Self {
        let half = u64::from(flags & SAME_SIZE_GROW == 0);
        Self { next: buckets, left: 1 << b, old, old_count: (1 << b >> half).max(1) }
    }
}

impl Groups for Buckets {
    #[inline(always)]
    fn within(walk: &mut Walk) -> &mut Self {
        &mut walk.buckets
    }

    #[inline(always)]
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, last: u64) -> u64 {
        if last != 0 {
            let overflow = memory.read_or_zero::<u64>(last.wrapping_add(u64::from(layout.overflow.get())));
            if overflow != 0 {
                return overflow;
            }
        }
        if self.left == 0 {
            self.next = self.old;
            self.left = if self.old == 0 { 1 } else { self.old_count };
            self.old = 0;
        }
        let bucket = self.next;
        self.next = bucket.wrapping_add(u64::from(layout.group_size.get()));
        self.left -= 1;
        bucket
    }
}

#[cfg(test)]
mod tests;
