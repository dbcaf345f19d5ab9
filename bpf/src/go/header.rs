//! One pass over an `http.Header` (`map[string][]string`) for the headers that tracing needs.
//!
//! Swiss maps: `internal/runtime/maps/{map,table,group}.go`, Go ≥ 1.24. Older maps: `runtime/map.go`, Go ≤ 1.23.
//! The map's hash function is not available, so the keys are looked at, group by group; a request has one or two groups.

use crate::config::MapLayout;
use crate::go::string::GoString;
use crate::target::{Memory, Step};

/// Slots in a swiss group, and in a bucket of the older map.
const SLOTS: u64 = 8;
/// Slots that are looked at, at most.
const MAX_SLOTS: u32 = 16 * 1024;
/// No group this time; ask again.
const SAME_AGAIN: u64 = u64::MAX;
/// `hmap.B` beyond this is no map.
const MAX_B: u8 = 20;

/// Addresses of the `[]string` values found; 0 where the header is absent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `Traceparent`.
    pub trace_parent: u64,
    /// `Tracestate`.
    pub trace_state: u64,
    /// `User-Agent`.
    pub user_agent: u64,
    /// `X-Forwarded-For`.
    pub forwarded_for: u64,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: u64,
}

/// Looks for the wanted headers in the map at `map` (nil allowed).
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find<M: Memory>(memory: &M, layout: &MapLayout, map: u64, found: &mut Found) {
    *found = Found::default();
    if map == 0 {
        return;
    }
    let field = |offset: u32| memory.read_or_zero::<u64>(map + u64::from(offset));
    let entries = field(layout.count.get());
    let directory = field(layout.directory.get());
    if entries == 0 || directory == 0 {
        return;
    }
    let (slot, group, control) = (memory.opaque(SLOTS), memory.opaque(0), memory.opaque(0));
    if layout.swiss.get() != 0 {
        let tables = field(layout.directory_length.get());
        let (table, group_left) = (memory.opaque(0), memory.opaque(0));
        let groups = Tables { directory, tables, single_group: u64::from(tables == 0), table, group, groups_left: group_left };
        memory.repeat(MAX_SLOTS, &mut Scan { layout, found, entries, slot, group, control, groups });
    } else {
        let b = memory.read::<u8>(map + u64::from(layout.directory_length.get())).unwrap_or(0);
        if b > MAX_B {
            return;
        }
        let buckets = memory.opaque(1 << b);
        let old_buckets = field(layout.old_buckets.get());
        let groups = Buckets { next: directory, left: buckets, old_buckets, old_count: (buckets >> 1).max(1) };
        memory.repeat(MAX_SLOTS, &mut Scan { layout, found, entries, slot, group, control, groups });
    }
}

/// The groups or buckets of a map, one after the other.
trait Groups {
    /// The address of the next one, 0 at the end, [`SAME_AGAIN`] for another try. `last` is the one before, 0 at first.
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, last: u64) -> u64;
}

/// The loop over the slots of a map. One slot per turn: so the verifier meets each comparison once.
struct Scan<'a, G> {
    layout: &'a MapLayout,
    found: &'a mut Found,
    /// Entries not seen yet.
    entries: u64,
    /// The next slot of the group.
    slot: u64,
    group: u64,
    /// One byte for each slot of the group.
    control: u64,
    groups: G,
}

impl<G: Groups> Step for Scan<'_, G> {
    #[inline(always)]
    fn step<M: Memory>(&mut self, memory: &M) -> bool {
        if self.slot >= SLOTS {
            let group = self.groups.next(memory, self.layout, self.group);
            if group == SAME_AGAIN {
                return true;
            }
            self.group = group;
            let Some(control) = memory.read::<u64>(self.group) else { return false };
            self.control = control;
            self.slot = memory.opaque(0);
        }
        let slot = self.slot;
        self.slot += 1;
        // The word is not shifted in place: its range would shrink with every turn, and the verifier follow each.
        let cell = self.control >> (8 * (slot & 7));
        let above = cell.wrapping_sub(u64::from(self.layout.full_from.get())) & 0xff;
        let full = above < u64::from(self.layout.full_count.get());
        if !full {
            return true;
        }
        let key = self.group + u64::from(self.layout.keys.get()) + slot * u64::from(self.layout.key_stride.get());
        let element = self.group + u64::from(self.layout.elements.get()) + slot * u64::from(self.layout.element_stride.get());
        compare(memory, key, element, self.found);
        self.entries = self.entries.saturating_sub(1);
        self.entries != 0
    }
}

