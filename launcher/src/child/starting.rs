//! The child between its start and the moment it is let go: one [`StartEvent`] per exec.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::unistd::Pid;

use super::exit::{ExitStatus, Exited, timeout};
use super::process::Process;
use super::running::Running;
use super::signals::Signals;
use super::spawn::{Link, Program, SpawnError};
use super::stopped::Stopped;
use super::sys::{self, Change};

/// How many execs of one process are followed (`sh -c 'exec env … gosu … app'` has four).
pub(super) const MAX_EXECS: u32 = 64;
/// How long a program that is not the Go program yet is followed. Entry scripts wait for databases and migrate them;
/// following costs them nothing but the detour of their signals.
pub(super) const MAX_FOLLOWING: Duration = Duration::from_mins(10);

/// Why the child is held at the barrier before exec and not at the exec stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierReason {
    /// The kernel would withhold the file's privileges from a traced process.
    #[error("the program is setuid, setgid or has file capabilities, which a traced process does not get")]
    Privileged,
    /// The kernel does not let us trace.
    #[error("ptrace was refused ({}): a seccomp profile, Yama, or another tracer", .0.desc())]
    PtraceRefused(Errno),
}

/// What happened to the started process.
#[derive(Debug)]
pub enum StartEvent {
    /// It executed a program and stands before that program's first instruction.
    Exec(Stopped),
    /// It waits before its exec and is not traced.
    Barrier(AtBarrier),
    /// It runs and is not held any more.
    Running(Running),
    /// It ended.
    Ended(Exited),
}

/// A started process that is on its way to an exec.
#[derive(Debug)]
pub struct Starting {
    phase: Phase,
    pub(super) process: Process,
    program: Program,
    link: Link,
    /// Execs seen so far.
    pub(super) execs: u32,
    /// When following ends; set at the first exec that was not the Go program.
    pub(super) follow_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Barrier(BarrierReason),
    /// Under ptrace. `seized`: by SEIZE rather than TRACEME. `letting_go`: to be detached at its next stop.
    Traced {
        seized: bool,
        letting_go: bool,
    },
    LetGo,
}

impl Starting {
    pub(super) fn traced(program: Program, process: Process, link: Link, seized: bool) -> Self {
        let phase = Phase::Traced { seized, letting_go: false };
        Self::new(phase, program, process, link)
    }

    pub(super) fn at_barrier(program: Program, process: Process, link: Link, reason: BarrierReason) -> Self {
        Self::new(Phase::Barrier(reason), program, process, link)
    }

    fn new(phase: Phase, program: Program, process: Process, link: Link) -> Self {
        Self { phase, process, program, link, execs: 0, follow_until: None }
    }

