//! The bounded wait for the telemetry of a command that has ended.

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
/// the command ended by itself, the first one changes nothing (a `docker stop` that comes as the command exits should
/// not cost the last spans: the deadline is far below every grace period), and the next one ends the wait. One that comes
/// right behind another is the same request: `timeout` sends its signal to the process and to its group.
pub(super) fn wait_for(
    done: BorrowedFd<'_>,
    deadline: Instant,
    signals: &Signals,
    mut asked: Option<Request>,
    mut reap: impl FnMut(),
) -> FlushEnd {
    loop {
        while let Some(signal) = signals.take() {
            if matches!(signal.number(), libc::SIGTERM | libc::SIGINT) && !signal.is_ours() {
                match asked {
                    Some(before) if before.is_repeated_by(signal.number()) => {}
                    Some(_) => return FlushEnd::Interrupted,
                    None => asked = Some(Request::now(signal.number())),
                }
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

/// A request to end: a signal, and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    signal: i32,
    at: Instant,
}

impl Request {
    pub(super) fn now(signal: i32) -> Self {
        Self { signal, at: Instant::now() }
    }

    /// By another signal than any that may come here.
    pub(super) fn otherwise() -> Self {
        Self::now(0)
    }

    fn is_repeated_by(self, signal: i32) -> bool {
        self.signal == signal && self.at.elapsed() < SAME_REQUEST
    }
}

/// Two signals of one kind that are no further apart are one request.
const SAME_REQUEST: Duration = Duration::from_millis(50);

/// The poll timeout that does not end before `left` has passed: rounded up to a millisecond, and at most a minute
/// (callers look at the clock and wait again).
pub(super) fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000).min(60_000);
    u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
}
