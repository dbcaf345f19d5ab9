//! One pass over an `http.Header` (`map[string][]string`) for the headers that tracing needs.
//!
//! Swiss maps: `internal/runtime/maps/{map,table,group}.go`, Go ≥ 1.24. Older maps: `runtime/map.go`, Go ≤ 1.23.
//! The map's hash function is not available, so the keys are looked at, group by group; a request has one or two groups.

use crate::config::MapLayout;
use crate::target::{Memory, Step};

/// Slots in a swiss group, and in a bucket of the older map.
const SLOTS: u32 = 8;
/// Words of keys that are read at once: 8 neighbouring keys, or 4 slots of a key and an element.
const KEY_WORDS: usize = 20;
/// Groups that are looked at, at most: 8,192 headers.
const MAX_GROUPS: u32 = 1024;
/// Cells of the older map below this hold no entry (`minTopHash`).
const MIN_TOP_HASH: u64 = 5;
/// `hmap.B` beyond this is no map.
const MAX_B: u8 = 20;

/// Addresses of the `[]string` values found; 0 where the header is absent.
#[derive(Clone, Copy, Debug, Default)]
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
pub fn find<M: Memory>(memory: &M, layout: &MapLayout, map: u64) -> Found {
    let mut found = Found::default();
    if map == 0 {
        return found;
    }
    let field = |offset: u32| memory.read::<u64>(map + u64::from(offset)).unwrap_or(0);
    let entries = field(layout.count.get());
    let directory = field(layout.directory.get());
    if entries == 0 || directory == 0 {
        return found;
    }
    if layout.swiss.get() != 0 {
        let tables = field(layout.directory_length.get());
        if tables == 0 {
            scan_group(memory, layout, directory, &mut found);
        } else {
            memory.repeat(MAX_GROUPS, &mut SwissScan {
                layout, directory, tables, entries, found: &mut found,
                table: 0, groups: 0, next_group: 1, last_group: 0,
            });
        }
        return found;
    }
    let b = memory.read::<u8>(map + u64::from(layout.directory_length.get())).unwrap_or(0);
    if b > MAX_B {
        return found;
    }
    let buckets = 1 << b;
    memory.repeat(MAX_GROUPS, &mut BucketScan {
        layout, entries, found: &mut found,
        bucket: directory, next: directory + u64::from(layout.group_size.get()), left: buckets - 1,
        old_buckets: field(layout.old_buckets.get()), old_count: if b == 0 { 1 } else { buckets / 2 },
    });
    found
}

/// The tables of a swiss map with a directory, flattened into groups.
struct SwissScan<'a> {
    layout: &'a MapLayout,
    directory: u64,
    tables: u64,
    entries: u64,
    found: &'a mut Found,
    /// The table being scanned; neighbouring directory slots may hold the same one.
    table: u64,
    groups: u64,
    next_group: u64,
    last_group: u64,
}

impl Step for SwissScan<'_> {
    #[inline(always)]
    fn step<M: Memory>(&mut self, memory: &M) -> bool {
        if self.next_group > self.last_group {
            if self.tables == 0 {
                return false;
            }
            let Some(table) = memory.read::<u64>(self.directory) else { return false };
            self.directory += 8;
            self.tables -= 1;
            if table == self.table {
                return true;
            }
            self.table = table;
            let field = |offset: u32| memory.read::<u64>(table + u64::from(offset)).unwrap_or(0);
            self.groups = field(self.layout.table_groups.get());
            self.last_group = field(self.layout.table_mask.get());
            self.next_group = 0;
        }
        let group = self.groups + self.next_group * u64::from(self.layout.group_size.get());
        self.next_group += 1;
        let seen = scan_group(memory, self.layout, group, self.found);
        self.entries = self.entries.saturating_sub(u64::from(seen));
        self.entries != 0
    }
}

/// The buckets of the older map, their overflow chains, and what growth has not moved yet.
struct BucketScan<'a> {
    layout: &'a MapLayout,
    entries: u64,
    found: &'a mut Found,
    bucket: u64,
    next: u64,
    left: u64,
    old_buckets: u64,
    old_count: u64,
}

