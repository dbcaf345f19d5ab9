//! How the command ended.

use nix::unistd::Pid;

use super::flush::Request;
use super::sys::Change;

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

/// The command has ended and was reaped. There is no way back from here.
#[derive(Debug)]
pub struct Exited {
    pub(super) pid: Pid,
    pub(super) status: ExitStatus,
    /// When somebody asked the command to end, if so: one more request is the second then.
    pub(super) asked_to_end: Option<Request>,
}

impl Exited {
    /// How the command ended.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// The process id that the command had. It may belong to another process by now.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }
}
