//! Fields of a Go struct whose first words have been read at once.

use crate::go::string::GoString;

/// The word at `offset`, in bytes; 0 beyond what was read.
#[inline(always)]
#[must_use]
pub fn word(words: &[u64], offset: u32) -> u64 {
    words.get((offset / 8) as usize).copied().unwrap_or(0)
}

/// The string header at `offset`, in bytes; no string beyond what was read.
#[inline(always)]
#[must_use]
pub fn string(words: &[u64], offset: u32) -> GoString {
    GoString { address: word(words, offset), length: word(words, offset + 8) }
}
