//! Fields of a Go struct whose first words have been read at once.

use crate::go::string::GoString;
use crate::target::Memory;

/// The first words of what an interface holds at `data`; zeros where there is nothing.
///
/// Read word by word: a value may have fewer, and be the last thing on a page behind which nothing is resident. An
/// `errors.errorString` has two.
#[inline(always)]
pub fn held<M: Memory>(memory: &M, data: u64) -> [u64; 3] {
    [0, 8, 16].map(|offset: u64| memory.read_or_zero(data.wrapping_add(offset)))
}

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
