//! The ptrace requests of this module: one thin function per request, by raw system call, because the C libraries disagree
//! on the request's type and change the meaning of some. Nothing here decides anything.

use libc::c_long;
use nix::errno::Errno;
use nix::unistd::Pid;

/// One ptrace request whose address is null and whose data is a number (a signal, or options).
pub(super) fn request(request: c_long, pid: Pid, data: c_long) -> Result<(), Errno> {
    // SAFETY: the requests that come here (SEIZE, SETOPTIONS, CONT, SYSCALL, LISTEN, INTERRUPT, DETACH) take a number
    // as data and read or write no memory of this process.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, request, pid.as_raw(), 0, data) };
    Errno::result(result).map(drop)
}

/// The message of the ptrace event that `pid` stands in: the new process of a fork, the former thread of an exec.
pub(super) fn event_message(pid: Pid) -> Option<Pid> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the request writes one unsigned long to the data pointer, which is to a live one.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_GETEVENTMSG, pid.as_raw(), 0, &raw mut message) };
    (result == 0).then(|| libc::pid_t::try_from(message).ok().map(Pid::from_raw)).flatten()
}

/// One word of the memory of `pid`, which stands in a ptrace stop. Needs no rights beyond being its tracer
/// (`ptrace_access_vm`, kernel/ptrace.c), other than `/proc/PID/mem`.
pub(super) fn peek(pid: Pid, address: u64) -> Option<u64> {
    let mut word = 0_u64;
    // SAFETY: the raw request (other than the C library's) writes one word to the data pointer, which is to a live u64.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_PEEKDATA, pid.as_raw(), address, &raw mut word) };
    (result == 0).then_some(word)
}

/// Where a process in a ptrace stop stands; the same on every architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) stack_pointer: u64,
    /// At the entry of a system call: its number and arguments.
    pub(super) entering: Option<(u64, [u64; 6])>,
}

/// Asks where `pid` stands; `None` before Linux 5.3.
pub(super) fn position(pid: Pid) -> Option<Position> {
    // SAFETY: the struct consists of integers, for which all zeroes is a value.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::ptrace_syscall_info>();
    // SAFETY: the request writes at most `size` bytes to the data pointer, which is to a live struct of that size.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_GET_SYSCALL_INFO, pid.as_raw(), size, &raw mut info) };
    if result <= 0 {
        return None;
    }
    // SAFETY: all variants of the union are integers, of which any bits are a value; `op` says which one is meant.
    let entry = unsafe { info.u.entry };
    let entering = (info.op == libc::PTRACE_SYSCALL_INFO_ENTRY).then_some((entry.nr, entry.args));
    Some(Position { stack_pointer: info.stack_pointer, entering })
}
