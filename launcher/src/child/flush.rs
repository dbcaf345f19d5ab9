//! The bounded wait for the telemetry of a program that has ended.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::signals::Signals;

/// Why the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushEnd {
    /// The descriptor became readable, or its other end was closed: the telemetry is out, or its thread is gone.
    Done,
    /// The deadline came first.
    Deadline,
    /// A second SIGTERM or SIGINT came first.
    Interrupted,
}

/// Waits until `done` is readable or hung up, at most until `deadline`; calls `reap` whenever something has happened.
///
/// A second SIGTERM or SIGINT ends the wait: the first one received here if one has been heeded before (`asked`). When
/// the program ended by itself, the first one changes nothing (a `docker stop` that comes as the program exits should
/// not cost the last spans: the deadline is far below every grace period), and the next one ends the wait.
pub(super) fn wait_for(
    done: BorrowedFd<'_>,
    deadline: Instant,
    signals: &Signals,
    mut asked: bool,
    mut reap: impl FnMut(),
) -> FlushEnd {
    loop {
        while let Some(signal) = signals.take() {
            if matches!(signal.number(), libc::SIGTERM | libc::SIGINT) && !signal.is_ours() {
                if asked {
                    return FlushEnd::Interrupted;
                }
                asked = true;
            }
        }
        reap();
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

/// The poll timeout that does not end before `left` has passed: rounded up to a millisecond, and at most a minute
/// (callers look at the clock and wait again).
pub(super) fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000).min(60_000);
    u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
}
