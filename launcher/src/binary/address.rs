//! The two kinds of address a binary has, so that one is never taken for the other.

use std::fmt;

use serde::Serialize;

/// An address as the file states it, before the kernel adds a load bias (zero unless the file is a PIE).
///
/// Address in the process = `VirtAddr` + (`AT_ENTRY` of the process − [`elf_entry`](super::GoBinary::elf_entry)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct VirtAddr(pub u64);

/// A byte position in the file: what a uprobe is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FileOffset(pub u64);

impl VirtAddr {
    /// The address `bytes` further on, or `None` where the address space ends.
    #[must_use]
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }

    /// How many bytes `self` lies behind `start`, or `None` if it lies before it.
    #[must_use]
    pub fn distance_from(self, start: Self) -> Option<u64> {
        self.0.checked_sub(start.0)
    }
}

impl fmt::Display for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
