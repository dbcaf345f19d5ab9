//! What an engine reports, read in batches: when it says that there is a backlog, or when the caller's timer says so.

use std::os::fd::{AsRawFd as _, RawFd};
use std::task::{Context, Poll};

use bpf::missed::COUNTED;
use bpf::trace::operation::kind;
use bpf::trace::unsampled::Durations;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::decode::{DecodeError, Record, decode};
use crate::engine::Records;

/// Bytes that are taken in one turn. In between, exporters and timers have theirs.
pub const TURN: usize = 256 << 10;

/// The reading end.
#[derive(Debug)]
pub struct Ring {
    /// Declared first, so that it is deregistered before the descriptor is closed.
    readiness: AsyncFd<RawFd>,
    records: Box<dyn Records>,
    /// Items that were no record.
    invalid: u64,
    /// What was wrong with the first of them.
    first_invalid: Option<DecodeError>,
}

impl Ring {
    /// Takes over what is reported. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the descriptor cannot be registered with the runtime.
    pub fn new(records: Box<dyn Records>) -> std::io::Result<Self> {
        let descriptor = records.backlog().as_raw_fd();
        // SAFETY: the descriptor stays open and the same as long as `records` lives, and `readiness` is dropped before it
        // (field order).
        let readiness =
            unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(std::io::Error::from)?;
        Ok(Self { readiness, records, invalid: 0, first_invalid: None })
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

    /// Bytes that hold all that is there now, even if a producer keeps up.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.records.capacity()
    }

    /// The program has ended.
    pub fn end(&mut self) {
        self.records.end();
    }

    /// Hands the records present to `use_record`, until they are `bytes` long ([`TURN`], [`Self::capacity`]). Returns whether there may be
    /// more.
    pub fn drain(&mut self, bytes: usize, mut use_record: impl FnMut(Record<'_>)) -> bool {
        let Self { readiness: _, records, invalid, first_invalid } = self;
        take(records.as_mut(), bytes, |item| match decode(item) {
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

    /// What nothing came of, by [`bpf::missed::Missed`]; `None` where that cannot be read.
    #[must_use]
    pub fn missed(&self) -> Option<[u64; COUNTED as usize]> {
        self.records.missed()
    }

    /// Operations that were not sampled, by [`kind`]; `None` where that cannot be read.
    #[must_use]
    pub fn unsampled(&self) -> Option<[Durations; kind::COUNT as usize]> {
        self.records.unsampled()
    }
}

/// Takes items until there is none, or until they have taken up `bytes` of the ring buffer: a producer may be faster than we are.
/// Returns whether there may be more.
fn take(records: &mut dyn Records, bytes: usize, mut use_item: impl FnMut(&[u8])) -> bool {
    let mut taken = 0;
    while taken < bytes {
        let there_was = records.next(&mut |item| {
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

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;

    use super::*;

    const ALL: usize = 1 << 20;

    /// So many records of a size; none are waited for.
    #[derive(Debug)]
    struct Fake {
        left: usize,
        handed: usize,
        size: usize,
    }

    impl Records for Fake {
        fn next(&mut self, use_record: &mut dyn FnMut(&[u8])) -> bool {
            let there_is = self.left > 0;
            if there_is {
                self.left -= 1;
                self.handed += 1;
                use_record(&vec![0; self.size]);
            }
            there_is
        }

        fn capacity(&self) -> usize {
            ALL
        }

        fn backlog(&self) -> BorrowedFd<'_> {
            unreachable!("nobody waits")
        }

        fn missed(&self) -> Option<[u64; COUNTED as usize]> {
            None
        }

        fn unsampled(&self) -> Option<[Durations; kind::COUNT as usize]> {
            None
        }
    }

    #[test]
    fn a_producer_that_keeps_up_does_not_keep_us() {
        let mut producer = Fake { left: usize::MAX, handed: 0, size: 250 };
        let mut seen = 0;
        assert!(take(&mut producer, TURN, |_| seen += 1));
        // 8 + 250, rounded up to 264.
        assert_eq!((producer.handed, seen), (TURN.div_ceil(264), TURN.div_ceil(264)));
    }

    #[test]
    fn all_that_was_there_is_taken() {
        let mut full = Fake { left: ALL / 32, handed: 0, size: 24 };
        assert!(take(&mut full, ALL, |_| ()), "there may be more");
        assert_eq!(full.left, 0);
        assert!(!take(&mut full, ALL, |_| ()));
    }
}