    /// The process id, which stays the same through all execs.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Waits for the next event. Meanwhile signals are forwarded and orphans reaped.
    ///
    /// # Errors
    /// When the program could not be executed; the process is gone and reaped then.
    pub fn next(mut self, signals: &Signals) -> Result<StartEvent, SpawnError> {
        loop {
            let until = match self.phase {
                Phase::Barrier(reason) => {
                    let starting = self;
                    return Ok(StartEvent::Barrier(AtBarrier { reason, starting }));
                }
                Phase::LetGo => return Ok(StartEvent::Running(Running::new(self.process))),
                Phase::Traced { .. } => self.follow_until,
            };
            self.process.forward(signals);
            while let Some((pid, change)) = sys::wait_any() {
                // Others are orphans, reaped by this. (Children of the child, once forks are followed too, come here.)
                if pid != self.process.pid {
                    continue;
                }
                if let Some(exited) = self.process.ended(change) {
                    return self.ended(exited);
                }
                if self.stopped(change) {
                    self.execs += 1;
                    return Ok(StartEvent::Exec(Stopped::new(self)));
                }
            }
            if matches!(self.phase, Phase::Traced { .. }) {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    self.interrupt();
                }
                Process::sleep(signals, left.map_or(PollTimeout::NONE, timeout));
            }
        }
    }

    /// Handles a stop of the child; true if it is an exec stop, in which the child stays.
    fn stopped(&mut self, change: Change) -> bool {
        let Change::Stopped { signal, event } = change else {
            return false;
        };
        let Phase::Traced { seized, letting_go } = self.phase else {
            return false;
        };
        let stops_group = matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU);
        match event {
            libc::PTRACE_EVENT_EXEC if !letting_go => return true,
            // Without SEIZE the first exec is an ordinary SIGTRAP; the ones after it shall be events.
            0 if !seized && self.execs == 0 && signal == libc::SIGTRAP => {
                let options = libc::PTRACE_O_TRACEEXEC.into();
                let _ = sys::ptrace(libc::PTRACE_SETOPTIONS.into(), self.pid(), options);
                return true;
            }
            libc::PTRACE_EVENT_STOP if stops_group && !letting_go => {
                let _ = sys::ptrace(libc::PTRACE_LISTEN.into(), self.pid(), 0);
                self.process.stop_together();
            }
            // A signal is about to be delivered: it is the program's.
            0 => self.go_on(signal, letting_go),
            _ => self.go_on(0, letting_go),
        }
        false
    }

    /// Ends a ptrace stop, with `signal` delivered; for good if the child is being let go.
    fn go_on(&mut self, signal: i32, letting_go: bool) {
        let request = if letting_go {
            self.phase = Phase::LetGo;
            libc::PTRACE_DETACH
        } else {
            libc::PTRACE_CONT
        };
        // ESRCH: the child was killed; the wait will say so.
        let _ = sys::ptrace(request.into(), self.pid(), signal.into());
    }

    /// Following has taken too long: the child is let go at its next stop, which this causes (after TRACEME it cannot
    /// be caused; then the next signal or exec is that stop).
    fn interrupt(&mut self) {
        if let Phase::Traced { seized, .. } = self.phase {
            self.phase = Phase::Traced { seized, letting_go: true };
            self.follow_until = None;
            let _ = sys::ptrace(libc::PTRACE_INTERRUPT.into(), self.pid(), 0);
        }
    }

    /// The child ended: of itself, or because it could not execute the program.
    fn ended(mut self, exited: Exited) -> Result<StartEvent, SpawnError> {
        let failure = if self.execs == 0 { self.link.reply() } else { None };
        match failure {
            Some(errno) if exited.status == ExitStatus::Code(127) => Err(self.program.error(errno)),
            Some(_) | None => Ok(StartEvent::Ended(exited)),
        }
    }

    /// Called by [`Stopped`]: detached at an exec stop, with nothing more to follow.
    pub(super) fn let_go(&mut self) {
        self.go_on(0, true);
    }

    /// Called by [`Stopped`]: goes on under ptrace to the next exec.
    pub(super) fn resume(&mut self) {
        self.go_on(0, false);
    }
}

/// The child waits before its exec, untraced. The caller may look at the file and attach to it.
#[derive(Debug)]
pub struct AtBarrier {
    reason: BarrierReason,
    starting: Starting,
}

impl AtBarrier {
    /// Why it is held here and not at the exec stop.
    #[must_use]
    pub fn reason(&self) -> BarrierReason {
        self.reason
    }

    /// The process that will become the program.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.starting.pid()
    }

    /// The file that will be executed, as an absolute path; `None` if it will not be found.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.starting.program.path()
    }

    /// Lets the child execute the program.
    ///
    /// # Errors
    /// When the program could not be executed; the process is gone and reaped then.
    pub fn go(self) -> Result<Running, SpawnError> {
        let mut starting = self.starting;
        starting.link.go();
        // The pipe closes with the exec, which is a matter of microseconds.
        match starting.link.reply() {
            None => Ok(Running::new(starting.process)),
            Some(errno) => {
                sys::wait_end(starting.pid());
                Err(starting.program.error(errno))
            }
        }
    }

    /// Ends the child before it becomes the program (`--strict`).
    pub fn abandon(self) {
        let pid = self.pid();
        drop(self.starting);
        sys::wait_end(pid);
    }
}
