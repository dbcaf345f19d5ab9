//! The command after the fork: its process, what is traced of what it started, and how it was started.

use std::path::PathBuf;

use nix::unistd::Pid;

use super::command::Command;
use super::link::Link;
use super::process::Process;
use super::tracees::Tracees;

/// What [`super::Tree`] waits for, and what is held of it ([`super::Stopped`], [`super::AtBarrier`]).
#[derive(Debug)]
pub(super) struct Launched {
    /// The command's process, our child.
    pub(super) process: Process,
    pub(super) tracees: Tracees,
    pub(super) command: Command,
    /// The file that exec would take when the command was started, as an absolute path: since then, a relative name may mean
    /// another one.
    pub(super) file: Option<PathBuf>,
    pub(super) link: Link,
    /// The working directory that the command was started in.
    pub(super) directory: PathBuf,
}

impl Launched {
    /// The process id of the command.
    pub(super) fn pid(&self) -> Pid {
        self.process.pid
    }
}
