//! New trace and span ids (W3C Trace Context §3.2.2: random, not all zero).
//!
//! A call of the kernel for each 32 random bits would cost more than all else in a probe that is not sampled. So each
//! place of scratch memory has a generator of its own (xoroshiro128+, <https://prng.di.unimi.it>), seeded by the kernel.

use crate::target::Target;

/// State of a generator; all zero before it is seeded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Random([u64; 2]);

impl Random {
    /// Not seeded yet.
    pub const UNSEEDED: Self = Self([0; 2]);

    /// Seeds the generator from the kernel's, if it has not been.
    ///
    /// A call of its own in BPF: whether it was is forgotten when it returns.
    #[inline(never)]
    pub fn seed_once<T: Target>(&mut self, target: &T) {
        let [first, second] = self.0;
        if first | second != 0 {
            return;
        }
        let word = || u64::from(target.random()) << 32 | u64::from(target.random());
        // All zero is the one state that must not be.
        self.0 = [word(), word() | 1];
    }

    /// 64 random bits.
    #[inline(always)]
    pub fn bits(&mut self) -> u64 {
        let [s0, s1] = self.0;
        let mixed = s0 ^ s1;
        self.0 = [s0.rotate_left(24) ^ mixed ^ (mixed << 16), mixed.rotate_left(37)];
        s0.wrapping_add(s1)
    }

    /// A new trace id.
    #[inline(always)]
    pub fn trace_id(&mut self) -> [u8; 16] {
        let (high, low) = (self.bits(), self.bits());
        let low = low | u64::from(high | low == 0);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&high.to_ne_bytes());
        id[8..].copy_from_slice(&low.to_ne_bytes());
        id
    }

    /// A new span id.
    #[inline(always)]
    pub fn span_id(&mut self) -> [u8; 8] {
        let id = self.bits();
        (id | u64::from(id == 0)).to_ne_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_published_sequence() {
        // xoroshiro128+ 1.0 (24, 16, 37) from the state (1, 2), computed with the authors' C code.
        let mut random = Random([1, 2]);
        assert_eq!(random.bits(), 3);
        assert_eq!(random.0, [(1_u64 << 24) ^ 3 ^ (3 << 16), 3_u64.rotate_left(37)]);
    }

    #[test]
    fn ids_are_distinct_and_never_zero() {
        let mut random = Random([0x1234, 0x5679]);
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let (trace, span) = (random.trace_id(), random.span_id());
            assert!(u128::from_ne_bytes(trace) != 0 && u64::from_ne_bytes(span) != 0);
            assert!(seen.insert(trace));
        }
    }
}
