//! arm64: what cannot be said in Rust.
//!
//! The runtime's handler of signals finds the goroutine in R28 and nowhere else, unless the program has C code: so nothing here, and
//! nothing that is compiled, ever changes that register (`launcher/build.rs`, `reserve-x28`).

mod entry;
mod loads;

pub(super) use entry::{Saved, is_recording};
#[cfg(feature = "planted")]
pub(super) use loads::load_anywhere;
pub(super) use loads::{copy, half, store, word};

/// Places in `ucontext_t`, in words (`arch/arm64/include/uapi/asm/sigcontext.h`, behind 176 bytes).
pub(super) mod context {
    /// R0.
    const REGISTERS: usize = 23;
    const FP: usize = REGISTERS + 29;
    const LR: usize = REGISTERS + 30;
    pub(in super::super) const SP: usize = REGISTERS + 31;
    pub(in super::super) const PC: usize = REGISTERS + 32;
    /// What is shown of a site: PC, SP, and the registers of the frame and of the return address.
    pub(in super::super) const SHOWN: [usize; 4] = [PC, SP, FP, LR];
    /// Words that are looked at.
    pub(in super::super) const WORDS: usize = PC + 1;
}

/// Whether the processor raises the signal for an instruction that it does not execute: `BRK` too, which the compiler has for what cannot
/// be.
pub(super) const fn is_fault(signal: u32) -> bool {
    use super::signals::{SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    const SIGTRAP: u32 = 5;
    matches!(signal, SIGSEGV | SIGBUS | SIGILL | SIGFPE | SIGTRAP)
}

/// Leaves the hit: the handler of the signal that this raises goes back to the thunk.
#[inline(always)]
pub(crate) fn abort() -> ! {
    // SAFETY: it does not return; the handler finds the frame of the hit.
    unsafe { core::arch::asm!("udf #0", options(noreturn, nostack)) }
}

/// The counter that the kernel tells the time by.
#[inline(always)]
pub(super) fn counter() -> u64 {
    let count: u64;
    // SAFETY: the kernel lets programs read it, or reads it for them. Reading changes nothing.
    unsafe { core::arch::asm!("mrs {count}, cntvct_el0", count = out(reg) count, options(nomem, nostack, preserves_flags)) };
    count
}

/// There is no kernel without the counter, and the launcher names no function.
pub(super) fn call_function(_function: u64, _time: &mut [u64; 2]) {}

/// `FUTEX_WAKE` (`linux/futex.h`).
const FUTEX_WAKE: u64 = 1;

/// Wakes one that waits for the word by futex(2).
pub(super) fn wake_one(word: *const u32) {
    const FUTEX: u64 = 98;
    // SAFETY: the call reads the address as a number and changes no memory.
    unsafe {
        core::arch::asm!(
            "svc #0",
            in("x8") FUTEX,
            inout("x0") word => _,
            in("x1") FUTEX_WAKE,
            in("x2") 1_u64,
            options(nostack),
        );
    }
}
