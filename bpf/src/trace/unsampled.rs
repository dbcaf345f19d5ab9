//! What an operation leaves that is not sampled: a count and its duration, for metrics.
//!
//! Sampled ones are spans, from which the launcher knows as much. A record for each of the others would cost what sampling is to
//! save; so they are counted where they end.

/// Buckets of durations: that with the number n holds those below 2^(n + 11) nanoseconds, the last one all longer ones.
pub const BUCKETS: usize = 24;

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
pub const fn bucket(duration: u64) -> u32 {
    let units = duration >> 11;
    // The position of the highest bit, halving what is left of 32 bits: BPF has no instruction for it.
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit is in the last bucket")]
    let (mut rest, mut number) = (if units >> 32 == 0 { units as u32 } else { u32::MAX }, 0);
    let mut half = 16;
    while half != 0 {
        if rest >> half != 0 {
            rest >>= half;
            number += half;
        }
        half >>= 1;
    }
    number += rest;
    if number < BUCKETS as u32 { number } else { BUCKETS as u32 - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_is_twice_as_wide_as_the_one_before() {
        assert_eq!([0, 2_047, 2_048, 4_095, 4_096, 8_191, 8_192].map(bucket), [0, 0, 1, 1, 2, 2, 3]);
        for number in 1..BUCKETS as u32 - 1 {
            assert_eq!(bucket((1 << (number + 11)) - 1), number);
            assert_eq!(bucket(1 << (number + 11)), number + 1);
        }
        assert_eq!([1 << 40, 1 << 60, u64::MAX].map(bucket), [BUCKETS as u32 - 1; 3]);
    }
}
