//! The program's memory by plain loads. Each has an entry in a table of faults: where nothing is mapped, the handler of the signal goes on
//! at the landing ([`super::signals`]).
//!
//! The only loads of foreign memory in this code, and the only store to it.

use core::mem::MaybeUninit;

use bpf::records::{MAX_TEXT, RecordBuffer};
use bpf::target::Memory;
use bytemuck::AnyBitPattern;

use super::machine::{copy, half, word};

/// The memory of the process that this code runs in.
pub(super) struct OwnMemory;

impl OwnMemory {
    /// Writes `bytes` to the process's memory; false where that is not mapped, or not writable. What was written so far stays.
    pub(super) fn store(address: u64, bytes: &[u8]) -> bool {
        super::machine::store(address, bytes)
    }
}

/// Any value at `address`, and whether it could be read; else zeros.
#[inline(always)]
fn any<T: AnyBitPattern>(address: u64) -> (T, bool) {
    let mut value = MaybeUninit::<T>::uninit();
    let is_read = match size_of::<T>() {
        8 => {
            let (word, is_read) = word(address);
            // SAFETY: it has so many bytes.
            unsafe { value.as_mut_ptr().cast::<u64>().write_unaligned(word) };
            is_read
        }
        4 => {
            let (half, is_read) = half(address);
            // SAFETY: as above.
            unsafe { value.as_mut_ptr().cast::<u32>().write_unaligned(half) };
            is_read
        }
        size => {
            // SAFETY: so many bytes may be written.
            let is_read = unsafe { copy(address, value.as_mut_ptr().cast(), size) };
            if !is_read {
                value = MaybeUninit::zeroed();
            }
            is_read
        }
    };
    // SAFETY: all bytes are written, and any bytes are a valid `T` (`AnyBitPattern`).
    (unsafe { value.assume_init() }, is_read)
}

impl Memory for OwnMemory {
    #[inline(always)]
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        let (value, is_read) = any(address);
        is_read.then_some(value)
    }

    #[inline(always)]
    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        any(address).0
    }

    #[inline(always)]
    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        // SAFETY: at most the size of the words.
        unsafe { copy(address, words.as_mut_ptr().cast(), (length as usize).min(N * 8)) }
    }

    #[inline(always)]
    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        // SAFETY: so many bytes may be written.
        let is_read = unsafe { copy(address, value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: all bytes were written, and any bytes are a valid `T` (`AnyBitPattern`).
        is_read.then(|| unsafe { value.assume_init_ref() })
    }

    #[inline(always)]
    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        // SAFETY: at most the size of the bytes.
        unsafe { copy(address, bytes.as_mut_ptr(), (length as usize).min(N)) }
    }

    #[inline(always)]
    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool {
        // No record is so long that anything is cut.
        let at = (record.length as usize).min(size_of_val(&record.bytes) - MAX_TEXT);
        // SAFETY: `at + MAX_TEXT` bytes lie within the record, and the length is at most `MAX_TEXT`.
        unsafe { copy(address, record.bytes.as_mut_ptr().add(at), (length as usize).min(MAX_TEXT)) }
    }

    #[inline(always)]
    fn opaque(&self, value: u64) -> u64 {
        value
    }
}
