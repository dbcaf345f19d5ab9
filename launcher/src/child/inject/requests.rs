//! The ptrace requests that change a process: its memory, its mask; and the wait for its stop. As `child/ptrace.rs`.

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::child::sys::{Change, SET_BYTES};

/// Writes one word of the memory of `pid`, which stands in a ptrace stop; into read-only private pages too (`FOLL_FORCE`).
pub(super) fn poke(pid: Pid, address: u64, word: u64) -> Result<(), Errno> {
    // SAFETY: the request takes the word as a number and touches no memory of this process.
    Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_POKEDATA, pid.as_raw(), address, word) }).map(drop)
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

/// Waits for the next stop of `pid`, which was just let go for a moment. `None` when it has ended instead, or is killed in the
/// stop: that is not taken, for the one wait loop is to learn it.
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
    if has_ended { None } else { take_stop(pid) }
}

/// The stop of which this is the `si_status`: the signal, and the ptrace event in the byte above it, which a wait status has one byte
/// higher (`wait_task_stopped`, `kernel/exit.c`).
fn stop(code: libc::c_int) -> Change {
    Change::Stopped { signal: code & 0xff, event: code >> 8 }
}

/// Takes the stop that `pid` is in, without waiting for one. `None`: it is in none, or has ended; its end is never taken.
fn take_stop(pid: Pid) -> Option<Change> {
    let id = libc::id_t::try_from(pid.as_raw()).ok()?;
    // SAFETY: the struct consists of integers and pointers that nobody follows, for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the info is a live struct.
    let result = unsafe { libc::waitid(libc::P_PID, id, &raw mut info, libc::WSTOPPED | libc::WNOHANG | libc::__WALL) };
    // SAFETY: waitid has filled in the fields of SIGCHLD, or left all zeroes.
    let (stopped, code) = unsafe { (info.si_pid(), info.si_status()) };
    (result == 0 && stopped == pid.as_raw()).then(|| stop(code))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::child::{ptrace, sys};

    /// Else the launcher would wait for good for a program that was killed while system calls were made in its name.
    #[test]
    fn an_end_is_left_to_the_wait_loop() {
        let mut child = std::process::Command::new("false").spawn().unwrap();
        assert_eq!(wait_stop(Pid::from_raw(child.id().try_into().unwrap())), None);
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    /// Waits until `pid` stops or ends, and takes neither.
    fn await_change(pid: Pid, what: libc::c_int) {
        let id = libc::id_t::try_from(pid.as_raw()).unwrap();
        // SAFETY: the struct consists of integers and pointers that nobody follows, for which all zeroes is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the info is a live struct.
        let result = unsafe { libc::waitid(libc::P_PID, id, &raw mut info, what | libc::WNOWAIT | libc::__WALL) };
        assert_eq!(result, 0, "{}", Errno::last());
    }

    /// A tracee, on its way to a stop with an event.
    fn interrupted() -> (std::process::Child, Pid) {
        let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        ptrace::request(libc::PTRACE_SEIZE.into(), pid, 0).unwrap();
        ptrace::request(libc::PTRACE_INTERRUPT.into(), pid, 0).unwrap();
        (child, pid)
    }

    #[test]
    fn a_stop_with_an_event_is_told_from_one_for_a_signal() {
        let (mut child, pid) = interrupted();
        let event = wait_stop(pid);
        sys::kill(pid, libc::SIGUSR1).unwrap();
        ptrace::request(libc::PTRACE_CONT.into(), pid, 0).unwrap();
        let signal = wait_stop(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(event, Some(Change::Stopped { signal: libc::SIGTRAP, event: libc::PTRACE_EVENT_STOP }));
        assert_eq!(signal, Some(Change::Stopped { signal: libc::SIGUSR1, event: 0 }));
    }

    /// It may be killed between the report of a stop and its taking.
    #[test]
    fn the_end_that_follows_a_stop_is_left_to_the_wait_loop_too() {
        let (mut child, pid) = interrupted();
        await_change(pid, libc::WSTOPPED);
        sys::kill(pid, libc::SIGKILL).unwrap();
        await_change(pid, libc::WEXITED);
        assert_eq!(take_stop(pid), None);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
