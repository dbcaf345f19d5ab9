//! A hash table of two parts: a small one, which stays in the processor's caches, and a large one for what finds no room there.
//!
//! Most of the time little is remembered at once, and most of what is looked for is not there: each context on the way to a parent is asked
//! for. In one large table every such look touches memory that nothing else has touched for long, and the keys are spread over all of it.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::table::{ANYWHERE, Table};

/// Buckets of the small part.
const NEAR: usize = 64;

/// A table of keys that lie anywhere; `BUCKETS` are those of the large part.
#[repr(C)]
#[derive(Debug)]
pub struct NearTable<V, const BUCKETS: usize> {
    near: Table<V, NEAR, ANYWHERE>,
    /// How many values the large part has, or more: it is counted up before one is there, and down when it is gone.
    far_values: AtomicUsize,
    far: Table<V, BUCKETS, ANYWHERE>,
}

impl<V, const BUCKETS: usize> NearTable<V, BUCKETS> {
    /// The value of a key.
    #[inline(always)]
    pub fn get(&self, key: u64) -> Option<&V> {
        self.near.get(key).or_else(|| if self.has_far() { self.get_far(key) } else { None })
    }

    /// Sets the value of a key; where there is no room, another one goes.
    ///
    /// A call of its own: the code is placed near the program's, where there is not room for everything.
    #[inline(never)]
    pub fn set(&self, key: u64, value: &V) {
        if self.near.set(key, value, |_, _| false).is_some() {
            if self.has_far() {
                self.remove_far(key);
            }
            return;
        }
        self.set_far(key, value);
        self.near.remove(key);
    }

    /// Removes a key.
    #[inline(never)]
    pub fn remove(&self, key: u64) {
        self.near.remove(key);
        if self.has_far() {
            self.remove_far(key);
        }
    }

    #[inline(always)]
    fn has_far(&self) -> bool {
        self.far_values.load(Ordering::Acquire) != 0
    }

    #[cold]
    #[inline(never)]
    fn get_far(&self, key: u64) -> Option<&V> {
        self.far.get(key)
    }

    #[cold]
    #[inline(never)]
    fn set_far(&self, key: u64, value: &V) {
        self.far_values.fetch_add(1, Ordering::AcqRel);
        let gone = self.far.set(key, value, |_, _| true).unwrap_or(1);
        self.far_values.fetch_sub(gone, Ordering::AcqRel);
    }

    #[cold]
    #[inline(never)]
    fn remove_far(&self, key: u64) {
        let gone = self.far.remove(key);
        self.far_values.fetch_sub(gone, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpf::shared::Shared;

    type Numbers = NearTable<Shared<u64>, 1_024>;

    fn empty() -> Box<Numbers> {
        // SAFETY: all zero is an empty table.
        unsafe { Box::new_zeroed().assume_init() }
    }

    fn get(table: &Numbers, key: u64) -> Option<u64> {
        table.get(key).map(Shared::get)
    }

    fn key(n: u64) -> u64 {
        0xc0_0000_0000 + n * 96
    }

    /// More than the small part has room for.
    const MANY: u64 = 2_000;

    #[test]
    fn what_finds_no_room_nearby_is_found_far_away() {
        let table = empty();
        for n in 0..MANY {
            table.set(key(n), &Shared::new(n));
        }
        assert!((0..MANY).all(|n| get(&table, key(n)) == Some(n)));
        assert!(table.has_far());
        for n in 0..MANY {
            table.remove(key(n));
            assert_eq!(get(&table, key(n)), None);
        }
        assert_eq!(table.far_values.load(Ordering::Relaxed), 0);
    }

    /// Wherever the one before it was, a key has its last value, and one.
    #[test]
    fn a_key_has_one_value() {
        let table = empty();
        for n in 0..MANY {
            table.set(key(n), &Shared::new(n));
        }
        let far = (0..MANY).find(|n| table.near.get(key(*n)).is_none()).unwrap();
        // Now there is room nearby.
        (0..MANY).filter(|n| *n != far).for_each(|n| table.remove(key(n)));
        table.set(key(far), &Shared::new(7));
        assert_eq!((get(&table, key(far)), table.has_far()), (Some(7), false));
        // And now there is none.
        (MANY..2 * MANY).for_each(|n| table.set(key(n), &Shared::new(n)));
        let near = table.near.get(key(far)).is_some();
        table.set(key(far), &Shared::new(8));
        assert_eq!((get(&table, key(far)), near), (Some(8), true));
        table.remove(key(far));
        assert_eq!(get(&table, key(far)), None);
    }

    /// Of the large part the oldest do not stay for ever.
    #[test]
    fn where_all_is_full_others_go() {
        let table: Box<NearTable<Shared<u64>, 16>> = {
            // SAFETY: all zero is an empty table.
            unsafe { Box::new_zeroed().assume_init() }
        };
        for n in 0..MANY {
            table.set(key(n), &Shared::new(n));
            assert_eq!(table.get(key(n)).map(Shared::get), Some(n));
        }
        let left = (0..MANY).filter(|n| table.get(key(*n)).is_some()).count();
        let far = (0..MANY).filter(|n| table.far.get(key(*n)).is_some()).count();
        assert_eq!(table.far_values.load(Ordering::Relaxed), far);
        assert!(far <= 16 * 8 && left > far, "{left}, {far}");
    }

    /// Each thread's keys are its own: none is lost, and none is left.
    #[test]
    fn threads_find_what_they_have_set() {
        let table = empty();
        let (threads, turns) = if cfg!(miri) { (3, 4) } else { (4, 2_000) };
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let table = &table;
                scope.spawn(move || {
                    for turn in 0..turns {
                        // All threads' together do not fit nearby.
                        let keys: Vec<u64> = (0..300).map(|n| key(thread * 1_000_000 + (turn % 7) * 1_000 + n)).collect();
                        for key in &keys {
                            table.set(*key, &Shared::new(*key));
                        }
                        for key in &keys {
                            assert_eq!(table.get(*key).map(Shared::get), Some(*key));
                            table.remove(*key);
                            assert_eq!(table.get(*key).map(Shared::get), None);
                        }
                    }
                });
            }
        });
        assert_eq!(table.far_values.load(Ordering::Relaxed), 0);
    }
}
