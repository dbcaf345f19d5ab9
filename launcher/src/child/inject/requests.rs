//! The ptrace requests that change a process: its memory, its registers, its mask; and the wait for its stop. As `child/ptrace.rs`.

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::child::sys::{self, Change, SET_BYTES};

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

/// Waits for the next stop of `pid`, which was just let go for a moment. `None` when it has ended instead: that is not taken, for
/// the one wait loop is to learn it.
pub(super) fn wait_stop(pid: Pid) -> Option<Change> {
    let id = libc::id_t::try_from(pid.as_raw()).ok()?;
    // SAFETY: the struct consists of integers and pointers that nobody follows, for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let which = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::__WALL;
    // SAFETY: the info is a live struct.
    while unsafe { libc::waitid(libc::P_PID, id, &raw mut info, which) } != 0 {
        if Errno::last() != Errno::EINTR {
            return None;
        }
    }
    let has_ended = matches!(info.si_code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED);
    if has_ended { None } else { sys::wait(pid.as_raw(), libc::__WALL).map(|(_, change)| change) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the launcher would wait for good for a program that was killed while system calls were made in its name.
    #[test]
    fn an_end_is_left_to_the_wait_loop() {
        let mut child = std::process::Command::new("false").spawn().unwrap();
        assert_eq!(wait_stop(Pid::from_raw(child.id().try_into().unwrap())), None);
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
}
