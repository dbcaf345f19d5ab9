//! Hash tables in memory that is zero at first: from an address, or another number, to a value, found and changed by many threads at
//! once, which never wait for each other.
//!
//! A key has two or three buckets of eight ways. A value keeps its place until it is removed, or given away where all of these are full. Who holds a
//! value that is given away meanwhile holds memory that stays valid; the seals of what is in it tell ([`bpf::trace::sealed`]).

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Ways of a bucket: their keys fill a cache line.
pub const WAYS: usize = 8;
/// The way is free.
const FREE: u64 = 0;
/// Somebody is writing the value, or has it for a key that is not published yet.
const CLAIMED: u64 = 1;

/// A value that many may look at, whose words change while they do.
#[repr(transparent)]
#[derive(Debug)]
pub struct Slot<V>(UnsafeCell<V>);

// SAFETY: values are looked at word by word and changed so (`store`), and consist of such words (`bpf::shared::Shared`), or are guarded
// by a number that is looked at afterwards (`Extracted::is_of`).
unsafe impl<V: Sync> Sync for Slot<V> {}

impl<V> Slot<V> {
    /// The value.
    #[inline(always)]
    pub const fn get(&self) -> &V {
        // SAFETY: valid and aligned; all zero is a value of every type in a table.
        unsafe { &*self.0.get() }
    }

    /// Stores another one, word by word.
    #[inline(always)]
    pub fn store(&self, value: &V) {
        const { assert!(size_of::<V>().is_multiple_of(8) && align_of::<V>() == 8) };
        let (from, to) = (core::ptr::from_ref(value).cast::<u64>(), self.0.get().cast::<u64>());
        for word in 0..size_of::<V>() / 8 {
            // SAFETY: both are aligned for words and have so many; nobody takes a word for more than a number.
            unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
        }
    }
}

/// Ways with the same hash.
#[repr(C, align(64))]
#[derive(Debug)]
struct Bucket<V> {
    keys: [AtomicU64; WAYS],
    values: [Slot<V>; WAYS],
}

/// Shift of a table whose keys lie anywhere.
pub const ANYWHERE: u32 = 64;

/// A table of `BUCKETS` buckets, a power of two. Keys that differ by less than 2^`SHIFT` share their first bucket: what lies side by side
/// in the program does so here, too, and takes few pages.
#[repr(C)]
#[derive(Debug)]
pub struct Table<V, const BUCKETS: usize, const SHIFT: u32> {
    /// Where the search for a value that may go begins.
    turn: AtomicUsize,
    /// 1 for each bucket in which there ever was a key: whoever looks at all keys touches no memory of the others.
    used: [AtomicU8; BUCKETS],
    buckets: [Bucket<V>; BUCKETS],
}

/// A way of a bucket.
type Way<'t, V> = (&'t AtomicU64, &'t Slot<V>);

impl<V, const BUCKETS: usize, const SHIFT: u32> Table<V, BUCKETS, SHIFT> {
    /// The value of a key.
    #[inline(always)]
    pub fn get(&self, key: u64) -> Option<&V> {
        self.find(key).map(|(_, value)| value.get())
    }

    /// The value of a key; where it has none, one that `begin` has made its own. `may_go` says which of the others may be given away for
    /// it; `None` where none may.
    #[inline(always)]
    pub fn get_or_insert(&self, key: u64, begin: impl Fn(&Slot<V>), may_go: impl Fn(u64, &V) -> bool) -> Option<&V> {
        if let Some(known) = self.get(key) {
            return Some(known);
        }
        let ((tag, value), _is_given_away) = self.claim(key, may_go)?;
        begin(value);
        tag.store(published(key), Ordering::Release);
        Some(value.get())
    }

    /// Sets the value of a key. One that it has stays what it is for those who hold it. Returns how many values have gone for it, its own among
    /// them; `None` where there is no room.
    #[inline(always)]
    pub fn set(&self, key: u64, value: &V, may_go: impl Fn(u64, &V) -> bool) -> Option<usize> {
        let may_go = |other, value: &V| other != published(key) && may_go(other, value);
        let ((tag, slot), is_given_away) = self.claim(key, may_go)?;
        slot.store(value);
        tag.store(published(key), Ordering::Release);
        let mut gone = usize::from(is_given_away);
        // Others may have set it at the same time.
        for (other, _) in self.ways(published(key)).filter(|(other, _)| !core::ptr::eq(*other, tag)) {
            if other.load(Ordering::Relaxed) == published(key) {
                gone += usize::from(free(other, key));
            }
        }
        Some(gone)
    }

