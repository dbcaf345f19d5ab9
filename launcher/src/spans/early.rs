//! Ends that came before the function had returned in which an operation began, until it does.

use std::collections::HashMap;

use super::MAX_REMEMBERED;
use super::values::Values;

/// How long a function may take to return whose operation has ended before, in nanoseconds.
const RETURNS_WITHIN: u64 = 1_000_000_000;

/// How an operation has ended, of which its object alone was known.
#[derive(Debug)]
pub(super) struct EarlyEnd {
    /// What was captured.
    pub(super) values: Values,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub(super) time: u64,
}

/// Those of objects of which no operation was known, by their addresses.
#[derive(Debug, Default)]
pub(super) struct EarlyEnds {
    of: HashMap<u64, EarlyEnd>,
}

impl EarlyEnds {
    /// An object has ended.
    pub(super) fn insert(&mut self, object: u64, end: EarlyEnd) {
        if self.of.len() >= MAX_REMEMBERED {
            // Of operations that are none, or not sampled: else their functions have returned by now.
            self.of.retain(|_object, one| one.time + RETURNS_WITHIN > end.time);
        }
        self.of.insert(object, end);
    }

    /// The end of an object whose operation began at `started`; an earlier one is of another that was at this address.
    pub(super) fn take(&mut self, object: u64, started: u64) -> Option<EarlyEnd> {
        self.of.remove(&object).filter(|end| end.time >= started)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}
