//! The ring buffer, read in batches: on a wake-up from the kernel (a backlog) or when the caller's timer says so.

use std::os::fd::{AsRawFd as _, RawFd};
use std::task::{Context, Poll};

use aya::maps::{Array, MapData, RingBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::decode::{DecodeError, Record, decode};

/// The reading end.
pub struct Ring {
    /// Declared first, so that it is deregistered before the map that owns its descriptor is closed.
    readiness: AsyncFd<RawFd>,
    records: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    /// Items that were no record.
    invalid: u64,
    /// What was wrong with the first of them.
    first_invalid: Option<DecodeError>,
}

/// What the kernel or the reader had to leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Records that found the ring buffer full.
    pub full: u64,
    /// Items that were no record.
    pub invalid: u64,
}

impl Ring {
    /// Takes over the two maps. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the descriptor cannot be registered with the runtime.
    pub fn new(records: RingBuf<MapData>, lost: Array<MapData, u64>) -> std::io::Result<Self> {
        let descriptor = records.as_raw_fd();
        // SAFETY: the descriptor stays open and the same as long as `records` lives, and `readiness` is dropped before it
        // (field order).
        let readiness =
            unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(std::io::Error::from)?;
        Ok(Self { readiness, records, lost, invalid: 0, first_invalid: None })
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

    /// Hands every record present to `use_record`.
    pub fn drain(&mut self, mut use_record: impl FnMut(Record<'_>)) {
        while let Some(item) = self.records.next() {
            match decode(&item) {
                Ok(record) => use_record(record),
                Err(error) => {
                    self.invalid += 1;
                    self.first_invalid.get_or_insert(error);
                }
            }
        }
    }

    /// What was left out so far, and the first reason why an item was no record.
    #[must_use]
    pub fn losses(&self) -> (Losses, Option<&DecodeError>) {
        let full = self.lost.get(&0, 0).unwrap_or_default();
        (Losses { full, invalid: self.invalid }, self.first_invalid.as_ref())
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { readiness, records: _, lost: _, invalid, first_invalid } = self;
        f.debug_struct("Ring")
            .field("readiness", readiness)
            .field("invalid", invalid)
            .field("first_invalid", first_invalid)
            .finish_non_exhaustive()
    }
}
