//! Where thunks enter, and where `runtime.sigtramp` does: registers, stacks, and the way back. arm64.
//!
//! A thunk has its return address in R30 and the program's in R17, and the number of its site in R16: neither of the two holds anything
//! of the program's at a function's start, at a call, or at a return. The entry takes 288 bytes of the goroutine's stack. The two words
//! below the stack pointer are left alone: the frame pointer is saved there.

use core::mem::offset_of;

use bpf::go::abi::Registers;
use native::configuration::Configuration;

use super::super::entry::FRAME;

/// The registers at the thunk; what stands above them.
#[repr(C)]
pub(in super::super) struct Saved {
    /// R0 to R30; of R16 and R17 nothing.
    pub(in super::super) registers: [u64; 31],
    /// NZCV.
    pub(in super::super) flags: u64,
    /// Where `common` returns to.
    pub(in super::super) thunk: u64,
    /// The number that the thunk has given.
    pub(in super::super) number: u64,
}

/// What is left alone below a stack pointer of Go.
const BELOW: usize = 16;

impl Saved {
    /// The stack pointer at the thunk.
    #[inline(always)]
    fn stack_pointer(&self) -> u64 {
        core::ptr::from_ref(self) as u64 + (size_of::<Self>() + BELOW) as u64
    }

    /// The registers at a site that is so many bytes above the thunk's stack pointer.
    #[inline(always)]
    pub(in super::super) fn registers(&self, stack: u32) -> Registers {
        Registers { integers: self.registers, stack_pointer: self.stack_pointer() + u64::from(stack), flags: self.flags }
    }

    /// Makes the function whose start was hit return these; or, where `function` is not 0, puts that in its place, called with them.
    #[inline(always)]
    pub(in super::super) fn leave(&mut self, [first, second]: [u64; 2], function: u64) {
        unsafe extern "C" {
            static returned: [u8; 0];
            static replaced: [u8; 0];
        }
        self.registers[0] = first;
        self.registers[1] = second;
        if function == 0 {
            self.thunk = (&raw const returned) as u64;
        } else {
            self.thunk = (&raw const replaced) as u64;
            self.registers[2] = function;
        }
    }

    /// What is shown of a site ([`super::context::SHOWN`]).
    pub(in super::super) fn shown(&self, address: u64, stack: u32) -> [u64; 4] {
        [address, self.stack_pointer() + u64::from(stack), self.registers[29], self.registers[30]]
    }
}

const _: () = assert!(size_of::<Saved>() == 272 && offset_of!(Saved, flags) == 248 && offset_of!(Saved, thunk) == 256);

/// The address of the method by which spans that stand in for ours say that they are recorded.
#[inline(always)]
pub(in super::super) fn is_recording() -> u64 {
    unsafe extern "C" {
        static is_recording: [u8; 0];
    }
    (&raw const is_recording) as u64
}

