//! How many requests of one header map have not been written yet. A program may give one map to several requests at once: nobody can
//! tell whose header is written then, and so it gets nobody's span.
//!
//! A word for each map, changed by compare-and-swap alone: that others wait is noted before any of them can find the other's span
//! ([`crate::trace::injection`]), and looked at behind it. Of a map whose word another one has, they are not counted: they
//! may be written with each other's.

use crate::shared::Shared;
use crate::target::Target;

/// Number of words. A power of two.
pub const WORDS: u32 = 1_024;
/// The bits of a word below the map's address: how many, whether there were several at once, and when the last one began.
const BITS: u32 = 16;
const COUNT: u64 = 0xff;
const IS_AMBIGUOUS: u64 = 1 << 8;
const BEGAN: u32 = 9;
const BEGAN_BITS: u64 = 0x7f;
/// A unit of time, 4.3 s, as a shift of nanoseconds.
const UNIT: u32 = 32;
/// Units after the last one's beginning in which those that wait are waited for: one of them may have ended without being written.
const PATIENCE: u64 = 8;
/// Turns of a change that others interfere with, and what is said where it was not made.
const TURNS: u32 = 4;
const LOST: u64 = IS_AMBIGUOUS;

/// A request with this carrier begins, and waits.
#[inline(always)]
pub fn begin<T: Target>(target: &T, carrier: u64) {
    let now = target.now() >> UNIT & BEGAN_BITS;
    let old = change(target, carrier, |word| {
        let is_over = word & COUNT == 0 || now.wrapping_sub(word >> BEGAN) & BEGAN_BITS >= PATIENCE;
        let count = if is_over { 1 } else { more(word) & COUNT | IS_AMBIGUOUS };
        // What another map's requests have left behind is taken over.
        (is_over || is_its(word, carrier)).then_some(carrier << BITS | now << BEGAN | count)
    });
    if old == LOST
        && let Some(word) = target.waiting(index(carrier))
    {
        // It waits, and is not among those that were counted.
        word.set(carrier << BITS | now << BEGAN | IS_AMBIGUOUS | COUNT);
    }
}

/// The header of a request with this carrier is written. Whether it can be told whose it is.
#[inline(always)]
pub fn written<T: Target>(target: &T, carrier: u64) -> bool {
    change(target, carrier, |word| is_its(word, carrier).then_some(less(word))) & IS_AMBIGUOUS == 0
}

/// The request with this carrier has ended before its header was written.
#[inline(always)]
pub fn ended_unwritten<T: Target>(target: &T, carrier: u64) {
    // Of several it is not known.
    change(target, carrier, |word| (is_its(word, carrier) && word & IS_AMBIGUOUS == 0).then_some(less(word)));
}

/// Whether the word is that of this carrier.
#[inline(always)]
const fn is_its(word: u64, carrier: u64) -> bool {
    (word ^ carrier << BITS) >> BITS == 0
}

/// One more. So many that they are not counted stay so until the word is old.
#[inline(always)]
const fn more(word: u64) -> u64 {
    if word & COUNT == COUNT { word } else { word + 1 }
}

/// One less, of a number that is counted; without any, the word is free.
#[inline(always)]
const fn less(word: u64) -> u64 {
    match word & COUNT {
        0 | 1 => 0,
        COUNT => word,
        _ => word - 1,
    }
}

/// Changes the word that a carrier shares with others, and returns what it was; 0 where it is left alone.
#[inline(always)]
fn change<T: Target>(target: &T, carrier: u64, changed: impl Fn(u64) -> Option<u64>) -> u64 {
    let Some(word) = target.waiting(index(carrier)) else {
        return 0;
    };
    for _ in 0..TURNS {
        let old = word.get();
        let Some(new) = changed(old) else {
            return 0;
        };
        if new == old || target.swap_tag(word, old, new) {
            return old;
        }
    }
    // So many at once: nothing is certain.
    LOST
}

/// Objects of Go are aligned by 8 at least.
#[inline(always)]
const fn index(carrier: u64) -> u32 {
    (carrier.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32 & (WORDS - 1)
}

/// No request.
pub const NOBODY: Shared<u64> = Shared::new(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{FakeProcess, layouts};

    const MAP: u64 = 0xc0_0012_3040;

    fn process() -> FakeProcess {
        FakeProcess::new(layouts::GO_1_27)
    }

    #[test]
    fn one_after_the_other_is_certain() {
        let process = process();
        for _ in 0..3 {
            begin(&process, MAP);
            assert!(written(&process, MAP));
        }
        begin(&process, MAP);
        ended_unwritten(&process, MAP);
        begin(&process, MAP);
        assert!(written(&process, MAP));
        assert_eq!(process.waiting(index(MAP)).unwrap().get(), 0);
    }

    #[test]
    fn several_at_once_are_not_until_all_are_written() {
        let process = process();
        begin(&process, MAP);
        begin(&process, MAP);
        assert!(!written(&process, MAP));
        begin(&process, MAP);
        assert!(!written(&process, MAP) && !written(&process, MAP));
        begin(&process, MAP);
        assert!(written(&process, MAP));
    }

    #[test]
    fn who_has_ended_unseen_is_not_waited_for_without_end() {
        let process = process();
        begin(&process, MAP);
        begin(&process, MAP);
        ended_unwritten(&process, MAP);
        assert!(!written(&process, MAP));
        process.now.set(PATIENCE << UNIT);
        begin(&process, MAP);
        assert!(written(&process, MAP));
    }

    /// Those that have begun meanwhile may still wait.
    #[test]
    fn who_begins_without_a_pause_waits_however_long() {
        let process = process();
        begin(&process, MAP);
        for unit in 0..4 * PATIENCE {
            process.now.set(unit << UNIT);
            begin(&process, MAP);
            assert!(!written(&process, MAP), "{unit}");
        }
    }

    #[test]
    fn more_than_are_counted_are_not_told_apart() {
        let process = process();
        for _ in 0..300 {
            begin(&process, MAP);
        }
        for _ in 0..300 {
            assert!(!written(&process, MAP));
            begin(&process, MAP);
            assert!(!written(&process, MAP));
        }
        process.now.set(PATIENCE << UNIT);
        begin(&process, MAP);
        assert!(written(&process, MAP));
    }

    #[test]
    fn another_map_with_the_same_word_is_not_counted() {
        let process = process();
        let other = (1..1_u64 << 24).map(|step| MAP + step * 8).find(|other| index(*other) == index(MAP)).unwrap();
        begin(&process, MAP);
        begin(&process, other);
        assert!(written(&process, other) && written(&process, MAP));
        // What it has left behind is taken over when it is old.
        begin(&process, MAP);
        begin(&process, MAP);
        ended_unwritten(&process, MAP);
        assert!(!written(&process, MAP));
        process.now.set(PATIENCE << UNIT);
        for is_alone in [true, false] {
            begin(&process, other);
            assert_eq!(process.waiting(index(MAP)).unwrap().get() >> BITS, other & (u64::MAX >> BITS));
            if !is_alone {
                begin(&process, other);
            }
            assert_eq!(written(&process, other), is_alone);
        }
    }
}
