//! x86-64: what cannot be said in Rust.

mod clock;
mod entry;
mod loads;

pub(super) use clock::{call_function, counter};
pub(super) use entry::{Saved, is_recording};
#[cfg(feature = "planted")]
pub(super) use loads::load_anywhere;
pub(super) use loads::{copy, half, store, word};

/// Places in `ucontext_t`, in words (`arch/x86/include/uapi/asm/sigcontext.h`).
pub(super) mod context {
    pub(in super::super) const RBP: usize = 15;
    pub(in super::super) const SP: usize = 20;
    pub(in super::super) const PC: usize = 21;
    /// What is shown of a site: RIP, RSP, RBP.
    pub(in super::super) const SHOWN: [usize; 3] = [PC, SP, RBP];
    /// Words that are looked at.
    pub(in super::super) const WORDS: usize = PC + 1;
}

/// Whether the processor raises the signal for an instruction that it does not execute.
pub(super) const fn is_fault(signal: u32) -> bool {
    use super::signals::{SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    matches!(signal, SIGSEGV | SIGBUS | SIGILL | SIGFPE)
}

/// Leaves the hit: the handler of the signal that this raises goes back to the thunk.
#[inline(always)]
pub(crate) fn abort() -> ! {
    // SAFETY: it does not return; the handler finds the frame of the hit.
    unsafe { core::arch::asm!("ud2", options(noreturn, nostack)) }
}

/// `FUTEX_WAKE` (`linux/futex.h`).
const FUTEX_WAKE: u64 = 1;

/// Wakes one that waits for the word by futex(2).
pub(super) fn wake_one(word: *const u32) {
    const FUTEX: u64 = 202;
    // SAFETY: the call reads the address as a number and changes no memory.
    unsafe {
        core::arch::asm!(
            "syscall",
            inout("rax") FUTEX => _,
            in("rdi") word,
            in("rsi") FUTEX_WAKE,
            in("rdx") 1_u64,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
}
