//! The command's process before its exec, where it cannot be held behind it.

use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::launched::Launched;
use super::sys;

/// Why the process is held at the barrier before exec and not at the exec stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierReason {
    /// The kernel would withhold the file's privileges from a traced process.
    #[error("the program is setuid, setgid or has file capabilities, which a traced process does not get")]
    Privileged,
    /// The kernel does not let us trace.
    #[error("ptrace was refused ({}): a seccomp profile, Yama, or another tracer", .0.desc())]
    PtraceRefused(Errno),
}

/// The command's process waits before its exec, untraced. The caller may look at the file and attach to it. If this is
/// dropped, the process ends with the launcher's end of its pipe.
#[derive(Debug)]
#[must_use]
pub struct AtBarrier<'t> {
    launched: &'t mut Launched,
    reason: BarrierReason,
}

impl<'t> AtBarrier<'t> {
    pub(super) fn new(launched: &'t mut Launched, reason: BarrierReason) -> Self {
        Self { launched, reason }
    }

    /// Why it is held here and not at the exec stop.
    #[must_use]
    pub fn reason(&self) -> BarrierReason {
        self.reason
    }

    /// The process, in which the command will be executed.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.launched.pid()
    }

    /// The file that will be executed, as an absolute path; `None` if it will not be found.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.launched.file.clone()
    }

    /// Lets the process execute the command. Not waited for: an exec from a slow file system takes its time, and signals come
    /// meanwhile. That it failed is told by [`super::Tree::next`], as it is of a process that was held.
    pub fn go(self) {
        self.launched.link.go();
    }

    /// Ends the process before its exec (`--strict`).
    pub fn abandon(self) {
        let _ = sys::kill(self.launched.pid(), libc::SIGKILL);
        sys::wait_end(self.launched.pid());
    }
}
