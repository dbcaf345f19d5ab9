//! `http.Header` maps in memory: buckets (Go ≤ 1.23) and swiss groups (Go ≥ 1.24), in every state that they can have.

use super::FakeProcess;

/// Slots in a group or bucket.
const SLOTS: usize = 8;
/// Set in `hmap.flags` while a map grows to the same size.
const SAME_SIZE_GROW: u64 = 8;
/// `tophash` of a cell whose entry is now in the new buckets (`evacuatedX`).
const EVACUATED: u8 = 2;
/// Control byte of a swiss slot whose entry was deleted.
const DELETED: u8 = 0xfe;
/// Control byte of a swiss slot that never had an entry.
const EMPTY: u8 = 0x80;

/// How a map lies in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// As the runtime makes it for this number of entries.
    #[default]
    Plain,
    /// All entries in one bucket and its overflow chain. Swiss: one table.
    Chain,
    /// Half of the old buckets, half as many as the new ones, not moved yet. Swiss: two tables, each twice in the directory.
    Growing,
    /// The same with as many old buckets as new ones. Swiss: as `Growing`.
    GrowingSameSize,
}

/// A slot's contents: a header's name, and its lines.
type Entry = (String, String);

/// What a slot that has been left holds: it must not be looked at.
fn stale() -> Entry {
    ("Traceparent".into(), "00-deaddeaddeaddeaddeaddeaddeaddead-deaddeaddeaddead-01".into())
}

impl<const STORES: bool> FakeProcess<STORES> {
    /// A `http.Header`: its map pointer.
    pub fn header(&self, entries: &[Entry], shape: Shape) -> u64 {
        if self.layout.header_map.swiss.get() == 0 { self.hmap(entries, shape) } else { self.swiss_map(entries, shape) }
    }

    fn group_size(&self) -> u64 {
        self.layout.header_map.group_size.get().into()
    }

    /// Fills the group or bucket at `group`; `entries` with the control byte or tophash of each.
    fn fill_group(&self, group: u64, entries: &[(u8, Entry)]) {
        let layout = &self.layout.header_map;
        let unused = if layout.swiss.get() == 0 { 0 } else { EMPTY };
        let mut control = [unused; SLOTS];
        for (slot, (byte, (name, value))) in entries.iter().enumerate() {
            control[slot] = *byte;
            let at = |first: u32, stride: u32| group + u64::from(first) + slot as u64 * u64::from(stride);
            self.memory.write_words(at(layout.keys.get(), layout.key_stride.get()), &self.string(name));
            self.memory.write_words(
                at(layout.elements.get(), layout.element_stride.get()),
                &self.strings(&value.split('\n').collect::<Vec<_>>()),
            );
        }
        self.memory.write(group, &control);
    }

    /// Entries with a hash byte each, as full slots have it.
    fn hashed(&self, entries: &[Entry]) -> Vec<(u8, Entry)> {
        let lowest = self.layout.header_map.full_from.get().to_le_bytes()[0];
        let highest = if self.layout.header_map.swiss.get() == 0 { 0xff } else { 0x7f };
        // The extremes and what lies between.
        let bytes = [lowest, highest, 0x42, lowest + 1].into_iter().cycle();
        bytes.zip(entries.iter().cloned()).collect()
    }

    fn hmap(&self, entries: &[Entry], shape: Shape) -> u64 {
        let mut b = 0;
        while shape != Shape::Chain && (entries.len() > SLOTS && 2 * entries.len() > 13 << b) {
            b += 1;
        }
        let growing = matches!(shape, Shape::Growing | Shape::GrowingSameSize);
        if growing {
            b += 2;
        }
        let count = 1_usize << b;
        let (mut buckets, mut old) = (vec![Vec::new(); count], Vec::new());
        if growing {
            let old_count = if shape == Shape::Growing { count / 2 } else { count };
            old = vec![Vec::new(); old_count];
            for (index, entry) in self.hashed(entries).into_iter().enumerate() {
                // The lower half of the old buckets has been moved.
                if index % old_count < old_count / 2 {
                    old[index % old_count].push((EVACUATED, stale()));
                    buckets[index % count].push(entry);
                } else {
                    old[index % old_count].push(entry);
                }
            }
        } else {
            for (index, entry) in self.hashed(entries).into_iter().enumerate() {
                buckets[index % count].push(entry);
            }
        }
        let flags = if shape == Shape::GrowingSameSize { SAME_SIZE_GROW } else { 0 };
        let map = self.memory.allocate(48);
        let words = [entries.len() as u64, flags | b << 8, self.buckets(&buckets), self.buckets(&old)];
        self.memory.write_words(map, &words);
        map
    }

    /// An array of buckets with their overflow chains; nil without any.
    fn buckets(&self, buckets: &[Vec<(u8, Entry)>]) -> u64 {
        if buckets.is_empty() {
            return 0;
        }
        let array = self.memory.allocate(self.group_size() * buckets.len() as u64);
        for (mut at, entries) in (array..).step_by(self.layout.header_map.group_size.get() as usize).zip(buckets) {
            for (index, chunk) in entries.chunks(SLOTS).enumerate() {
                if index > 0 {
                    let overflow = self.memory.allocate(self.group_size());
                    self.memory.write_words(at + u64::from(self.layout.header_map.overflow.get()), &[overflow]);
                    at = overflow;
                }
                self.fill_group(at, chunk);
            }
        }
        array
    }

    fn swiss_map(&self, entries: &[Entry], shape: Shape) -> u64 {
        let mut slots = self.hashed(entries);
        let map = self.memory.allocate(48);
        let (directory, length) = if entries.len() <= SLOTS && shape == Shape::Plain {
            if slots.len() < SLOTS {
                slots.insert(0, (DELETED, stale()));
            }
            (self.groups(&slots, 1), 0)
        } else if matches!(shape, Shape::Growing | Shape::GrowingSameSize) {
            let (one, other) = slots.split_at(slots.len() / 2);
            let (one, other) = (self.table(one), self.table(other));
            let directory = self.memory.allocate(32);
            self.memory.write_words(directory, &[one, one, other, other]);
            (directory, 4)
        } else {
            let directory = self.memory.allocate(8);
            self.memory.write_words(directory, &[self.table(&slots)]);
            (directory, 1)
        };
        self.memory.write_words(map, &[entries.len() as u64, 0x5eed, directory, length]);
        map
    }

    /// A `*table`, at most 7/8 full.
    fn table(&self, slots: &[(u8, Entry)]) -> u64 {
        let count = slots.len().div_ceil(SLOTS - 1).next_power_of_two() as u64;
        let table = self.memory.allocate(32);
        self.memory.write_words(table, &[0, 0, self.groups(slots, count), count - 1]);
        table
    }

    /// An array of `count` groups; the entries lie in as few of them as can be, the last one first.
    fn groups(&self, slots: &[(u8, Entry)], count: u64) -> u64 {
        let array = self.memory.allocate(self.group_size() * count);
        let mut chunks = slots.chunks(SLOTS);
        for group in (0..count).rev() {
            self.fill_group(array + group * self.group_size(), chunks.next().unwrap_or_default());
        }
        array
    }
}
