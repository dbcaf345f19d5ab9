//! The kernel surface of this module: one thin function per system call, numbers in, typed values out.
//!
//! Signals are handled by raw system calls with the kernel's own 64-bit set, because the C libraries keep some
//! real-time signals to themselves (glibc 32 and 33, musl 32 to 34) and an init must forward those too.
//! Nothing here decides anything.

use std::fmt;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use libc::c_int;
use nix::errno::Errno;
use nix::unistd::Pid;

/// The highest signal number of Linux on the architectures we build for.
pub(super) const LAST_SIGNAL: i32 = 64;

/// Size in bytes of the kernel's signal set, which the raw calls want to be told.
pub(super) const SET_BYTES: usize = size_of::<u64>();

/// A set of signals as the kernel keeps it: bit `n - 1` is signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// Every signal there is.
    pub const ALL: Self = Self(u64::MAX);
    /// No signal.
    pub const EMPTY: Self = Self(0);

    /// Whether `signal` is in the set; a number outside 1–64 never is.
    #[must_use]
    pub const fn contains(self, signal: i32) -> bool {
        self.0 & Self::bit(signal) != 0
    }

    /// The set with `signal` added.
    #[must_use]
    pub const fn with(self, signal: i32) -> Self {
        Self(self.0 | Self::bit(signal))
    }

    /// The set without `signal`.
    #[must_use]
    pub const fn without(self, signal: i32) -> Self {
        Self(self.0 & !Self::bit(signal))
    }

    const fn bit(signal: i32) -> u64 {
        if signal < 1 || signal > LAST_SIGNAL { 0 } else { 1 << (signal - 1) }
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((1..=LAST_SIGNAL).filter(|&signal| self.contains(signal))).finish()
    }
}

/// The kernel's `struct sigaction` of x86-64 and arm64 (both define `SA_RESTORER`, so both have the field).
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// Replaces the calling thread's signal mask and returns the one before.
pub(super) fn set_mask(mask: SignalSet) -> Result<SignalSet, Errno> {
    change_mask(libc::SIG_SETMASK, mask)
}

/// Takes signals out of the calling thread's mask and returns the one before.
pub(super) fn unblock(signals: SignalSet) -> Result<SignalSet, Errno> {
    change_mask(libc::SIG_UNBLOCK, signals)
}

fn change_mask(how: c_int, mask: SignalSet) -> Result<SignalSet, Errno> {
    let mut before = 0u64;
    // SAFETY: both pointers are to live u64s of this frame and the size tells the kernel so.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const mask.0, &raw mut before, SET_BYTES) };
    Errno::result(result).map(|_| SignalSet(before))
}

/// Whether `signal` is ignored by this process. Async-signal-safe.
pub(super) fn is_ignored(signal: i32) -> bool {
    let mut action = KernelAction::default();
    // SAFETY: a null new action only asks; the old one is written to a live struct of the kernel's layout.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, ptr::null::<KernelAction>(), &raw mut action, SET_BYTES) };
    result == 0 && action.handler == libc::SIG_IGN
}

/// Sets `signal` to be ignored, or to its default. Async-signal-safe.
pub(super) fn set_ignored(signal: i32, ignored: bool) -> Result<(), Errno> {
    let action = KernelAction { handler: if ignored { libc::SIG_IGN } else { libc::SIG_DFL }, ..KernelAction::default() };
    // SAFETY: the action is a live struct of the kernel's layout and installs no code of ours; no old one is asked for.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, ptr::null_mut::<KernelAction>(), SET_BYTES) };
    Errno::result(result).map(drop)
}

