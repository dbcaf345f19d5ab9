//! The program runs: the one loop of the main thread.

use nix::poll::PollTimeout;
use nix::unistd::Pid;

use super::exit::Exited;
use super::process::Process;
use super::signals::Signals;
use super::sys::{self, Change};

/// The program, running and untraced.
#[derive(Debug)]
pub struct Running {
    process: Process,
}

impl Running {
    pub(super) fn new(process: Process) -> Self {
        Self { process }
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Forwards signals and reaps orphans until the program ends. Allocates nothing.
    #[must_use]
    pub fn wait(mut self, signals: &Signals) -> Exited {
        loop {
            self.process.forward(signals);
            // SIGCHLD coalesces: one of them may stand for hundreds of children.
            while let Some((pid, change)) = sys::wait_any() {
                if pid != self.process.pid {
                    continue;
                }
                if let Some(exited) = self.process.ended(change) {
                    return exited;
                }
                if let Change::Stopped { .. } = change {
                    self.process.stop_together();
                }
            }
            Process::sleep(signals, PollTimeout::NONE);
        }
    }
}
