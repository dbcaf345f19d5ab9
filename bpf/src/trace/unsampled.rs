//! What an operation leaves that is not sampled: a count and its duration, for metrics.
//!
//! Sampled ones are spans, from which the launcher knows as much. A record for each of the others would cost what sampling is to
//! save; so they are counted where they end.

use crate::shared::Shared;

/// Buckets of durations: that with the number n holds those below 2^(n + 11) nanoseconds, the last one all longer ones.
pub const BUCKETS: usize = 32;

/// How many operations of a kind were not sampled, and how long they took.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// The sum of all durations, in nanoseconds.
    pub sum: u64,
    /// How many there were, by [`bucket`].
    pub counts: [u64; BUCKETS],
}

/// None.
pub const NO_DURATIONS: Durations = Durations { sum: 0, counts: [0; BUCKETS] };

/// The bucket of a duration in nanoseconds.
#[inline(always)]
#[must_use]
pub fn bucket(duration: u64) -> u32 {
    // The position of the highest bit, halving what is left of 32 bits: BPF has no instruction for it. Without a branch, for the
    // verifier would follow both sides of each.
    let units = duration >> 11;
    let too_long = is_any(units >> 32);
    let mut rest = units & u64::from(u32::MAX) | too_long << 31;
    let (mut number, mut half) = (0, 16);
    while half != 0 {
        let by = is_any(rest >> half) * half;
        rest >>= by;
        number += by;
        half >>= 1;
    }
    number += rest;
    // 32 becomes 31.
    #[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
    let bucket = (number - (number >> 5)) as u32;
    bucket
}

/// 1 where the number, of less than 64 bits, is not zero.
#[inline(always)]
fn is_any(number: u64) -> u64 {
    // Through memory: the compiler would make a branch of it.
    Shared::new(number.wrapping_neg()).get() >> 63
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: u32 = 31;

    #[test]
    fn each_bucket_is_twice_as_wide_as_the_one_before() {
        assert_eq!([0, 2_047, 2_048, 4_095, 4_096, 8_191, 8_192].map(bucket), [0, 0, 1, 1, 2, 2, 3]);
        for number in 1..LAST {
            assert_eq!(bucket((1 << (number + 11)) - 1), number);
            assert_eq!(bucket(1 << (number + 11)), number + 1);
        }
        assert_eq!([1 << 42, 1 << 60, u64::MAX].map(bucket), [LAST; 3]);
    }
}
