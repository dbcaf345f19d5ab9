//! The registers for a system call. x86-64.

use libc::{c_long, user_regs_struct};
use nix::errno::Errno;
use nix::unistd::Pid;

/// The registers of a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers(user_regs_struct);

impl Registers {
    /// Those of `pid`, which stands in a ptrace stop.
    pub(super) fn of(pid: Pid) -> Result<Self, Errno> {
        // SAFETY: the struct consists of integers, for which all zeroes is a value.
        let mut registers: user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: the request writes one such struct to the data pointer, which is to a live one.
        let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_GETREGS, pid.as_raw(), 0, &raw mut registers) };
        Errno::result(result).map(|_| Self(registers))
    }

    /// Gives them to `pid`, which stands in a ptrace stop.
    pub(super) fn set(&self, pid: Pid) -> Result<(), Errno> {
        let registers: *const user_regs_struct = &raw const self.0;
        // SAFETY: the request reads one such struct from the data pointer, which is to a live one.
        Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SETREGS, pid.as_raw(), 0, registers) }).map(drop)
    }

    /// These, but about to make a system call with the instruction at `syscall`.
    pub(super) fn calling(&self, syscall: u64, number: c_long, arguments: [u64; 6]) -> Self {
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        Self(user_regs_struct {
            rip: syscall,
            rax: number.cast_unsigned(),
            // Not in a system call: nothing is to be restarted.
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.0
        })
    }

    /// What the system call has said.
    pub(super) fn result(&self) -> i64 {
        self.0.rax.cast_signed()
    }

    pub(super) fn stack_pointer(&self) -> u64 {
        self.0.rsp
    }
}
