//! Where the entries of a Go map are: group by group, or bucket by bucket. The map's hash function is not available.
//!
//! Swiss maps: `internal/runtime/maps/{map,table,group}.go`, Go ≥ 1.24. Older maps: `runtime/map.go`, Go ≤ 1.23.

use crate::config::MapLayout;
use crate::target::Memory;

/// Slots in a swiss group, and in a bucket of the older map.
pub const SLOTS: u64 = 8;
/// Slots that are looked at, at most.
pub const MAX_SLOTS: u32 = 16 * 1024;
/// No group this time; ask again.
pub const SAME_AGAIN: u64 = u64::MAX;
/// Words of a map's header that are read at once.
pub const MAP_WORDS: u32 = 4;
/// `hmap.B` beyond this is no map.
const MAX_B: u64 = 20;
/// Set in `hmap.flags` where the map grows to the same size, so that there are as many old buckets as new ones.
const SAME_SIZE_GROW: u64 = 8;

/// How far a walk over a map has come.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// Entries not seen yet.
    pub entries: u64,
    /// The next slot of the group.
    pub slot: u64,
    /// The address of the group.
    pub group: u64,
    /// One byte for each slot of the group.
    pub control: u64,
    tables: Tables,
    buckets: Buckets,
}

/// At no map.
pub const NO_CURSOR: Cursor = Cursor {
    entries: 0,
    slot: 0,
    group: 0,
    control: 0,
    tables: Tables { directory: 0, left: 0, single_group: 0, table: 0, group: 0, groups_left: 0 },
    buckets: Buckets { next: 0, left: 0, old: 0, old_count: 0 },
};

impl Cursor {
    /// Goes to the front of the map at `map` (nil allowed), whose header is read into `header`. False where there is nothing to see.
    #[inline(always)]
    pub fn begin<M: Memory, const N: usize>(&mut self, memory: &M, layout: &MapLayout, map: u64, header: &mut [u64; N]) -> bool {
        // All that is needed of the map lies in its first words.
        if map == 0 || !memory.read_prefix(map, MAP_WORDS * 8, header) {
            return false;
        }
        let field = |offset: u32| header.get((offset / 8) as usize).copied().unwrap_or(0) >> (offset % 8 * 8);
        let directory = field(layout.directory.get());
        self.entries = field(layout.count.get());
        self.slot = SLOTS;
        self.group = 0;
        if self.entries == 0 || directory == 0 {
            return false;
        }
        if layout.swiss.get() != 0 {
            self.tables = Tables::of(directory, field(layout.directory_length.get()), memory.opaque(0));
            return true;
        }
        // `hmap.flags` is the byte before `hmap.B`.
        let flags = field(layout.directory_length.get().wrapping_sub(1));
        let b = field(layout.directory_length.get()) & 0xff;
        if b > MAX_B {
            return false;
        }
        self.buckets = Buckets::of(directory, field(layout.old_buckets.get()), b, flags);
        true
    }

    /// Whether the slot with this number holds an entry.
    #[inline(always)]
    #[must_use]
    pub fn is_full(&self, layout: &MapLayout, slot: u64) -> bool {
        let cell = self.control >> (8 * (slot & 7));
        let above = cell.wrapping_sub(u64::from(layout.full_from.get())) & 0xff;
        above < u64::from(layout.full_count.get())
    }
}

/// The groups or buckets of a map, one after the other.
pub trait Groups {
    /// The address of the next one, 0 at the end. `last` is the one before, 0 at first; [`SAME_AGAIN`] for another try.
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, last: u64) -> u64;
    /// Where they stand in a walk.
    fn within(cursor: &mut Cursor) -> &mut Self;
}

/// The groups of a swiss map: one, or those of the tables in its directory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tables {
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
    fn within(cursor: &mut Cursor) -> &mut Self {
        &mut cursor.tables
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
pub struct Buckets {
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
    fn within(cursor: &mut Cursor) -> &mut Self {
        &mut cursor.buckets
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
