//! Records from the program to the launcher: many producers, none of which waits, and one consumer.
//!
//! A producer moves the common position by compare-and-swap, notes in the header how much it has got, fills it, and says so in the header; the
//! consumer looks at headers only. What it has taken it fills with zeros before it gives the room back: so a header is zero until its record is there, and
//! the old bytes of one record are never taken for the header of another. The memory is mapped twice, one behind the other: no record
//! wraps.

mod consumer;

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::control::Control;

pub use consumer::Consumer;

/// Bytes of the ring: what a program at 50,000 requests a second writes in two seconds. Pages that no record has touched take no
/// memory.
pub const RING_BYTES: usize = 32 << 20;
/// Where the launcher finds nothing left and records have come beyond this, it sends producers back to the beginning, so that the ring takes as
/// little memory as records need.
const LOW_BYTES: u64 = 1 << 20;
/// What stands before each record, and what its size is rounded up to.
pub const HEADER: usize = 8;
/// Bytes of the longest record.
pub const MAX_RECORD: usize = size_of::<bpf::records::RecordBuffer>() - 8;
/// Bit of a header: the record is there.
const COMMITTED: u64 = 1 << 32;
/// Bit of a header: the record was given up.
const GIVEN_UP: u64 = 1 << 33;
/// Attempts to get room, against others that do so at the same time.
const TRIES: usize = 1_000;

/// The ring, in the memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'m> {
    control: &'m Control,
    /// The first of `2 * size / 8` words.
    data: *const AtomicU64,
    /// A power of two.
    size: usize,
}

// SAFETY: an address of atomic words, which all threads may use (`new`).
unsafe impl Send for Ring<'_> {}
// SAFETY: as above.
unsafe impl Sync for Ring<'_> {}

/// Room for a record that is nobody else's until it is committed.
#[derive(Debug)]
pub struct Reserved<'m> {
    /// The address of a word of the ring, behind which the record is.
    header: *const AtomicU64,
    ring: PhantomData<&'m AtomicU64>,
    size: usize,
    /// The record has crossed the middle of the ring: the launcher is to be woken.
    pub is_half_full: bool,
}

/// What stands in the ring is no record: the program has written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The header that was found.
    pub header: u64,
}

impl<'m> Ring<'m> {
    /// The ring at `data`.
    ///
    /// # Safety
    /// `data` is aligned by 8; `2 * size` bytes are mapped there, writable, for as long as `'m`, of which the second half is the
    /// first half once more. `size` is a power of two, and only rings touch them.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn new(control: &'m Control, data: *const AtomicU64, size: usize) -> Self {
        Self { control, data, size }
    }

    /// The address of the word at a position, behind which a record may be.
    #[inline(always)]
    fn address(&self, position: u64) -> *const AtomicU64 {
        #[expect(clippy::cast_possible_truncation, reason = "cut to the size")]
        let at = (position as usize & (self.size - 1)) / 8;
        // SAFETY: below the size, within what is mapped (`new`).
        unsafe { self.data.add(at) }
    }

    /// The word at a position.
    #[inline(always)]
    fn word(&self, position: u64) -> &'m AtomicU64 {
        // SAFETY: mapped for as long as `'m`, and atomic (`new`).
        unsafe { &*self.address(position) }
    }

    /// The word with this number behind a position, without wrapping: the memory goes on.
    fn behind(&self, position: u64, word: usize) -> &'m AtomicU64 {
        // SAFETY: of a record, which is shorter than the second half.
        unsafe { &*self.address(position).add(word) }
    }

    /// Room for a record of so many bytes, at most [`MAX_RECORD`]; `None` where the ring is full.
    #[inline(always)]
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> Option<Reserved<'m>> {
        let size = bytes.min(MAX_RECORD);
        let taken = (HEADER + size.next_multiple_of(HEADER)) as u64;
        let Control { producer, consumer, .. } = self.control;
        let mut begin = producer.0.load(Ordering::Relaxed);
        for _ in 0..TRIES {
            let used = begin.wrapping_sub(consumer.0.load(Ordering::Acquire));
            let all = self.size as u64;
            if used > all {
                // The launcher has sent producers on in between (`Consumer::rewind`).
                begin = producer.0.load(Ordering::Relaxed);
                continue;
            }
            if used + taken > all {
                return None;
            }
            match producer.0.compare_exchange_weak(begin, begin.wrapping_add(taken), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    let is_half_full = used < all / 2 && used + taken >= all / 2;
                    // By this a record is passed over whose producer is killed before it is there. (If that is before this, what stands behind
                    // it is found by its zeros.)
                    self.word(begin).store(size as u64, Ordering::Relaxed);
                    return Some(Reserved { header: self.address(begin), ring: PhantomData, size, is_half_full });
                }
                Err(other) => begin = other,
            }
        }
        None
    }
}

impl Reserved<'_> {
    /// The address of the record's header, by which it can be given up.
    #[must_use]
    #[inline(always)]
    pub fn address(&self) -> u64 {
        self.header as u64
    }

    /// Fills the record from `bytes`, of which it takes as many as were reserved, and hands it over.
    #[inline(always)]
    pub fn commit(self, bytes: &[u8]) {
        let Self { header, ring: _, size, is_half_full: _ } = self;
        let length = size.min(bytes.len());
        // SAFETY: so many bytes behind the header were reserved, are mapped, and are nobody else's; `bytes` has as many. The header is a
        // word of the ring.
        unsafe {
            let record = header.add(1).cast::<u8>().cast_mut();
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), record, length);
            (*header).store(size as u64 | COMMITTED, Ordering::Release);
        }
    }
}

/// Gives up the record with the header at `address`, whose size was reserved: the consumer passes over it.
///
/// # Safety
/// `address` is that of a [`Reserved`] of this process that has not been committed.
#[inline(always)]
pub unsafe fn give_up(address: u64, size: u64) {
    // SAFETY: a word of the ring (the caller's contract).
    unsafe { (*(address as *const AtomicU64)).store(size | COMMITTED | GIVEN_UP, Ordering::Release) };
}

#[cfg(test)]
mod tests;
