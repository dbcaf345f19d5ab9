//! The registers at a probe, as Go's ABI uses them.

use aya_ebpf::bindings::pt_regs;
use bpf::target::{AllRegisters, Registers};

/// Those that pass arguments.
#[inline(always)]
pub(super) fn arguments(registers: &pt_regs) -> Registers {
    #[cfg(bpf_target_arch = "x86_64")]
    return Registers {
        arguments: [registers.rax, registers.rbx, registers.rcx, registers.rdi, registers.rsi],
        goroutine: registers.r14,
    };
    #[cfg(bpf_target_arch = "aarch64")]
    return Registers {
        arguments: [registers.regs[0], registers.regs[1], registers.regs[2], registers.regs[3], registers.regs[4]],
        goroutine: registers.regs[28],
    };
}

/// All of them.
#[inline(always)]
pub(super) fn all(registers: &pt_regs) -> AllRegisters {
    #[cfg(bpf_target_arch = "x86_64")]
    return AllRegisters {
        integers: [
            registers.rax,
            registers.rcx,
            registers.rdx,
            registers.rbx,
            registers.rsp,
            registers.rbp,
            registers.rsi,
            registers.rdi,
            registers.r8,
            registers.r9,
            registers.r10,
            registers.r11,
            registers.r12,
            registers.r13,
            registers.r14,
            registers.r15,
        ],
        stack_pointer: registers.rsp,
        flags: registers.eflags,
    };
    #[cfg(bpf_target_arch = "aarch64")]
    return AllRegisters {
        integers: core::array::from_fn(|number| registers.regs[number]),
        stack_pointer: registers.sp,
        flags: 0,
    };
}
