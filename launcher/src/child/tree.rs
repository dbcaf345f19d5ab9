//! The program and what it starts, from the fork to the program's end: the one loop of the main thread.
//!
//! It forwards signals, reaps orphans, and handles the stops of what is traced, all by one wait: `waitpid(-1)` takes
//! ptrace stops even without being asked for them, so reaping and tracing cannot be apart.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Instant;

use nix::poll::PollTimeout;
use nix::unistd::Pid;

use super::barrier::{AtBarrier, BarrierReason};
use super::exit::{ExitStatus, Exited};
use super::flush::{self, FlushEnd, timeout};
use super::limits::Limit;
use super::process::Process;
use super::signals::Signals;
use super::spawn::{Link, Program, SpawnError};
use super::stopped::Stopped;
use super::sys::{self, Change};
use super::tracees::{Stop, Tracees};

/// What happened.
#[derive(Debug)]
pub enum Event<'t> {
    /// The program, or one that it started, was executed and stands before its first instruction.
    Exec(Stopped<'t>),
    /// The program waits before its exec and is not traced.
    Barrier(AtBarrier<'t>),
    /// The program ended. What it started may still run.
    Ended(Exited),
}

/// The program, which is our child, and those of its descendants that are traced.
#[derive(Debug)]
pub struct Tree {
    pub(super) process: Process,
    pub(super) tracees: Tracees,
    pub(super) program: Program,
    /// The file that exec would take when the program was started, as an absolute path: since then, a relative name may mean
    /// another one.
    pub(super) file: Option<PathBuf>,
    pub(super) link: Link,
    /// The working directory that the program was started in.
    pub(super) directory: PathBuf,
    /// Why the program waits before its exec.
    barrier: Option<BarrierReason>,
}

impl Tree {
    /// The program's process waits for the word to go on. Under ptrace, unless `barrier` says why not.
    pub(super) fn new(
        process: Process,
        tracees: Tracees,
        (program, file): (Program, Option<PathBuf>),
        link: Link,
        barrier: Option<BarrierReason>,
    ) -> Self {
        let directory = std::env::current_dir().unwrap_or_default();
        Self { process, tracees, program, file, link, directory, barrier }
    }

    /// The program's process id, which stays the same through all its execs.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Whether anything is traced still, so that more [`Event::Exec`] may come.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        !self.tracees.is_empty()
    }

    /// Why not everything is followed, if so.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.tracees.limit()
    }

    /// Waits for the next event. Meanwhile signals are forwarded and orphans reaped. Allocates nothing while nothing is
    /// traced.
    ///
    /// # Errors
    /// When the program could not be executed; its process is gone and reaped then.
    pub fn next(&mut self, signals: &Signals) -> Result<Event<'_>, SpawnError> {
        if let Some(reason) = self.barrier.take() {
            return Ok(Event::Barrier(AtBarrier::new(self, reason)));
        }
        loop {
            self.process.forward(signals);
            // SIGCHLD coalesces: one of them may stand for hundreds of children.
            while let Some((pid, change)) = sys::wait_any() {
                if let Some(exited) = self.changed(pid, change) {
                    return self.ended(exited).map(Event::Ended);
                }
                if let Change::Stopped { signal, event } = change
                    && self.stopped(pid, signal, event) == Stop::Exec
                {
                    return Ok(Event::Exec(Stopped::new(self, pid)));
                }
            }
            let left = self.tracees.release_overdue();
            Process::sleep(signals, left.map_or(PollTimeout::NONE, timeout));
        }
    }

    /// Waits, after the program's end, until `done` is readable or hung up, at most until `deadline`. Orphans are still
    /// reaped; what is still traced is let go.
    ///
    /// A second SIGTERM or SIGINT ends the wait. It is the second when the program was asked to end before: we
    /// forwarded such a signal, one of them killed it, or it had the terminal (whose ^C reaches it, not us).
    #[must_use]
    pub fn wait_for(&mut self, exited: &Exited, done: BorrowedFd<'_>, deadline: Instant, signals: &Signals) -> FlushEnd {
        self.tracees.release_all();
        flush::wait_for(done, deadline, signals, exited.asked_to_end, || {
            while let Some((pid, change)) = sys::wait_any() {
                match change {
                    Change::Stopped { signal, event } => {
                        let _let_go = self.tracees.stopped(pid, signal, event);
                    }
                    Change::Exited(_) | Change::Killed(_) => self.tracees.ended(pid),
                    Change::Continued => {}
                }
            }
        })
    }

    /// Notes an end; `Some` if it is the program's.
    fn changed(&mut self, pid: Pid, change: Change) -> Option<Exited> {
        if ExitStatus::of(change).is_some() {
            self.tracees.ended(pid);
        }
        if pid == self.process.pid { self.process.ended(change) } else { None }
    }

    fn stopped(&mut self, pid: Pid, signal: i32, event: i32) -> Stop {
        let stop = self.tracees.stopped(pid, signal, event);
        if pid == self.process.pid && matches!(stop, Stop::Group | Stop::Untraced) {
            self.process.stop_together();
        }
        stop
    }

    /// The program ended: of itself, or because it could not be executed.
    fn ended(&mut self, exited: Exited) -> Result<Exited, SpawnError> {
        match self.link.failure() {
            Some(errno) if exited.status == ExitStatus::Code(127) => Err(self.program.error(errno, self.file.is_some())),
            Some(_) | None => Ok(exited),
        }
    }
}