    /// Removes a key; returns how many values it had.
    #[inline(always)]
    pub fn remove(&self, key: u64) -> usize {
        let mut gone = 0;
        while let Some((tag, _)) = self.find(key) {
            gone += usize::from(free(tag, key));
        }
        gone
    }

    /// Hands each key and its value to `look`, until that returns false, and says whether it came to the end.
    #[inline(always)]
    pub fn each(&self, mut look: impl FnMut(u64, &V) -> bool) -> bool {
        let used = self.buckets.iter().zip(&self.used).filter(|(_, used)| used.load(Ordering::Acquire) != 0);
        used.flat_map(|(bucket, _)| bucket.keys.iter().zip(&bucket.values)).all(|(tag, value)| {
            let key = tag.load(Ordering::Acquire);
            key == FREE || key == CLAIMED || look(key, value.get())
        })
    }

    #[inline(always)]
    fn find(&self, key: u64) -> Option<Way<'_, V>> {
        let key = published(key);
        self.ways(key).find(|(tag, _)| tag.load(Ordering::Acquire) == key)
    }

    /// A way that is nobody else's until its key is published: a free one, else that of a key that may go, and whether it is that.
    #[inline(always)]
    fn claim(&self, key: u64, may_go: impl Fn(u64, &V) -> bool) -> Option<(Way<'_, V>, bool)> {
        let key = published(key);
        for number in self.numbers(key) {
            if let Some(used) = self.used.get(number)
                && used.load(Ordering::Relaxed) == 0
            {
                used.store(1, Ordering::Release);
            }
        }
        let take = |tag: &AtomicU64, old| tag.compare_exchange(old, CLAIMED, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let free = self.ways(key).find(|(tag, _)| tag.load(Ordering::Relaxed) == FREE && take(tag, FREE));
        free.map(|way| (way, false)).or_else(|| {
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % (3 * WAYS);
            let from_there = self.ways(key).skip(first).chain(self.ways(key).take(first));
            let mut may_go = from_there.filter(|(tag, value)| {
                let old = tag.load(Ordering::Acquire);
                old != FREE && old != CLAIMED && may_go(old, value.get()) && take(tag, old)
            });
            may_go.next().map(|way| (way, true))
        })
    }

    /// All ways of a key.
    #[inline(always)]
    fn ways(&self, key: u64) -> impl Iterator<Item = Way<'_, V>> {
        let [first, second, third] = self.numbers(key);
        let bucket = |number: usize| {
            let bucket = &self.buckets[number & (BUCKETS - 1)];
            bucket.keys.iter().zip(&bucket.values)
        };
        // Where the first buckets are filled as the program's memory is, not evenly, a third one is needed before none is left.
        let third = if SHIFT == ANYWHERE { [].iter().zip(&[]) } else { bucket(third) };
        bucket(first).chain(bucket(second)).chain(third)
    }

    /// The numbers of a key's buckets; where keys lie anywhere, the third is not used.
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "of this table")]
    #[expect(clippy::cast_possible_truncation, reason = "cut to the number of buckets")]
    fn numbers(&self, key: u64) -> [usize; 3] {
        const { assert!(BUCKETS.is_power_of_two()) };
        // The finalizer of MurmurHash3: each bit of the key changes half of these.
        let mut mixed = (key ^ key >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^= mixed >> 33;
        let first = if SHIFT == ANYWHERE { mixed } else { (key >> (SHIFT & 63)) ^ key >> 56 };
        [first, mixed >> 32, mixed >> 16].map(|number| number as usize & (BUCKETS - 1))
    }
}

