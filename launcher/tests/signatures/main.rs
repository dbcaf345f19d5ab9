//! Declarations of functions, against real programs: those of the standard library, and some thousands that are made up.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod entry;
mod generated;
mod generator;
mod standard_library;
#[path = "../support/mod.rs"]
mod support;
mod users;

/// xorshift64*, with a fixed seed so that a failure can be repeated.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let limit = u64::try_from(limit).unwrap();
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit).unwrap()
    }
}
