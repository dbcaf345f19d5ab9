//! The registers at a probe.

use aya_ebpf::bindings::pt_regs;
use bpf::go::abi::Registers;

/// All general-purpose ones.
#[inline(always)]
pub(super) fn all(registers: &pt_regs) -> Registers {
    #[cfg(bpf_target_arch = "x86_64")]
    return Registers {
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
    return Registers { integers: core::array::from_fn(|number| registers.regs[number]), stack_pointer: registers.sp, flags: 0 };
}
