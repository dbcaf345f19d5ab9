//! The time stamp counter, and the kernel's function for the time. x86-64.

use core::arch::asm;
use core::arch::x86_64::_rdtsc;

/// The counter. Where the kernel does not use it, there is a function.
#[inline(always)]
pub(in super::super) fn counter() -> u64 {
    // SAFETY: every processor has the instruction.
    unsafe { _rdtsc() }
}

/// `CLOCK_BOOTTIME` (`linux/time.h`).
const BOOT_TIME: u64 = 7;

/// Calls `__vdso_clock_gettime`, which the compiler of the kernel may have given vector registers: those that it may change by the ABI of
/// C are kept.
#[inline(always)]
pub(in super::super) fn call_function(function: u64, time: &mut [u64; 2]) {
    // SAFETY: the function takes the number of a clock and room for a `timespec`, and follows the ABI of C; the stack is that of the
    // thread, which has room for it.
    unsafe {
        asm!(
            "mov r12, rsp",
            "sub rsp, 256",
            "and rsp, -16",
            "movups [rsp], xmm0",
            "movups [rsp + 16], xmm1",
            "movups [rsp + 32], xmm2",
            "movups [rsp + 48], xmm3",
            "movups [rsp + 64], xmm4",
            "movups [rsp + 80], xmm5",
            "movups [rsp + 96], xmm6",
            "movups [rsp + 112], xmm7",
            "movups [rsp + 128], xmm8",
            "movups [rsp + 144], xmm9",
            "movups [rsp + 160], xmm10",
            "movups [rsp + 176], xmm11",
            "movups [rsp + 192], xmm12",
            "movups [rsp + 208], xmm13",
            "movups [rsp + 224], xmm14",
            "movups [rsp + 240], xmm15",
            "call {function}",
            "movups xmm0, [rsp]",
            "movups xmm1, [rsp + 16]",
            "movups xmm2, [rsp + 32]",
            "movups xmm3, [rsp + 48]",
            "movups xmm4, [rsp + 64]",
            "movups xmm5, [rsp + 80]",
            "movups xmm6, [rsp + 96]",
            "movups xmm7, [rsp + 112]",
            "movups xmm8, [rsp + 128]",
            "movups xmm9, [rsp + 144]",
            "movups xmm10, [rsp + 160]",
            "movups xmm11, [rsp + 176]",
            "movups xmm12, [rsp + 192]",
            "movups xmm13, [rsp + 208]",
            "movups xmm14, [rsp + 224]",
            "movups xmm15, [rsp + 240]",
            "mov rsp, r12",
            function = in(reg) function,
            inout("rdi") BOOT_TIME => _,
            inout("rsi") time.as_mut_ptr() => _,
            out("rax") _, out("rcx") _, out("rdx") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _,
        );
    }
}