core::arch::global_asm!(
    // The head: what the launcher looks for (`launcher/src/engine/native/blob.rs`).
    ".section .head, \"ax\"",
    "head:",
    ".long common - head",
    ".long hook - head",
    ".long CONFIGURATION - head",
    ".long {planted}",
    ".section .entry, \"ax\"",
    ".balign 64",
    "common:",
    "sub sp, sp, #{saved} + {below}",
    "stp x0, x1, [sp]",
    "mrs x0, nzcv",
    "str x0, [sp, #248]",
    "stp x30, x16, [sp, #256]",
    // Switched off, or in a process that was forked.
    "adr x16, CONFIGURATION",
    "ldr x0, [x16, #{state}]",
    "ldr w0, [x0]",
    "cbz w0, 3f",
    "stp x2, x3, [sp, #16]",
    "stp x4, x5, [sp, #32]",
    "stp x6, x7, [sp, #48]",
    "stp x8, x9, [sp, #64]",
    "stp x10, x11, [sp, #80]",
    "stp x12, x13, [sp, #96]",
    "stp x14, x15, [sp, #112]",
    "stp x18, x19, [sp, #144]",
    "stp x20, x21, [sp, #160]",
    "stp x22, x23, [sp, #176]",
    "stp x24, x25, [sp, #192]",
    "stp x26, x27, [sp, #208]",
    "stp x28, x29, [sp, #224]",
    "str x17, [sp, #240]",
    "stp xzr, xzr, [sp, #128]",
    "mov x0, sp",
    "ldr x1, [sp, #264]",
    // If this goroutine is the one that the thread runs, the thread's own stack is free below g0.sched.sp; else this is that stack.
    "mov x2, sp",
    "ldr w3, [x16, #{g_m}]",
    "ldr x4, [x28, x3]",
    "ldr w3, [x16, #{m_curg}]",
    "ldr x5, [x4, x3]",
    "cmp x28, x5",
    "b.ne 2f",
    "ldr w3, [x16, #{m_g0}]",
    "ldr x4, [x4, x3]",
    "ldr w3, [x16, #{g_sched_sp}]",
    "ldr x2, [x4, x3]",
    "2:",
    "sub x2, x2, #{frame} + {below}",
    "and x2, x2, #-16",
    "ldr x3, [x16, #{secret}]",
    "eor x3, x3, x2",
    "stp x3, x0, [x2]",
    "stp x1, xzr, [x2, #16]",
    "stp xzr, xzr, [x2, #32]",
    "mov sp, x2",
    // Whoever follows frame pointers ends here.
    "mov x29, xzr",
    // From here to `restored` the stack pointer is that of the frame or lies below it.
    ".globl framed",
    "framed:",
    "bl {hit}",
    // Here a hit that is left comes back, too, with the stack pointer at its frame. The frame is no more: else the next hit might take
    // it for its own.
    ".globl landed",
    "landed:",
    "mov x17, sp",
    "ldr x16, [sp, #8]",
    "mov sp, x16",
    ".globl restored",
    "restored:",
    "str xzr, [x17]",
    "ldp x2, x3, [sp, #16]",
    "ldp x4, x5, [sp, #32]",
    "ldp x6, x7, [sp, #48]",
    "ldp x8, x9, [sp, #64]",
    "ldp x10, x11, [sp, #80]",
    "ldp x12, x13, [sp, #96]",
    "ldp x14, x15, [sp, #112]",
    "ldp x18, x19, [sp, #144]",
    "ldp x20, x21, [sp, #160]",
    "ldp x22, x23, [sp, #176]",
    "ldp x24, x25, [sp, #192]",
    "ldp x26, x27, [sp, #208]",
    "ldr x29, [sp, #232]",
    "ldr x17, [sp, #240]",
    "3:",
    "ldr x0, [sp, #248]",
    "msr nzcv, x0",
    "ldr x30, [sp, #256]",
    "ldp x0, x1, [sp]",
    "add sp, sp, #{saved} + {below}",
    "ret",
    // A method of the program's, which says yes.
    ".globl is_recording",
    "is_recording:",
    "mov w0, #1",
    "ret",
    // Instead of the thunk: the function returns, whose return address is in R17.
    ".globl returned",
    "returned:",
    "mov x30, x17",
    "ret",
    // Instead of the thunk: another function of two words, whose address is in R2.
    ".globl replaced",
    "replaced:",
    "mov x30, x17",
    "br x2",
    // Instead of runtime.sigtrampgo, from runtime.sigtramp: the signal in R0, its information in R1, the context in R2
    // (runtime/sys_linux_arm64.s, Go 1.18 and newer). A signal that has not met this code goes on at once.
    ".balign 64",
    "hook:",
    "ldr x3, [x2, #{pc}]",
    "adr x4, head",
    "adr x5, CONFIGURATION",
    "sub x3, x3, x4",
    "sub x4, x5, x4",
    "cmp x3, x4",
    "b.lo 2f",
    "ldr x16, [x5, #{handler}]",
    "br x16",
    "2:",
    // From below: room in which the handler may spill its arguments, behind its return address; what was there before something else was
    // shown; the arguments; what is left alone.
    "sub sp, sp, #112 + {below}",
    "stp x0, x1, [sp, #64]",
    "stp x2, x30, [sp, #80]",
    "add x3, sp, #32",
    "bl {on_signal}",
    "cmp w0, #{passed_on}",
    "b.lo 4f",
    "ldp x0, x1, [sp, #64]",
    "ldp x2, x30, [sp, #80]",
    "adr x16, CONFIGURATION",
    "ldr x16, [x16, #{handler}]",
    "b.eq 3f",
    "blr x16",
    "ldr x2, [sp, #80]",
    "ldp x0, x1, [sp, #32]",
    "str x0, [x2, #{pc}]",
    "str x1, [x2, #{sp}]",
    "ldp x0, x1, [sp, #48]",
    "str x0, [x2, #{fp}]",
    "str x1, [x2, #{lr}]",
    "4:",
    "ldr x30, [sp, #88]",
    "add sp, sp, #112 + {below}",
    "ret",
    "3:",
    "add sp, sp, #112 + {below}",
    "br x16",
    ".text",
    planted = const cfg!(feature = "planted") as u32,
    state = const offset_of!(Configuration, state),
    secret = const offset_of!(Configuration, secret),
    handler = const offset_of!(Configuration, signal_handler),
    g_m = const offset_of!(Configuration, g_m),
    m_curg = const offset_of!(Configuration, m_curg),
    m_g0 = const offset_of!(Configuration, m_g0),
    g_sched_sp = const offset_of!(Configuration, g_sched_sp),
    pc = const super::context::SHOWN[0] * 8,
    sp = const super::context::SHOWN[1] * 8,
    fp = const super::context::SHOWN[2] * 8,
    lr = const super::context::SHOWN[3] * 8,
    saved = const size_of::<Saved>(),
    below = const BELOW,
    frame = const FRAME,
    passed_on = const super::super::signals::PASSED_ON,
    hit = sym super::super::hit::hit,
    on_signal = sym super::super::signals::on_signal,
);
