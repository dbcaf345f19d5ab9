//! Where thunks enter, and where `runtime.sigtramp` does: registers, stacks, and the way back. x86-64.
//!
//! A thunk pushes the number of its site and calls [`common`], which takes 168 bytes of the goroutine's stack in all.

use core::mem::offset_of;

use bpf::go::abi::Registers;
use native::configuration::Configuration;

use super::super::entry::FRAME;

/// The registers at the thunk, by the processor's numbers; what stands above them.
#[repr(C)]
pub(in super::super) struct Saved {
    /// RAX, RCX, RDX, RBX, nothing, RBP, RSI, RDI, R8 to R15.
    pub(in super::super) registers: [u64; 16],
    /// As `LAHF` and `SETO` give them: the low flags in the second byte, overflow in the first.
    pub(in super::super) flags: u64,
    /// Where `common` returns to.
    pub(in super::super) thunk: u64,
    /// The number that the thunk has pushed.
    pub(in super::super) number: u64,
}

impl Saved {
    /// The stack pointer at the thunk.
    #[inline(always)]
    pub(in super::super) fn stack_pointer(&self) -> u64 {
        core::ptr::from_ref(self) as u64 + size_of::<Self>() as u64
    }

    /// The registers at a site that is so many bytes above the thunk's stack pointer.
    #[inline(always)]
    pub(in super::super) fn registers(&self, stack: u32) -> Registers {
        let stack_pointer = self.stack_pointer() + u64::from(stack);
        let [rax, rcx, rdx, rbx, _, rest @ ..] = self.registers;
        let [rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = rest;
        let integers = [rax, rcx, rdx, rbx, stack_pointer, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15];
        let (low, overflow) = (self.flags >> 8 & 0xff, self.flags & 1);
        Registers { integers, stack_pointer, flags: low | overflow << 11 }
    }

    /// Makes the function whose start was hit return these; or, where `function` is not 0, puts that in its place, called with them.
    #[inline(always)]
    pub(in super::super) fn leave(&mut self, [first, second]: [u64; 2], function: u64) {
        unsafe extern "C" {
            static returned: [u8; 0];
            static replaced: [u8; 0];
        }
        self.registers[0] = first;
        self.registers[3] = second;
        if function == 0 {
            self.thunk = (&raw const returned) as u64;
        } else {
            self.thunk = (&raw const replaced) as u64;
            self.number = function;
        }
    }

    /// What is shown of a site ([`super::context::SHOWN`]).
    pub(in super::super) fn shown(&self, address: u64, stack: u32) -> [u64; 3] {
        [address, self.stack_pointer() + u64::from(stack), self.registers[5]]
    }
}

const _: () = assert!(size_of::<Saved>() == 152);

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
    "lea rsp, [rsp - 136]",
    "mov [rsp], rax",
    "lahf",
    "seto al",
    "mov [rsp + 128], rax",
    // Switched off, or in a process that was forked.
    "mov rax, [rip + CONFIGURATION + {state}]",
    "cmp dword ptr [rax], 0",
    "je 3f",
    "mov [rsp + 8], rcx",
    "mov [rsp + 16], rdx",
    "mov [rsp + 24], rbx",
    "mov [rsp + 40], rbp",
    "mov [rsp + 48], rsi",
    "mov [rsp + 56], rdi",
    "mov [rsp + 64], r8",
    "mov [rsp + 72], r9",
    "mov [rsp + 80], r10",
    "mov [rsp + 88], r11",
    "mov [rsp + 96], r12",
    "mov [rsp + 104], r13",
    "mov [rsp + 112], r14",
    "mov [rsp + 120], r15",
    "mov rdi, rsp",
    "mov rsi, [rsp + 144]",
    // If this goroutine is the one that the thread runs, the thread's own stack is free below g0.sched.sp; else this is that stack.
    "mov eax, [rip + CONFIGURATION + {g_m}]",
    "mov rcx, [r14 + rax]",
    "mov eax, [rip + CONFIGURATION + {m_curg}]",
    "mov rdx, rsp",
    "cmp r14, [rcx + rax]",
    "jne 2f",
    "mov eax, [rip + CONFIGURATION + {m_g0}]",
    "mov rcx, [rcx + rax]",
    "mov eax, [rip + CONFIGURATION + {g_sched_sp}]",
    "mov rdx, [rcx + rax]",
    "2:",
    "and rdx, -16",
    "sub rdx, {frame}",
    "mov rax, [rip + CONFIGURATION + {secret}]",
    "xor rax, rdx",
    "mov [rdx], rax",
    "mov [rdx + 8], rsp",
    "mov [rdx + 16], rsi",
    "xor eax, eax",
    "mov [rdx + 24], rax",
    "mov [rdx + 32], rax",
    "mov [rdx + 40], rax",
    "mov rsp, rdx",
    // From here to `restored` the stack pointer is that of the frame or lies below it.
    ".globl framed",
    "framed:",
    "call {hit}",
    // Here a hit that is left comes back, too, with the stack pointer at its frame. The frame is no more: else the next hit might take
    // it for its own.
    ".globl landed",
    "landed:",
    "mov rax, rsp",
    "mov rsp, [rsp + 8]",
    ".globl restored",
    "restored:",
    "mov qword ptr [rax], 0",
    "mov rcx, [rsp + 8]",
    "mov rdx, [rsp + 16]",
    "mov rbx, [rsp + 24]",
    "mov rbp, [rsp + 40]",
    "mov rsi, [rsp + 48]",
    "mov rdi, [rsp + 56]",
    "mov r8, [rsp + 64]",
    "mov r9, [rsp + 72]",
    "mov r10, [rsp + 80]",
    "mov r11, [rsp + 88]",
    "mov r12, [rsp + 96]",
    "mov r13, [rsp + 104]",
    "mov r14, [rsp + 112]",
    "mov r15, [rsp + 120]",
    "3:",
    "mov rax, [rsp + 128]",
    // 1 + 127 overflows.
    "add al, 127",
    "sahf",
    "mov rax, [rsp]",
    "lea rsp, [rsp + 136]",
    "ret",
    // A method of the program's, which says yes.
    ".globl is_recording",
    "is_recording:",
    "mov eax, 1",
    "ret",
    // Instead of the thunk: the function returns, whose return address stands behind the number.
    ".globl returned",
    "returned:",
    "lea rsp, [rsp + 8]",
    "ret",
    // Instead of the thunk: another function, whose address stands in place of the number.
    ".globl replaced",
    "replaced:",
    "ret",
    // Instead of runtime.sigtrampgo, from runtime.sigtramp: the signal in RAX, its information in RBX, the context in RCX (runtime/sys_linux_amd64.s,
    // Go 1.20 and newer). A signal that has not met this code goes on at once, unless it may have met the kernel's function.
    ".balign 64",
    "hook:",
    "mov rdx, [rcx + 168]",
    "lea r12, [rip + head]",
    "sub rdx, r12",
    "lea r13, [rip + CONFIGURATION]",
    "sub r13, r12",
    "cmp rdx, r13",
    "jb 2f",
    "cmp qword ptr [rip + CONFIGURATION + {clock_gettime}], 0",
    "jne 2f",
    "jmp [rip + CONFIGURATION + {handler}]",
    "2:",
    "push rax",
    "push rbx",
    "push rcx",
    // What was there before something else was shown; and room in which the handler may spill its arguments.
    "sub rsp, 56",
    "mov edi, eax",
    "mov rsi, rbx",
    "mov rdx, rcx",
    "lea rcx, [rsp + 32]",
    "call {on_signal}",
    "cmp eax, {passed_on}",
    "jb 4f",
    "mov rax, [rsp + 72]",
    "mov rbx, [rsp + 64]",
    "mov rcx, [rsp + 56]",
    "je 3f",
    "call [rip + CONFIGURATION + {handler}]",
    "mov rcx, [rsp + 56]",
    "mov rax, [rsp + 32]",
    "mov [rcx + 168], rax",
    "mov rax, [rsp + 40]",
    "mov [rcx + 160], rax",
    "mov rax, [rsp + 48]",
    "mov [rcx + 120], rax",
    "4:",
    "lea rsp, [rsp + 80]",
    "ret",
    "3:",
    "lea rsp, [rsp + 80]",
    "jmp [rip + CONFIGURATION + {handler}]",
    ".text",
    planted = const cfg!(feature = "planted") as u32,
    state = const offset_of!(Configuration, state),
    secret = const offset_of!(Configuration, secret),
    handler = const offset_of!(Configuration, signal_handler),
    clock_gettime = const offset_of!(Configuration, clock_gettime),
    g_m = const offset_of!(Configuration, g_m),
    m_curg = const offset_of!(Configuration, m_curg),
    m_g0 = const offset_of!(Configuration, m_g0),
    g_sched_sp = const offset_of!(Configuration, g_sched_sp),
    frame = const FRAME,
    passed_on = const super::super::signals::PASSED_ON,
    hit = sym super::super::hit::hit,
    on_signal = sym super::super::signals::on_signal,
);
