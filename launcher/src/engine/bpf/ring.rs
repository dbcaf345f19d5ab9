//! The ring buffer and the counters, as the launcher reads them.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use bpf::missed::COUNTED;
use bpf::records::RING_BYTES;
use bpf::trace::operation::kind;
use bpf::trace::unsampled::{Durations, NO_DURATIONS};

use crate::engine::Records;

/// Words of [`Durations`].
pub(super) const DURATION_WORDS: usize = size_of::<Durations>() / 8;

/// The reading end.
pub struct RingRecords {
    pub(super) ring: RingBuf<MapData>,
    pub(super) missed: Array<MapData, u64>,
    pub(super) unsampled: PerCpuArray<MapData, [u64; DURATION_WORDS]>,
}

impl Records for RingRecords {
    fn next(&mut self, use_record: &mut dyn FnMut(&[u8])) -> bool {
        self.ring.next().map(|record| use_record(&record)).is_some()
    }

    fn capacity(&self) -> usize {
        RING_BYTES as usize
    }

    fn backlog(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring buffer owns the descriptor, and is borrowed as long as what is returned.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }

    fn missed(&self) -> Option<[u64; COUNTED as usize]> {
        let mut counts = [0; COUNTED as usize];
        for (index, count) in (0..COUNTED).zip(&mut counts) {
            *count = self.missed.get(&index, 0).ok()?;
        }
        Some(counts)
    }

    fn unsampled(&self) -> Option<[Durations; kind::COUNT as usize]> {
        let mut all = [NO_DURATIONS; kind::COUNT as usize];
        for (index, durations) in (0..kind::COUNT).zip(&mut all) {
            for [sum, counts @ ..] in self.unsampled.get(&index, 0).ok()?.iter() {
                durations.sum = durations.sum.wrapping_add(*sum);
                for (count, more) in durations.counts.iter_mut().zip(counts) {
                    *count = count.wrapping_add(*more);
                }
            }
        }
        Some(all)
    }
}

impl std::fmt::Debug for RingRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingRecords").finish_non_exhaustive()
    }
}