/// A non-blocking, close-on-exec signalfd for `set`.
pub(super) fn signalfd(set: SignalSet) -> Result<OwnedFd, Errno> {
    // SAFETY: the set is a live u64 and its size is given.
    let result =
        unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const set.0, SET_BYTES, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    let fd = Errno::result(result)?;
    let fd = c_int::try_from(fd).map_err(|_out_of_range| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads one queued signal, or `None` when there is none (or the descriptor fails, which only a bug can cause).
pub(super) fn read_signal(fd: BorrowedFd<'_>) -> Option<libc::signalfd_siginfo> {
    // SAFETY: the struct consists of integers, for which all zeroes is a value.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: the buffer is a live struct of exactly the size given; a signalfd writes whole structs.
        let read = unsafe { libc::read(fd.as_raw_fd(), (&raw mut info).cast(), size_of::<libc::signalfd_siginfo>()) };
        match usize::try_from(read) {
            Ok(size) if size == size_of::<libc::signalfd_siginfo>() => return Some(info),
            Err(_negative) if Errno::last() == Errno::EINTR => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

/// What `wait` tells of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It called exit.
    Exited(u8),
    /// A signal ended it.
    Killed(i32),
    /// It stopped: the signal, and the ptrace event (0 for an ordinary or a signal-delivery stop).
    Stopped { signal: i32, event: i32 },
    /// It was continued.
    Continued,
}

impl Change {
    fn from_status(status: c_int) -> Self {
        if libc::WIFEXITED(status) {
            Self::Exited(libc::WEXITSTATUS(status).to_le_bytes()[0])
        } else if libc::WIFSIGNALED(status) {
            Self::Killed(libc::WTERMSIG(status))
        } else if libc::WIFSTOPPED(status) {
            Self::Stopped { signal: libc::WSTOPSIG(status), event: status >> 16 }
        } else {
            Self::Continued
        }
    }
}

/// One change of any child or tracee, without waiting for it. `None`: nothing changed, or there is no child.
pub(super) fn wait_any() -> Option<(Pid, Change)> {
    wait(-1, libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL)
}

/// Waits until `pid` ended, and reaps it and whatever else ends meanwhile: the kernel does not report the end of a process
/// whose other threads we trace before these are reaped. Stops in between are not reported.
pub(super) fn wait_end(pid: Pid) {
    while let Some((ended, change)) = wait(-1, libc::__WALL) {
        if ended == pid && matches!(change, Change::Exited(_) | Change::Killed(_)) {
            return;
        }
    }
}

/// Waits as waitpid does.
pub(super) fn wait(which: libc::pid_t, options: c_int) -> Option<(Pid, Change)> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a live int; no resource usage is asked for.
        let pid = unsafe { libc::waitpid(which, &raw mut status, options) };
        if pid > 0 {
            return Some((Pid::from_raw(pid), Change::from_status(status)));
        }
        if pid == 0 || Errno::last() != Errno::EINTR {
            return None;
        }
    }
}

/// Sends any signal, real-time ones included.
pub(super) fn kill(pid: Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: kill takes two integers and touches no memory of ours.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// Asks for `signal` when the parent thread of this process dies; 0 asks for none.
pub(super) fn set_parent_death_signal(signal: i32) -> Result<(), Errno> {
    // SAFETY: this prctl takes one number and touches no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }).map(drop)
}

/// Queues `signal` for `pid` as if it came from outside its pid namespace (no sender). The kernel lets a process claim
/// this of signals to itself only (`do_rt_sigqueueinfo`).
pub(super) fn queue_as_from_outside(pid: Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: the struct consists of integers and pointers that nobody follows, for which all zeroes is a value; the
    // code `SI_USER` is zero too.
    let info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel reads one live siginfo_t.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid.as_raw(), signal, &raw const info) };
    Errno::result(result).map(drop)
}

/// Makes orphaned descendants children of this process. Old kernels and sandboxes may refuse; nothing depends on it.
pub(super) fn become_subreaper() -> Result<(), Errno> {
    // SAFETY: this prctl takes one number and touches no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_exactly_the_signals_one_to_sixty_four() {
        assert!((1..=64).all(|signal| SignalSet::ALL.contains(signal)));
        assert!(!SignalSet::ALL.contains(0) && !SignalSet::ALL.contains(65));
        let set = SignalSet::EMPTY.with(1).with(64);
        assert!(set.contains(1) && set.contains(64) && !set.contains(2));
        assert_eq!(set.without(64), SignalSet::EMPTY.with(1));
        assert_eq!(format!("{set:?}"), "{1, 64}");
    }

    #[test]
    fn wait_statuses_are_told_apart() {
        assert_eq!(Change::from_status(0x0300), Change::Exited(3));
        assert_eq!(Change::from_status(0xff00), Change::Exited(255));
        assert_eq!(Change::from_status(64), Change::Killed(64));
        assert_eq!(Change::from_status(0x8b), Change::Killed(11));
        let exec = (libc::PTRACE_EVENT_EXEC << 16) | (libc::SIGTRAP << 8) | 0x7f;
        assert_eq!(Change::from_status(exec), Change::Stopped { signal: libc::SIGTRAP, event: libc::PTRACE_EVENT_EXEC });
        assert_eq!(Change::from_status(0xffff), Change::Continued);
    }
}
