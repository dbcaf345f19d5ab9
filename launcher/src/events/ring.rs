//! The ring buffer, read in batches: on a wake-up from the kernel (a backlog) or when the caller's timer says so.

use std::os::fd::{AsRawFd as _, RawFd};
use std::task::{Context, Poll};

use aya::maps::{Array, MapData, RingBuf};
use bpf::missed::COUNTED;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::decode::{DecodeError, Record, decode};

/// Bytes that are taken in one turn: what the kernel calls a backlog. In between, exporters and timers have theirs.
pub const TURN: usize = 512 << 10;
/// Bytes that hold all that was there when the taking began, even if a producer keeps up.
pub const ALL: usize = bpf::records::RING_BYTES as usize;

/// The reading end.
pub struct Ring {
    /// Declared first, so that it is deregistered before the map that owns its descriptor is closed.
    readiness: AsyncFd<RawFd>,
    records: RingBuf<MapData>,
    missed: Array<MapData, u64>,
    /// Items that were no record.
    invalid: u64,
    /// What was wrong with the first of them.
    first_invalid: Option<DecodeError>,
}

impl Ring {
    /// Takes over the two maps. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the descriptor cannot be registered with the runtime.
    pub fn new(records: RingBuf<MapData>, missed: Array<MapData, u64>) -> std::io::Result<Self> {
        let descriptor = records.as_raw_fd();
        // SAFETY: the descriptor stays open and the same as long as `records` lives, and `readiness` is dropped before it
        // (field order).
        let readiness =
            unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(std::io::Error::from)?;
        Ok(Self { readiness, records, missed, invalid: 0, first_invalid: None })
    }

    /// Ready when the kernel reports a backlog. Only the context of the last call is woken.
    pub fn poll_backlog(&self, context: &mut Context<'_>) -> Poll<()> {
        self.readiness.poll_read_ready(context).map(|ready| {
            // An error means that the runtime is shutting down: then nobody waits.
            if let Ok(mut guard) = ready {
                guard.clear_ready();
            }
        })
    }

    /// Hands the records present to `use_record`, until they are `bytes` long ([`TURN`], [`ALL`]). Returns whether there may be
    /// more.
    pub fn drain(&mut self, bytes: usize, mut use_record: impl FnMut(Record<'_>)) -> bool {
        let Self { readiness: _, records, missed: _, invalid, first_invalid } = self;
        take(records, bytes, |item| match decode(item) {
            Ok(record) => use_record(record),
            Err(error) => {
                *invalid += 1;
                first_invalid.get_or_insert(error);
            }
        })
    }

    /// Items that were no record, and what was wrong with the first of them.
    #[must_use]
    pub fn invalid(&self) -> (u64, Option<&DecodeError>) {
        (self.invalid, self.first_invalid.as_ref())
    }

    /// What nothing came of in the kernel, by [`bpf::missed::Missed`]; `None` where that cannot be read.
    #[must_use]
    pub fn missed(&self) -> Option<[u64; COUNTED as usize]> {
        let mut counts = [0; COUNTED as usize];
        for (index, count) in (0..COUNTED).zip(&mut counts) {
            *count = self.missed.get(&index, 0).ok()?;
        }
        Some(counts)
    }
}

/// What items come from.
trait Items {
    /// Hands the next item over; `false` if there is none.
    fn next_item(&mut self, use_item: &mut impl FnMut(&[u8])) -> bool;
}

impl Items for RingBuf<MapData> {
    fn next_item(&mut self, use_item: &mut impl FnMut(&[u8])) -> bool {
        self.next().map(|item| use_item(&item)).is_some()
    }
}

/// Takes items until there is none, or until they have taken up `bytes` of the ring buffer: a producer may be faster than we are.
/// Returns whether there may be more.
fn take(items: &mut impl Items, bytes: usize, mut use_item: impl FnMut(&[u8])) -> bool {
    let mut taken = 0;
    while taken < bytes {
        let there_was = items.next_item(&mut |item| {
            taken += HEADER + item.len().next_multiple_of(HEADER);
            use_item(item);
        });
        if !there_was {
            return false;
        }
    }
    true
}

/// What stands before each item, and what its size is rounded up to (`BPF_RINGBUF_HDR_SZ`, `kernel/bpf/ringbuf.c`).
const HEADER: usize = 8;

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { readiness, records: _, missed: _, invalid, first_invalid } = self;
        f.debug_struct("Ring")
            .field("readiness", readiness)
            .field("invalid", invalid)
            .field("first_invalid", first_invalid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has another item whenever it is asked.
    struct KeepsUp(usize);

    impl Items for KeepsUp {
        fn next_item(&mut self, use_item: &mut impl FnMut(&[u8])) -> bool {
            self.0 += 1;
            use_item(&[0; 250]);
            true
        }
    }

    #[test]
    fn a_producer_that_keeps_up_does_not_keep_us() {
        let mut producer = KeepsUp(0);
        let mut seen = 0;
        assert!(take(&mut producer, TURN, |_| seen += 1));
        // 8 + 250, rounded up to 264.
        assert_eq!((producer.0, seen), (TURN.div_ceil(264), TURN.div_ceil(264)));
    }

    #[test]
    fn all_that_was_there_is_taken() {
        struct Left(usize);
        impl Items for Left {
            fn next_item(&mut self, use_item: &mut impl FnMut(&[u8])) -> bool {
                let there_is = self.0 > 0;
                if there_is {
                    self.0 -= 1;
                    use_item(&[0; 24]);
                }
                there_is
            }
        }
        let mut full = Left(ALL / 32);
        assert!(take(&mut full, ALL, |_| ()), "there may be more");
        assert_eq!(full.0, 0);
        assert!(!take(&mut full, ALL, |_| ()));
    }
}
