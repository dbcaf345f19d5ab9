//! How the program ended, and the bounded wait for its telemetry that follows.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::signals::Signals;
use super::sys::{self, Change};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called exit with this code.
    Code(u8),
    /// This signal ended it (1–64).
    Signal(i32),
}

impl ExitStatus {
    pub(super) fn of(change: Change) -> Option<Self> {
        match change {
            Change::Exited(code) => Some(Self::Code(code)),
            Change::Killed(signal) => Some(Self::Signal(signal)),
            Change::Stopped { .. } | Change::Continued => None,
        }
    }
}

/// The program has ended and was reaped. There is no way back from here.
#[derive(Debug)]
pub struct Exited {
    pub(super) pid: Pid,
    pub(super) status: ExitStatus,
    /// Whether somebody has asked the program to end already: then one more request is the second.
    pub(super) asked_to_end: bool,
}

/// Why [`Exited::wait_for`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushEnd {
    /// The descriptor became readable, or its other end was closed: the telemetry is out, or its thread is gone.
    Done,
    /// The deadline came first.
    Deadline,
    /// A second SIGTERM or SIGINT came first.
    Interrupted,
}

impl Exited {
    /// How the program ended.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// The process id the program had. It may belong to another process by now.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until `done` is readable or hung up, at most until `deadline`. Orphans are still reaped.
    ///
    /// A second SIGTERM or SIGINT ends the wait. It is the second when the program was asked to end before: we
    /// forwarded such a signal, one of them killed it, or it had the terminal (whose ^C reaches it, not us). When it
    /// ended by itself, the first one received here changes nothing (a `docker stop` that comes as the program exits
    /// should not cost the last spans: the deadline is far below every grace period), and the next one ends the wait.
    #[must_use]
    pub fn wait_for(&self, done: BorrowedFd<'_>, deadline: Instant, signals: &Signals) -> FlushEnd {
        let mut asked = self.asked_to_end;
        loop {
            while let Some(signal) = signals.take() {
                if matches!(signal.number(), libc::SIGTERM | libc::SIGINT) && !signal.is_ours() {
                    if asked {
                        return FlushEnd::Interrupted;
                    }
                    asked = true;
                }
            }
            while sys::wait_any().is_some() {}
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(done, PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            // An error is EINTR at most; the loop looks at everything again.
            if poll(&mut fds, timeout(left)).is_ok() && fds[0].any().unwrap_or(true) {
                return FlushEnd::Done;
            }
            if left.is_zero() {
                return FlushEnd::Deadline;
            }
        }
    }
}

/// The poll timeout that does not end before `left` has passed: rounded up to a millisecond, and at most a minute
/// (callers look at the clock and wait again).
pub(super) fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000).min(60_000);
    u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
}