impl Step for BucketScan<'_> {
    #[inline(always)]
    fn step<M: Memory>(&mut self, memory: &M) -> bool {
        let seen = scan_group(memory, self.layout, self.bucket, self.found);
        self.entries = self.entries.saturating_sub(u64::from(seen));
        if self.entries == 0 {
            return false;
        }
        let overflow = memory.read::<u64>(self.bucket + u64::from(self.layout.overflow.get())).unwrap_or(0);
        if overflow != 0 {
            self.bucket = overflow;
            return true;
        }
        if self.left == 0 {
            if self.old_buckets == 0 {
                return false;
            }
            self.next = self.old_buckets;
            self.left = self.old_count;
            self.old_buckets = 0;
        }
        self.bucket = self.next;
        self.next += u64::from(self.layout.group_size.get());
        self.left -= 1;
        true
    }
}

/// Looks at one group or bucket. Returns the number of entries in it.
#[inline(always)]
fn scan_group<M: Memory>(memory: &M, layout: &MapLayout, group: u64, found: &mut Found) -> u32 {
    let Some(control) = memory.read::<u64>(group) else { return 0 };
    let keys = group + u64::from(layout.keys.get());
    let stride = layout.key_stride.get();
    if stride * SLOTS <= (KEY_WORDS * 8) as u32 {
        return scan_slots(memory, layout, group, control, 0, SLOTS, keys, found);
    }
    let half = SLOTS / 2;
    let entries = scan_slots(memory, layout, group, control, 0, half, keys, found);
    if entries < half {
        // Slots are filled from the first on and headers are hardly ever deleted, but where they are, a gap may be anywhere.
        let rest = control >> (8 * half);
        let none_full = if layout.swiss.get() != 0 { rest & 0x8080_8080 == 0x8080_8080 } else { rest == 0 };
        if none_full {
            return entries;
        }
    }
    entries + scan_slots(memory, layout, group, control, half, half, keys + u64::from(half * stride), found)
}

/// Looks at `count` slots from `first_slot` on, whose keys start at `keys`. Returns how many of them are full.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined; a struct would cost stack in BPF")]
fn scan_slots<M: Memory>(
    memory: &M,
    layout: &MapLayout,
    group: u64,
    control: u64,
    first_slot: u32,
    count: u32,
    keys: u64,
    found: &mut Found,
) -> u32 {
    let mut words = [0; KEY_WORDS];
    let stride = layout.key_stride.get();
    // The last slot's element is not needed.
    if !memory.read_prefix(keys, stride * (count - 1) + 16, &mut words) {
        return 0;
    }
    let mut entries = 0;
    for index in 0..count {
        let slot = first_slot + index;
        let cell = control >> (8 * slot) & 0xff;
        let full = if layout.swiss.get() != 0 { cell < 0x80 } else { cell >= MIN_TOP_HASH };
        let key = (index * stride / 8) as usize;
        if !full || key + 1 >= KEY_WORDS {
            continue;
        }
        entries += 1;
        let element = group + u64::from(layout.elements.get()) + u64::from(slot * layout.element_stride.get());
        compare(memory, words[key], words[key + 1], element, found);
    }
    entries
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
fn compare<M: Memory>(memory: &M, key: u64, length: u64, element: u64, found: &mut Found) {
    if !matches!(length, 10 | 11 | 15 | 17) {
        return;
    }
    let Some(start) = memory.read::<u64>(key) else { return };
    let Some(end) = memory.read::<u64>(key + length - 8) else { return };
    macro_rules! note {
        ($name:literal, $field:ident) => {
            if length == $name.len() as u64 && start == first($name) && end == last($name) {
                found.$field = element;
            }
        };
    }
    note!(b"Traceparent", trace_parent);
    note!(b"Tracestate", trace_state);
    note!(b"User-Agent", user_agent);
    note!(b"X-Forwarded-For", forwarded_for);
    note!(b"X-Forwarded-Proto", forwarded_proto);
}