/// The groups of a swiss map: one, or those of the tables in its directory.
struct Tables {
    /// Address of the only group, or of the next directory slot.
    directory: u64,
    /// Directory slots left.
    tables: u64,
    /// 1 where `directory` is the only group.
    single_group: u64,
    /// The table being walked; neighbouring directory slots may hold the same one.
    table: u64,
    group: u64,
    groups_left: u64,
}

impl Groups for Tables {
    #[inline(always)]
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, _last: u64) -> u64 {
        if self.single_group != 0 {
            let group = self.directory;
            self.directory = memory.opaque(0);
            return group;
        }
        if self.groups_left == 0 {
            if self.tables == 0 {
                return 0;
            }
            let table = memory.read_or_zero::<u64>(self.directory);
            self.directory += 8;
            self.tables -= 1;
            if table == self.table {
                return SAME_AGAIN;
            }
            self.table = table;
            let field = |offset: u32| memory.read_or_zero::<u64>(table + u64::from(offset));
            self.group = field(layout.table_groups.get());
            self.groups_left = field(layout.table_mask.get()) + 1;
        }
        let group = self.group;
        self.group += u64::from(layout.group_size.get());
        self.groups_left = self.groups_left.saturating_sub(1);
        group
    }
}

/// The buckets of the older map, their overflow chains, and what growth has not moved yet.
struct Buckets {
    next: u64,
    left: u64,
    old_buckets: u64,
    old_count: u64,
}

impl Groups for Buckets {
    #[inline(always)]
    fn next<M: Memory>(&mut self, memory: &M, layout: &MapLayout, last: u64) -> u64 {
        if last != 0 {
            let overflow = memory.read_or_zero::<u64>(last + u64::from(layout.overflow.get()));
            if overflow != 0 {
                return overflow;
            }
        }
        if self.left == 0 {
            self.next = self.old_buckets;
            self.left = if self.old_buckets == 0 { 1 } else { self.old_count };
            self.old_buckets = 0;
        }
        let bucket = self.next;
        self.next += u64::from(layout.group_size.get());
        self.left -= 1;
        bucket
    }
}

/// The first eight bytes of a header's name.
const fn first(name: &[u8]) -> u64 {
    u64::from_le_bytes([name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7]])
}

/// The last eight bytes of a header's name.
const fn last(name: &[u8]) -> u64 {
    first(name.split_at(name.len() - 8).1)
}

/// Notes `element` where the key is a wanted name. Names are canonical (`textproto.CanonicalMIMEHeaderKey`).
#[inline(always)]
fn compare<M: Memory>(memory: &M, key: u64, element: u64, found: &mut Found) {
    let GoString { address, length } = GoString::at(memory, key);
    // The wanted names have 10 to 17 bytes, as many as two overlapping words hold, and one.
    if length.wrapping_sub(10) > 7 {
        return;
    }
    let start: u64 = memory.read_or_zero(address);
    let end: u64 = memory.read_or_zero(address + length - 8);
    macro_rules! note {
        ($name:literal, $field:ident) => {
            // One branch for each name.
            if (start ^ first($name)) | (end ^ last($name)) | (length ^ $name.len() as u64) == 0 {
                found.$field = element;
                return;
            }
        };
    }
    note!(b"User-Agent", user_agent);
    note!(b"Traceparent", trace_parent);
    note!(b"Tracestate", trace_state);
    note!(b"X-Forwarded-For", forwarded_for);
    note!(b"X-Forwarded-Proto", forwarded_proto);
}
