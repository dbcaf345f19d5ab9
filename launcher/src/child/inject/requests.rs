//! The ptrace requests that change a process: its memory, its registers, its mask. As `child/ptrace.rs`.

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::child::sys::SET_BYTES;

/// Writes one word of the memory of `pid`, which stands in a ptrace stop; into read-only private pages too (`FOLL_FORCE`).
pub(super) fn poke(pid: Pid, address: u64, word: u64) -> Result<(), Errno> {
    // SAFETY: the request takes the word as a number and touches no memory of this process.
    Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_POKEDATA, pid.as_raw(), address, word) }).map(drop)
}

/// The registers of `pid`, which stands in a ptrace stop.
pub(super) fn registers(pid: Pid) -> Result<libc::user_regs_struct, Errno> {
    // SAFETY: the struct consists of integers, for which all zeroes is a value.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the request writes one such struct to the data pointer, which is to a live one.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_GETREGS, pid.as_raw(), 0, &raw mut registers) };
    Errno::result(result).map(|_| registers)
}

/// Sets the registers of `pid`, which stands in a ptrace stop.
pub(super) fn set_registers(pid: Pid, registers: &libc::user_regs_struct) -> Result<(), Errno> {
    let registers: *const libc::user_regs_struct = registers;
    // SAFETY: the request reads one such struct from the data pointer, which is to a live one.
    Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SETREGS, pid.as_raw(), 0, registers) }).map(drop)
}

/// The signals that `pid`, which stands in a ptrace stop, has blocked.
pub(super) fn tracee_mask(pid: Pid) -> Result<u64, Errno> {
    let mut mask = 0_u64;
    // SAFETY: the request writes a set of the size given to the data pointer, which is to a live one.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_GETSIGMASK, pid.as_raw(), SET_BYTES, &raw mut mask) };
    Errno::result(result).map(|_| mask)
}

/// Sets the signals that `pid`, which stands in a ptrace stop, has blocked.
pub(super) fn set_tracee_mask(pid: Pid, mask: u64) -> Result<(), Errno> {
    // SAFETY: the request reads a set of the size given from the data pointer, which is to a live one.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SETSIGMASK, pid.as_raw(), SET_BYTES, &raw const mask) };
    Errno::result(result).map(drop)
}
