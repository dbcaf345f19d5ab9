//! The command and what it starts, from the fork to the command's end: the one loop of the main thread.
//!
//! It forwards signals, reaps orphans, and handles the stops of what is traced, all by one wait: `waitpid(-1)` takes
//! ptrace stops even without being asked for them, so reaping and tracing cannot be apart.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::poll::PollTimeout;
use nix::unistd::Pid;

use super::barrier::{AtBarrier, BarrierReason};
use super::command::SpawnError;
use super::exit::{ExitStatus, Exited};
use super::flush::{self, FlushEnd, timeout};
use super::launched::Launched;
use super::limits::Limit;
use super::process::Process;
use super::signals::Signals;
use super::stopped::Stopped;
use super::sys::{self, Change};
use super::tracees::Stop;

/// What happened.
#[derive(Debug)]
pub enum Event<'t> {
    /// The command, or a program that it started, was executed and stands before its first instruction.
    Exec(Stopped<'t>),
    /// The command's process waits before its exec and is not traced.
    Barrier(AtBarrier<'t>),
    /// The command ended. What it started may still run.
    Ended(Exited),
}

/// The command's process, which is our child, and those of its descendants that are traced.
#[derive(Debug)]
pub struct Tree {
    launched: Launched,
    /// Why the command's process waits before its exec.
    barrier: Option<BarrierReason>,
}

impl Tree {
    /// The command's process waits for the word to go on. Under ptrace, unless `barrier` says why not.
    pub(super) fn new(launched: Launched, barrier: Option<BarrierReason>) -> Self {
        Self { launched, barrier }
    }

    /// The process id of the command, which stays the same through all its execs.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.launched.pid()
    }

    /// Whether anything is traced still, so that more [`Event::Exec`] may come.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        !self.launched.tracees.is_empty()
    }

    /// Why not everything is followed, if so.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.launched.tracees.limit()
    }

    /// Waits for the next event. Meanwhile signals are forwarded and orphans reaped. Allocates nothing while nothing is
    /// traced.
    ///
    /// # Errors
    /// When the command could not be executed; its process is gone and reaped then.
    pub fn next(&mut self, signals: &Signals) -> Result<Event<'_>, SpawnError> {
        if let Some(reason) = self.barrier.take() {
            return Ok(Event::Barrier(AtBarrier::new(&mut self.launched, reason)));
        }
        loop {
            self.launched.process.forward(signals);
            // SIGCHLD coalesces: one of them may stand for hundreds of children.
            while let Some((pid, change)) = sys::wait_any() {
                if let Some(exited) = self.changed(pid, change) {
                    return self.ended(exited).map(Event::Ended);
                }
                if let Change::Stopped { signal, event } = change
                    && self.stopped(pid, signal, event) == Stop::Exec
                {
                    return Ok(Event::Exec(Stopped::new(&mut self.launched, pid)));
                }
            }
            let left = self.launched.tracees.release_overdue();
            Process::sleep(signals, left.map_or(PollTimeout::NONE, timeout));
        }
    }

    /// Waits, after the command's end, until `done` is readable or hung up, at most until `deadline`. Orphans are still
    /// reaped; what is still traced is let go.
    ///
    /// A second SIGTERM or SIGINT ends the wait. It is the second when the command was asked to end before: we
    /// forwarded such a signal, one of them killed it, or it had the terminal (whose ^C reaches it, not us).
    #[must_use]
    pub fn wait_for(&mut self, exited: &Exited, done: BorrowedFd<'_>, deadline: Instant, signals: &Signals) -> FlushEnd {
        self.launched.tracees.release_all();
        flush::wait_for(done, deadline, signals, exited.asked_to_end, || {
            while let Some((pid, change)) = sys::wait_any() {
                match change {
                    Change::Stopped { signal, event } => {
                        let _let_go = self.launched.tracees.stopped(pid, signal, event);
                    }
                    Change::Exited(_) | Change::Killed(_) => self.launched.tracees.ended(pid),
                    Change::Continued => {}
                }
            }
        })
    }

    /// Notes an end; `Some` if it is the command's.
    fn changed(&mut self, pid: Pid, change: Change) -> Option<Exited> {
        if ExitStatus::of(change).is_some() {
            self.launched.tracees.ended(pid);
        }
        if pid == self.launched.process.pid { self.launched.process.ended(change) } else { None }
    }

    fn stopped(&mut self, pid: Pid, signal: i32, event: i32) -> Stop {
        let stop = self.launched.tracees.stopped(pid, signal, event);
        if pid == self.launched.process.pid && matches!(stop, Stop::Group | Stop::Untraced) {
            self.launched.process.stop_together();
        }
        stop
    }

    /// The command ended: of itself, or because it could not be executed.
    fn ended(&mut self, exited: Exited) -> Result<Exited, SpawnError> {
        let launched = &mut self.launched;
        match launched.link.failure() {
            Some(errno) if exited.status == ExitStatus::Code(127) => Err(launched.command.error(errno, launched.file.is_some())),
            Some(_) | None => Ok(exited),
        }
    }
}
