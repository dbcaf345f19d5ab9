//! The child at an exec stop: the new program is in place and has not run one instruction.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use nix::unistd::Pid;

use super::executable::{Auxv, MappedExe};
use super::running::Running;
use super::starting::{MAX_EXECS, MAX_FOLLOWING, Starting};
use super::sys;

/// A process that has just executed a program, held by ptrace. If the launcher dies now, the kernel lets it run.
#[derive(Debug)]
pub struct Stopped {
    starting: Starting,
}

impl Stopped {
    pub(super) fn new(starting: Starting) -> Self {
        Self { starting }
    }

    /// The process id, as seen from our namespace.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.starting.pid()
    }

    /// How many execs this process has made, this one included.
    #[must_use]
    pub fn execs(&self) -> u32 {
        self.starting.execs
    }

    /// The link to the executed file: works for deleted files and other mount namespaces too.
    #[must_use]
    pub fn exe(&self) -> PathBuf {
        MappedExe::link(self.pid())
    }

    /// Maps the executed file.
    ///
    /// # Errors
    /// When there is no `/proc`, or the file cannot be read (execute-only permissions, a vanished process).
    pub fn map_exe(&self) -> io::Result<MappedExe> {
        MappedExe::of(self.pid())
    }

    /// What the kernel told the program about itself; its entry gives the load bias.
    ///
    /// # Errors
    /// When there is no `/proc`, or the process vanished.
    pub fn auxv(&self) -> io::Result<Auxv> {
        Auxv::of(self.pid())
    }

    /// This is not the Go program: lets it run, and stops it again at its next exec. After [`MAX_EXECS`] execs, or ten
    /// minutes after the first call, the process is let go instead and [`Starting::next`] says that it is running.
    #[must_use]
    pub fn follow(self) -> Starting {
        let mut starting = self.starting;
        if starting.execs >= MAX_EXECS {
            starting.let_go();
        } else {
            starting.follow_until.get_or_insert_with(|| Instant::now() + MAX_FOLLOWING);
            starting.resume();
        }
        starting
    }

    /// Lets the program run, untraced from here on. Signals that arrived meanwhile are forwarded by [`Running::wait`].
    #[must_use]
    pub fn release(self) -> Running {
        let mut starting = self.starting;
        starting.let_go();
        Running::new(starting.process)
    }

    /// Ends the process before the program has run (`--strict`).
    pub fn abandon(self) {
        let _ = sys::kill(self.pid(), libc::SIGKILL);
        sys::wait_end(self.pid());
    }
}
