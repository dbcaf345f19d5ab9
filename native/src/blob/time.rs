//! The time: by the time stamp counter, else by the kernel's function in the vDSO.

use core::arch::asm;
use core::arch::x86_64::_rdtsc;
use core::sync::atomic::Ordering;

use native::clock::STALE;
use native::control::disabled;
use native::state::{CALLS, Call};

use super::entry::Frame;
use super::{configuration, control, state};

/// Nanoseconds of `CLOCK_BOOTTIME`. `frame` is that of the hit.
#[inline(always)]
pub(super) fn now(frame: *const Frame) -> u64 {
    let line = control().clock.line();
    let time = match configuration().clock_gettime {
        // SAFETY: every processor has the instruction; where the kernel does not use the counter, there is a function.
        0 => line.time(unsafe { _rdtsc() }),
        function => by_function(function, frame),
    };
    look_at_launcher(time.wrapping_sub(line.time));
    time
}

/// The launcher sets the clock whenever it looks at the ring. If it has not for long it is dead, and nobody needs records.
#[inline(always)]
fn look_at_launcher(unseen: u64) {
    if unseen > STALE && unseen.cast_signed() > 0 {
        let _other = control().disabled.compare_exchange(disabled::NO, disabled::ALONE, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// `CLOCK_BOOTTIME` (`linux/time.h`).
const BOOT_TIME: u64 = 7;

/// The kernel's function is called from this stack: signals that arrive meanwhile are to find the hit. Nothing where there are too many.
fn begin_call(stack_pointer: u64, frame: *const Frame) -> Option<&'static Call> {
    // Stacks of threads are farther from each other.
    let call = state().calls.get((stack_pointer >> 13) as usize % CALLS)?;
    call.stack_pointer.compare_exchange(0, Call::TAKEN, Ordering::Acquire, Ordering::Relaxed).ok()?;
    call.frame.store(frame as u64, Ordering::Relaxed);
    call.stack_pointer.store(stack_pointer, Ordering::Release);
    Some(call)
}

/// The time by the kernel's function.
#[inline(never)]
fn by_function(function: u64, frame: *const Frame) -> u64 {
    let mut time = [0_u64; 2];
    let call = begin_call((&raw const time) as u64, frame);
    call_function(function, &mut time);
    if let Some(call) = call {
        call.stack_pointer.store(0, Ordering::Release);
    }
    let [seconds, nanoseconds] = time;
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

/// Calls `__vdso_clock_gettime`, which the compiler of the kernel may have given vector registers: those that it may change by the ABI of
/// C are kept.
#[inline(always)]
fn call_function(function: u64, time: &mut [u64; 2]) {
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