/// Frees the way with this tag, if it is still that of the key.
#[inline(always)]
fn free(tag: &AtomicU64, key: u64) -> bool {
    tag.compare_exchange(published(key), FREE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// As a key stands in the table: two of all numbers are none.
#[inline(always)]
const fn published(key: u64) -> u64 {
    if key <= CLAIMED { key | 2 } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpf::shared::Shared;

    type Numbers = Table<Shared<u64>, 64, 9>;

    fn empty() -> Box<Numbers> {
        // SAFETY: all zero is an empty table.
        unsafe { Box::new_zeroed().assume_init() }
    }

    fn set(table: &Numbers, key: u64, value: u64) -> bool {
        table.set(key, &Shared::new(value), |_, _| false).is_some()
    }

    fn get(table: &Numbers, key: u64) -> Option<u64> {
        table.get(key).map(Shared::get)
    }

    #[test]
    fn what_is_set_is_found_until_it_is_removed() {
        let table = empty();
        // Zero and one are keys too.
        for key in [0, 1, 7, 0xc0_0000_1000, u64::MAX] {
            assert_eq!(get(&table, key), None);
            assert!(set(&table, key, key ^ 5) && set(&table, key, key ^ 9));
            assert_eq!(get(&table, key), Some(key ^ 9));
        }
        let mut seen = 0;
        assert!(table.each(|_, _| {
            seen += 1;
            true
        }));
        assert_eq!(seen, 5);
        for key in [0, 1, 7, 0xc0_0000_1000, u64::MAX] {
            table.remove(key);
            assert_eq!(get(&table, key), None);
        }
        assert!(table.each(|_, _| unreachable!("nothing is left")));
    }

    /// More than there are ways.
    const MANY: usize = 600;

    /// Whatever is not to go stays; there is no room then.
    #[test]
    fn full_buckets_give_away_what_may_go() {
        let table = empty();
        let mut kept = Vec::new();
        // All of these share their first bucket.
        for key in (0..).map(|n| 2 + n * 64 * 512).take(MANY) {
            if set(&table, key, key) {
                kept.push(key);
            }
        }
        assert!(kept.len() >= WAYS && kept.len() < MANY, "{}", kept.len());
        assert!(kept.iter().all(|key| get(&table, *key) == Some(*key)));
        // One of those that found no room.
        let comes = (0..MANY as u64).map(|n| 2 + n * 64 * 512).find(|key| !kept.contains(key)).unwrap();
        let goes = kept[3];
        let taken = table.get_or_insert(comes, |slot| slot.store(&Shared::new(77)), |key, _| key == goes);
        // One of its buckets is that of the one that goes.
        assert_eq!(taken.map(Shared::get), Some(77));
        assert_eq!((get(&table, goes), get(&table, comes)), (None, Some(77)));
        assert!(kept.iter().filter(|key| **key != goes).all(|key| get(&table, *key) == Some(*key)));
    }

    /// As operations of tables are within each other ([`crate::state::State::frames`]): by the goroutine, and the level in the highest byte.
    #[test]
    fn all_levels_of_a_goroutine_find_room() {
        // SAFETY: all zero is an empty table.
        let table: Box<Table<Shared<u64>, 8_192, 9>> = unsafe { Box::new_zeroed().assume_init() };
        for goroutine in 0..16 {
            for level in 0..64 {
                let key = (0xc0_0000_2000 + goroutine * 448) ^ level << 56;
                assert!(table.set(key, &Shared::new(key), |_, _| false).is_some(), "{goroutine}, {level}");
            }
        }
    }

    /// Each thread's keys are its own: none is lost, and none has another's value.
    #[test]
    fn threads_do_not_take_each_others_ways() {
        // SAFETY: all zero is an empty table.
        let table: Box<Table<Shared<u64>, 1_024, ANYWHERE>> = unsafe { Box::new_zeroed().assume_init() };
        let (threads, turns) = if cfg!(miri) { (3, 20) } else { (4, 20_000) };
        std::thread::scope(|scope| {
            for thread in 1..=threads {
                let table = &table;
                scope.spawn(move || {
                    for turn in 0..turns {
                        let keys: Vec<u64> = (0..5).map(|n| (thread << 40) | ((turn * 3 + n) % 64)).collect();
                        for key in &keys {
                            assert_eq!(table.set(*key, &Shared::new(*key), |_, _| false), Some(0), "{key:x}");
                        }
                        for key in &keys {
                            assert_eq!(table.get(*key).map(Shared::get), Some(*key));
                            assert_eq!(table.remove(*key), 1);
                            assert_eq!(table.get(*key).map(Shared::get), None);
                        }
                    }
                });
            }
        });
        assert!(table.each(|key, _| unreachable!("{key:x} is left")));
    }
}
