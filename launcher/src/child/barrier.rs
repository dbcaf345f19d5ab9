//! The program before its exec, where it cannot be held behind it.

use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::sys;
use super::tree::Tree;

/// Why the program is held at the barrier before exec and not at the exec stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierReason {
    /// The kernel would withhold the file's privileges from a traced process.
    #[error("the program is setuid, setgid or has file capabilities, which a traced process does not get")]
    Privileged,
    /// The kernel does not let us trace.
    #[error("ptrace was refused ({}): a seccomp profile, Yama, or another tracer", .0.desc())]
    PtraceRefused(Errno),
}

/// The program's process waits before its exec, untraced. The caller may look at the file and attach to it. If this is
/// dropped, the process ends with the launcher's end of its pipe.
#[derive(Debug)]
#[must_use]
pub struct AtBarrier<'t> {
    tree: &'t mut Tree,
    reason: BarrierReason,
}

impl<'t> AtBarrier<'t> {
    pub(super) fn new(tree: &'t mut Tree, reason: BarrierReason) -> Self {
        Self { tree, reason }
    }

    /// Why it is held here and not at the exec stop.
    #[must_use]
    pub fn reason(&self) -> BarrierReason {
        self.reason
    }

    /// The process that will become the program.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.tree.pid()
    }

    /// The file that will be executed, as an absolute path; `None` if it will not be found.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.tree.file.clone()
    }

    /// Lets the process execute the program. Not waited for: an exec from a slow file system takes its time, and signals come
    /// meanwhile. That it failed is told by [`Tree::next`], as it is of a process that was held.
    pub fn go(self) {
        self.tree.link.go();
    }

    /// Ends the process before it becomes the program (`--strict`).
    pub fn abandon(self) {
        let _ = sys::kill(self.tree.pid(), libc::SIGKILL);
        sys::wait_end(self.tree.pid());
    }
}
