//! The program's memory by plain loads. Each has an entry in a table of faults: where nothing is mapped, the handler of the signal goes on
//! at the landing ([`super::signals`]).
//!
//! The only loads of foreign memory in this code, and the only store to it.

use core::arch::asm;
use core::mem::MaybeUninit;

use bpf::records::{MAX_TEXT, RecordBuffer};
use bpf::target::Memory;
use bytemuck::AnyBitPattern;

/// The memory of the process that this code runs in.
pub(super) struct OwnMemory;

/// An entry of the table: if the first label faults, the second is where it goes on.
macro_rules! fault {
    ($faulting:literal, $landing:literal) => {
        concat!(".pushsection .faults, \"a\"\n", ".long ", $faulting, " - .\n", ".long ", $landing, " - .\n", ".popsection")
    };
}

/// Copies `length` bytes from `from`, which may be anywhere, to `to`. False where something is not mapped; what was copied so far stays.
///
/// # Safety
/// `length` bytes at `to` may be written.
#[inline(always)]
unsafe fn copy(from: u64, to: *mut u8, length: usize) -> bool {
    let failed: u64;
    // SAFETY: writes `length` bytes to `to`. A load that faults goes on at the end, with `failed` still 1; the direction of the stack and
    // flags are as Rust wants them.
    unsafe {
        asm!(
            "2: sub {length}, 8",
            "jb 4f",
            "3: mov {word}, [{from}]",
            "mov [{to}], {word}",
            "add {from}, 8",
            "add {to}, 8",
            "jmp 2b",
            "4: add {length}, 8",
            "je 6f",
            "5: movzx {word:e}, byte ptr [{from}]",
            "mov [{to}], {word:l}",
            "inc {from}",
            "inc {to}",
            "dec {length}",
            "jne 5b",
            "6: xor {failed:e}, {failed:e}",
            "7:",
            fault!("3b", "7b"),
            fault!("5b", "7b"),
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            length = inout(reg) length => _,
            word = out(reg) _,
            failed = inout(reg) 1_u64 => failed,
            options(nostack),
        );
    }
    failed == 0
}

impl OwnMemory {
    /// Writes `bytes` to the process's memory; false where that is not mapped, or not writable. What was written so far stays.
    pub(super) fn store(address: u64, bytes: &[u8]) -> bool {
        let failed: u64;
        // SAFETY: reads `bytes`, and writes as many to memory that the caller has found to be the program's own, which no Rust object is in. A
        // store that faults goes on at the end, with `failed` still 1.
        unsafe {
            asm!(
                "2: sub {length}, 1",
                "jb 4f",
                "movzx {byte:e}, byte ptr [{from}]",
                "3: mov [{to}], {byte:l}",
                "inc {from}",
                "inc {to}",
                "jmp 2b",
                "4: xor {failed:e}, {failed:e}",
                "5:",
                fault!("3b", "5b"),
                from = inout(reg) bytes.as_ptr() => _,
                to = inout(reg) address => _,
                length = inout(reg) bytes.len() => _,
                byte = out(reg) _,
                failed = inout(reg) 1_u64 => failed,
                options(nostack),
            );
        }
        failed == 0
    }
}

/// The word at `address`, and whether it could be read; else 0.
#[inline(always)]
fn word(address: u64) -> (u64, bool) {
    let (value, failed): (u64, u64);
    // SAFETY: reads memory that no Rust object is in. A load that faults goes on at the end.
    unsafe {
        asm!(
            "2: mov {value}, [{address}]",
            "xor {failed:e}, {failed:e}",
            "3:",
            fault!("2b", "3b"),
            address = in(reg) address,
            value = inout(reg) 0_u64 => value,
            failed = inout(reg) 1_u64 => failed,
            options(nostack, readonly),
        );
    }
    (value, failed == 0)
}

/// The same of a half word.
#[inline(always)]
fn half(address: u64) -> (u32, bool) {
    let (value, failed): (u32, u64);
    // SAFETY: as above.
    unsafe {
        asm!(
            "2: mov {value:e}, [{address}]",
            "xor {failed:e}, {failed:e}",
            "3:",
            fault!("2b", "3b"),
            address = in(reg) address,
            value = inout(reg) 0_u32 => value,
            failed = inout(reg) 1_u64 => failed,
            options(nostack, readonly),
        );
    }
    (value, failed == 0)
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
