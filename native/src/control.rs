//! The head of the memory that the program and the launcher share: how far both are in the ring, the clock, the sampler, and what is
//! counted.
//!
//! The launcher believes nothing of what stands here: the program may write anything into it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bpf::config::Settings;
use bpf::missed::COUNTED;
use bpf::trace::operation::kind;
use bpf::trace::unsampled::{BUCKETS, Durations, NO_DURATIONS, bucket};

use crate::clock::Clock;

/// A number in a cache line of its own.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Position(pub AtomicU64);

/// The head.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Control {
    /// Where the next record begins; producers move it.
    pub producer: Position,
    /// Where the launcher has come to.
    pub consumer: Position,
    /// How time is told.
    pub clock: Clock,
    /// The sampler, and what is switched off.
    pub settings: Settings,
    /// One of [`disabled`].
    pub disabled: AtomicU32,
    /// Counted up when the ring is half full: the launcher waits for that, by futex(2).
    pub half_full: AtomicU32,
    /// What nothing came of, by [`bpf::missed::Missed`].
    missed: [AtomicU64; COUNTED as usize],
    /// Requests whose route a mux has found: those in which it is not noted, and those in which it is.
    pub routes: [AtomicU64; 2],
    /// Operations that were not sampled, by kind: the sum of their durations, and how many there were by their bucket.
    unsampled: [[AtomicU64; BUCKETS + 1]; kind::COUNT as usize],
    /// Defects of probes that were caught, each of which has cost one event.
    pub caught: AtomicU64,
    /// The last of them: the signal, and the place in the code.
    pub defect: [AtomicU64; 2],
}

/// Values of [`Control::disabled`].
pub mod disabled {
    /// Probes work.
    pub const NO: u32 = 0;
    /// The launcher has not been seen for long. If it comes back, it says so, and this becomes [`FOR_GOOD`].
    pub const ALONE: u32 = 1;
    /// For good: there were too many defects, or the ring is not to be believed.
    pub const FOR_GOOD: u32 = 2;
}

/// Defects after which the engine switches itself off.
pub const MAX_CAUGHT: u64 = 100;

impl Control {
    /// Counts what nothing came of; there is no counter for nothing to do.
    #[inline(always)]
    pub fn count(&self, missed: u32) {
        if let Some(count) = self.missed.get(missed as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What nothing came of.
    #[must_use]
    pub fn missed(&self) -> [u64; COUNTED as usize] {
        self.missed.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Counts an operation of this [`kind`] that was not sampled and took `duration` nanoseconds.
    #[inline(always)]
    pub fn count_unsampled(&self, kind: u32, duration: u64) {
        if let Some([sum, counts @ ..]) = self.unsampled.get(kind as usize) {
            sum.fetch_add(duration, Ordering::Relaxed);
            if let Some(count) = counts.get(bucket(duration) as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Operations that were not sampled.
    #[must_use]
    pub fn unsampled(&self) -> [Durations; kind::COUNT as usize] {
        self.unsampled.each_ref().map(|[sum, counts @ ..]| {
            let mut durations = Durations { sum: sum.load(Ordering::Relaxed), ..NO_DURATIONS };
            for (count, found) in durations.counts.iter_mut().zip(counts) {
                *count = found.load(Ordering::Relaxed);
            }
            durations
        })
    }
}

/// Bytes that are mapped for the head.
pub const CONTROL_BYTES: usize = 4_096;

const _: () = assert!(size_of::<Control>() <= CONTROL_BYTES);
