//! The registers for a system call. arm64.

use libc::{c_int, c_long, user_regs_struct};
use nix::errno::Errno;
use nix::unistd::Pid;

/// The registers of a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers(user_regs_struct);

/// `NT_ARM_SYSTEM_CALL` (`linux/elf.h`): the number of the system call that a process is in.
const NT_ARM_SYSTEM_CALL: c_int = 0x404;
/// At the stop behind a system call the kernel shows there which stop it is (`report_syscall`, `arch/arm64/kernel/ptrace.c`).
const SHOWN: usize = 7;

impl Registers {
    /// Those of `pid`, which stands in the ptrace stop behind execve, or behind a single step.
    pub(super) fn of(pid: Pid) -> Result<Self, Errno> {
        // SAFETY: the struct consists of integers, for which all zeroes is a value.
        let mut registers: user_regs_struct = unsafe { std::mem::zeroed() };
        let mut place = libc::iovec { iov_base: (&raw mut registers).cast(), iov_len: size_of::<user_regs_struct>() };
        request(libc::PTRACE_GETREGSET, pid, libc::NT_PRSTATUS, &raw mut place)?;
        // All registers are zero behind execve (`start_thread`).
        registers.regs[SHOWN] = 0;
        Ok(Self(registers))
    }

    /// Gives them to `pid`, which stands in a ptrace stop. It is in no system call then: nothing is to be restarted.
    pub(super) fn set(&self, pid: Pid) -> Result<(), Errno> {
        let (mut registers, mut number) = (self.0, -1_i32);
        let mut place = libc::iovec { iov_base: (&raw mut registers).cast(), iov_len: size_of::<user_regs_struct>() };
        request(libc::PTRACE_SETREGSET, pid, libc::NT_PRSTATUS, &raw mut place)?;
        let mut place = libc::iovec { iov_base: (&raw mut number).cast(), iov_len: size_of::<i32>() };
        request(libc::PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &raw mut place)
    }

    /// These, but about to make a system call with the instruction at `syscall`.
    pub(super) fn calling(&self, syscall: u64, number: c_long, arguments: [u64; 6]) -> Self {
        let mut registers = user_regs_struct { pc: syscall, ..self.0 };
        for (register, value) in registers.regs.iter_mut().zip(arguments) {
            *register = value;
        }
        registers.regs[8] = number.cast_unsigned();
        Self(registers)
    }

    /// What the system call has said.
    pub(super) fn result(&self) -> i64 {
        self.0.regs[0].cast_signed()
    }

    pub(super) fn stack_pointer(&self) -> u64 {
        self.0.sp
    }
}

/// Reads or writes a set of registers.
fn request(request: libc::c_uint, pid: Pid, set: c_int, place: *mut libc::iovec) -> Result<(), Errno> {
    // SAFETY: the requests read or write so many bytes as the place says, at its address; both are live at the callers.
    Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, request, pid.as_raw(), set, place) }).map(drop)
}
