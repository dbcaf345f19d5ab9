//! The launcher's signals: all blocked, read from one descriptor, and given back unchanged to the command.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::{Pid, getpid};

use super::forwarding::Forwarding;
use super::inherited::Inherited;
use super::sys::{self, SignalSet};

/// Signals that the kernel raises for what a thread itself did. With a positive `si_code` they are about us.
const FAULTS: SignalSet = SignalSet::EMPTY
    .with(libc::SIGSEGV)
    .with(libc::SIGBUS)
    .with(libc::SIGFPE)
    .with(libc::SIGILL)
    .with(libc::SIGTRAP)
    .with(libc::SIGSYS)
    .with(libc::SIGXCPU)
    .with(libc::SIGXFSZ);

/// The launcher could not take its signals over. The mask is as it was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not open a signalfd ({errno}); without it signals cannot be forwarded. Raise the limit of open files, or run on \
     a kernel that has signalfd"
)]
pub struct TakeOverError {
    /// What the kernel said.
    pub errno: Errno,
}

/// The signals of this process, taken over: every one blocked (threads started later inherit that), all of them
/// readable here, and what the command must get back remembered.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    /// The mask this process was started with.
    pub(super) mask: SignalSet,
    /// What else this process was started with.
    pub(super) inherited: Inherited,
    /// What becomes of the signals that arrive.
    pub(super) forwarding: Forwarding,
    /// This process, as it appears as a sender.
    own_pid: Pid,
}

impl Signals {
    /// Blocks every signal, sets SIGCHLD to its default (a SIGCHLD inherited as ignored would reap the command behind
    /// our back) and opens the signalfd. Must be the first thing in `main`, before any thread or descriptor exists.
    ///
    /// # Errors
    /// When the signalfd cannot be opened. The mask is then what it was, and the command can still be executed in
    /// place by [`super::exec_in_place`].
    pub fn take_over() -> Result<Self, TakeOverError> {
        let failed = |errno| TakeOverError { errno };
        let mask = sys::set_mask(SignalSet::ALL).map_err(failed)?;
        let inherited = Inherited::read();
        let opened = sys::set_ignored(libc::SIGCHLD, false).and_then(|()| sys::signalfd(SignalSet::ALL));
        let fd = opened.map_err(|errno| {
            // Setting a mask that was valid before cannot fail.
            let _ = sys::set_mask(mask);
            let _ = sys::set_ignored(libc::SIGCHLD, inherited.ignored.contains(libc::SIGCHLD));
            failed(errno)
        })?;
        Ok(Self { fd, mask, inherited, forwarding: Forwarding::default(), own_pid: getpid() })
    }

    /// Sets how signals are forwarded from now on.
    pub fn forward_by(&mut self, forwarding: Forwarding) {
        self.forwarding = forwarding;
    }

    /// Takes one signal that has arrived, or `None`. Never waits.
    pub(super) fn take(&self) -> Option<Arrived> {
        let info = sys::read_signal(self.fd.as_fd())?;
        Some(Arrived {
            number: i32::try_from(info.ssi_signo).unwrap_or(0),
            code: info.ssi_code,
            from_self: i32::try_from(info.ssi_pid) == Ok(self.own_pid.as_raw()),
        })
    }

    /// The signals that this process was started with as ignored. The command gets the same.
    #[must_use]
    pub fn inherited_ignored(&self) -> SignalSet {
        self.inherited.ignored
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One signal that was sent to this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    number: i32,
    code: i32,
    from_self: bool,
}

impl Arrived {
    pub(super) fn number(self) -> i32 {
        self.number
    }

    /// Whether the signal is about this process and must not reach the command: a fault of ours, or the SIGPIPE of a
    /// write of ours. A blocked SIGPIPE is queued even when it is ignored, and names its own process as the sender;
    /// signals of a terminal (positive code, no sender) are not ours alone.
    pub(super) fn is_ours(self) -> bool {
        let fault = FAULTS.contains(self.number) && self.code > 0;
        let own = self.from_self && self.number != libc::SIGCHLD;
        fault || own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(number: i32, code: i32, from_self: bool) -> Arrived {
        Arrived { number, code, from_self }
    }

    #[test]
    fn faults_of_the_kernel_and_own_signals_are_ours_and_nothing_else() {
        const SI_KERNEL: i32 = 0x80;
        assert!(arrived(libc::SIGSEGV, 1, false).is_ours());
        assert!(arrived(libc::SIGPIPE, 0, true).is_ours());
        // kill -SEGV from outside, ^C from the terminal, a SIGPIPE somebody sent.
        assert!(!arrived(libc::SIGSEGV, libc::SI_USER, false).is_ours());
        assert!(!arrived(libc::SIGINT, SI_KERNEL, false).is_ours());
        assert!(!arrived(libc::SIGPIPE, libc::SI_USER, false).is_ours());
    }
}
