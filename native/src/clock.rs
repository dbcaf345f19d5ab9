//! The processor's time stamp counter into `CLOCK_BOOTTIME`, without a call: the launcher says how, and says it anew with each look at the
//! ring.
//!
//! There are two settings, of which the last one counts: a reader never waits for the launcher.

use core::sync::atomic::{AtomicU64, Ordering};

/// The counter's bits of a nanosecond's fraction in [`Line::rate`].
pub const FRACTION: u32 = 32;
/// Nanoseconds without a new setting after which the launcher is taken for dead.
pub const STALE: u64 = 5_000_000_000;
/// A reader that meets two new settings while it reads reads again, so often at most.
const TRIES: usize = 4;

/// A straight line: `time + (counter − at) × rate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The counter's value then.
    pub at: u64,
    /// `CLOCK_BOOTTIME` then, in nanoseconds.
    pub time: u64,
    /// Nanoseconds of each count, times 2^[`FRACTION`].
    pub rate: u64,
}

impl Line {
    /// The time at this value of the counter, which may be a little before the line begins: counters of processors differ by some counts.
    #[must_use]
    #[inline(always)]
    pub const fn time(&self, counter: u64) -> u64 {
        let counts = counter.wrapping_sub(self.at).cast_signed();
        #[expect(clippy::cast_possible_truncation, reason = "292 years")]
        let nanoseconds = ((counts as i128 * self.rate as i128) >> FRACTION) as i64;
        self.time.wrapping_add_signed(nanoseconds)
    }
}

/// The line, in memory that the launcher writes and probes read.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Clock {
    /// How often it was set.
    version: AtomicU64,
    lines: [[AtomicU64; 3]; 2],
}

impl Clock {
    /// Sets the line. One thread at a time.
    pub fn set(&self, line: Line) {
        let next = self.version.load(Ordering::Relaxed).wrapping_add(1);
        let Line { at, time, rate } = line;
        for (word, value) in self.lines[usize::from(next & 1 != 0)].iter().zip([at, time, rate]) {
            // Who sees it sees the version before, too: so a reader of that line's predecessor sees that it has been replaced.
            word.store(value, Ordering::Release);
        }
        self.version.store(next, Ordering::Release);
    }

    /// The line that was set last.
    #[must_use]
    #[inline(always)]
    pub fn line(&self) -> Line {
        let mut line = Line::default();
        for _ in 0..TRIES {
            let version = self.version.load(Ordering::Acquire);
            let [at, time, rate] = &self.lines[usize::from(version & 1 != 0)];
            line =
                Line { at: at.load(Ordering::Acquire), time: time.load(Ordering::Acquire), rate: rate.load(Ordering::Acquire) };
            if self.version.load(Ordering::Relaxed) == version {
                break;
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_both_ways() {
        // A counter of 2 GHz: half a nanosecond a count.
        let line = Line { at: 1_000, time: 50_000, rate: 1 << 31 };
        assert_eq!([1_000, 1_002, 3_000, 998].map(|counter| line.time(counter)), [50_000, 50_001, 51_000, 49_999]);
        // Ten years, at 5 GHz.
        let years = 10 * 365 * 86_400_u64;
        assert_eq!(Line { at: 0, time: 0, rate: (1 << 32) / 5 }.time(years * 5_000_000_000) / 1_000_000_000, years - 1);
    }

    #[test]
    fn readers_see_one_line_or_the_other() {
        let clock = Clock::default();
        clock.set(Line { at: 1, time: 1, rate: 1 });
        let end = if cfg!(miri) { 200 } else { 200_000 };
        std::thread::scope(|scope| {
            scope.spawn(|| (2..=end).for_each(|n| clock.set(Line { at: n, time: n, rate: n })));
            loop {
                let line = clock.line();
                assert!(line.at == line.time && line.time == line.rate, "{line:?}");
                if line.at == end {
                    break;
                }
            }
        });
    }
}
