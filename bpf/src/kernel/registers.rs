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
    return Registers {
        // One by one: what is not used is not read, and takes no place on the stack.
        integers: [
            registers.regs[0],
            registers.regs[1],
            registers.regs[2],
            registers.regs[3],
            registers.regs[4],
            registers.regs[5],
            registers.regs[6],
            registers.regs[7],
            registers.regs[8],
            registers.regs[9],
            registers.regs[10],
            registers.regs[11],
            registers.regs[12],
            registers.regs[13],
            registers.regs[14],
            registers.regs[15],
            registers.regs[16],
            registers.regs[17],
            registers.regs[18],
            registers.regs[19],
            registers.regs[20],
            registers.regs[21],
            registers.regs[22],
            registers.regs[23],
            registers.regs[24],
            registers.regs[25],
            registers.regs[26],
            registers.regs[27],
            registers.regs[28],
            registers.regs[29],
            registers.regs[30],
        ],
        stack_pointer: registers.sp,
        flags: 0,
    };
}
