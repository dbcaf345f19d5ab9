//! Loads and stores that may fault, each with an entry in the table of faults. arm64.

use core::arch::asm;

/// Copies `length` bytes from `from`, which may be anywhere, to `to`. False where something is not mapped; what was copied so far stays.
///
/// # Safety
/// `length` bytes at `to` may be written.
#[inline(always)]
pub(in super::super) unsafe fn copy(from: u64, to: *mut u8, length: usize) -> bool {
    let failed: u64;
    // SAFETY: writes `length` bytes to `to`. A load that faults goes on at the end, with `failed` still 1.
    unsafe {
        asm!(
            "2: subs {length}, {length}, #8",
            "b.lo 4f",
            "3: ldr {word}, [{from}]",
            "add {from}, {from}, #8",
            "str {word}, [{to}], #8",
            "b 2b",
            "4: adds {length}, {length}, #8",
            "b.eq 6f",
            "5: ldrb {word:w}, [{from}]",
            "add {from}, {from}, #1",
            "strb {word:w}, [{to}], #1",
            "subs {length}, {length}, #1",
            "b.ne 5b",
            "6: mov {failed}, xzr",
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

/// Writes `bytes` to the process's memory; false where that is not mapped, or not writable. What was written so far stays.
pub(in super::super) fn store(address: u64, bytes: &[u8]) -> bool {
    let failed: u64;
    // SAFETY: reads `bytes`, and writes as many to memory that the caller has found to be the program's own, which no Rust object is in. A
    // store that faults goes on at the end, with `failed` still 1.
    unsafe {
        asm!(
            "2: subs {length}, {length}, #1",
            "b.lo 4f",
            "ldrb {byte:w}, [{from}], #1",
            "3: strb {byte:w}, [{to}]",
            "add {to}, {to}, #1",
            "b 2b",
            "4: mov {failed}, xzr",
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

/// The word at `address`, and whether it could be read; else 0.
#[inline(always)]
pub(in super::super) fn word(address: u64) -> (u64, bool) {
    let (value, failed): (u64, u64);
    // SAFETY: reads memory that no Rust object is in. A load that faults goes on at the end.
    unsafe {
        asm!(
            "2: ldr {value}, [{address}]",
            "mov {failed}, xzr",
            "3:",
            fault!("2b", "3b"),
            address = in(reg) address,
            value = inout(reg) 0_u64 => value,
            failed = inout(reg) 1_u64 => failed,
            options(nostack, readonly, preserves_flags),
        );
    }
    (value, failed == 0)
}

/// The same of a half word.
#[inline(always)]
pub(in super::super) fn half(address: u64) -> (u32, bool) {
    let (value, failed): (u32, u64);
    // SAFETY: as above.
    unsafe {
        asm!(
            "2: ldr {value:w}, [{address}]",
            "mov {failed}, xzr",
            "3:",
            fault!("2b", "3b"),
            address = in(reg) address,
            value = inout(reg) 0_u32 => value,
            failed = inout(reg) 1_u64 => failed,
            options(nostack, readonly, preserves_flags),
        );
    }
    (value, failed == 0)
}

/// A load with no entry in the table of faults.
///
/// # Safety
/// None: tests plant it.
#[cfg(feature = "planted")]
pub(in super::super) unsafe fn load_anywhere(address: u64) {
    // SAFETY: the caller's contract.
    unsafe { asm!("ldr {word}, [{word}]", word = inout(reg) address => _, options(nostack, readonly)) };
}
