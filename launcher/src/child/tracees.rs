//! The threads that are held under ptrace: what each of their stops means, and how far they are followed.
//!
//! A followed thread runs until it forks, executes a program, gets a signal or stops; its children are followed as it is
//! (`PTRACE_O_TRACEFORK` and its like). Everything here happens on the thread that forked: ptrace belongs to a thread.
//! If that ends, for whatever reason, the kernel lets all of them go on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::limits::{BRIEF, Limit, MAX_BRIEF_STOPS, MAX_EXECS, MAX_THREADS, MAX_WATCHED_STOPS, Reached};
use super::privilege;
use super::ptrace;
use crate::capabilities::raised;
use crate::log;

/// Stop at execs, hold what is forked, and tell system calls from breakpoints.
pub(super) const OPTIONS: i32 = libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACESYSGOOD;

/// The signal of a system call's stop under `PTRACE_O_TRACESYSGOOD`.
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// How far a process is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// A shell, an init, a supervisor: as long as it runs.
    Always,
    /// Something else that may execute a Go program: for ten minutes and 5,000 stops ([`super::limits`]).
    Briefly,
}

/// What a stop means to the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A program was executed, and stays where it is until it is told to go on.
    Exec,
    /// The process was stopped by a signal, and stays stopped.
    Group,
    /// An ordinary stop of a process that is not traced.
    Untraced,
    /// It has been taken care of.
    Handled,
}

#[derive(Clone, Copy, Debug)]
struct Tracee {
    /// Execs in a row, without a fork in between.
    execs: u32,
    /// When following ends; `None`: never.
    until: Option<Instant>,
    /// To be detached at its next stop.
    letting_go: bool,
    /// Stopped at system calls too, because an exec could give it privileges that a traced process does not get.
    watched: bool,
}

/// All traced threads, by their id.
#[derive(Debug, Default)]
pub(super) struct Tracees {
    threads: HashMap<Pid, Tracee>,
    brief_stops: u32,
    watched_stops: u32,
    /// The command's process.
    main: Option<Pid>,
    reached: Reached,
    /// No process is to be held any more.
    letting_go: bool,
}

impl Tracees {
    /// Takes the command's process under ptrace, while it runs or waits.
    ///
    /// `CAP_SYS_PTRACE` is raised for Yama's scope 2, and because the kernel remembers whether a tracer had it when it
    /// attached: only then do set-id programs keep their privileges (`ptracer_capable`, kernel/ptrace.c).
    pub(super) fn seize(&mut self, pid: Pid) -> Result<(), Errno> {
        raised(|| ptrace::request(libc::PTRACE_SEIZE.into(), pid, OPTIONS.into()))?;
        self.threads.insert(pid, Tracee { execs: 0, until: None, letting_go: false, watched: false });
        self.main = Some(pid);
        Ok(())
    }

    /// The first reason why something is not followed, or not any more.
    pub(super) fn limit(&self) -> Option<Limit> {
        self.reached.first()
    }

    /// Following `pid` ends for want of rights. An entry script runs many programs that start nothing: these are not worth a line,
    /// unless nothing is traced in the end.
    fn reached_for_want_of_rights(&mut self, pid: Pid, limit: Limit) {
        if self.main == Some(pid) {
            self.reached.say(limit);
        } else {
            self.reached.note(limit);
            log::debug(format_args!("process {pid} is not followed: {limit}"));
        }
    }

    /// Whether any thread is traced.
    pub(super) fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// How many programs `pid` has executed since it is traced.
    pub(super) fn execs(&self, pid: Pid) -> u32 {
        self.threads.get(&pid).map_or(0, |tracee| tracee.execs)
    }

    /// `pid` has ended.
    pub(super) fn ended(&mut self, pid: Pid) {
        self.threads.remove(&pid);
    }

    /// Handles a stop of `pid` by `signal` (a ptrace event if `event` is not 0).
    pub(super) fn stopped(&mut self, pid: Pid, signal: i32, event: i32) -> Stop {
        let stops_group = matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU);
        if !self.threads.contains_key(&pid) {
            if event == 0 {
                return Stop::Untraced;
            }
            // A forked child was faster than the event of its parent.
            self.adopt(pid, None);
        }
        self.count_stop(pid);
        match event {
            libc::PTRACE_EVENT_EXEC => return self.executed(pid),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                if let Some(child) = ptrace::event_message(pid) {
                    self.adopt(child, Some(pid));
                }
                self.go_on(pid, 0);
            }
            libc::PTRACE_EVENT_STOP if stops_group && !self.is_let_go(pid) => {
                let _ = ptrace::request(libc::PTRACE_LISTEN.into(), pid, 0);
                return Stop::Group;
            }
            0 if signal == SYSCALL_STOP => self.at_system_call(pid),
            // A signal is about to be delivered: it is the process's.
            0 => self.go_on(pid, signal),
            _ => self.go_on(pid, 0),
        }
        Stop::Handled
    }

    /// `pid` stands at an exec stop and was not the Go program: it goes on, and stops again at its next exec or fork.
    pub(super) fn follow(&mut self, pid: Pid, follow: Follow) {
        let watched = privilege::may_be_gained(pid);
        let Some(tracee) = self.threads.get_mut(&pid) else {
            return;
        };
        tracee.until = match follow {
            Follow::Always => None,
            Follow::Briefly => Some(tracee.until.unwrap_or_else(|| Instant::now() + BRIEF)),
        };
        tracee.watched = watched;
        // Stopping at every system call is for shells and their like, not for a program that works.
        let limit = if watched && follow == Follow::Briefly {
            Some(Limit::OrdinaryUser)
        } else if watched && self.watched_stops >= MAX_WATCHED_STOPS {
            Some(Limit::SystemCalls)
        } else if tracee.execs >= MAX_EXECS {
            Some(Limit::Execs)
        } else {
            None
        };
        if let Some(limit) = limit {
            tracee.letting_go = true;
            if limit == Limit::OrdinaryUser {
                self.reached_for_want_of_rights(pid, limit);
            } else {
                self.reached.say(limit);
            }
        }
        self.go_on(pid, 0);
    }

    /// `pid` stands at an exec stop: it goes on, untraced.
    pub(super) fn release(&mut self, pid: Pid) {
        if let Some(tracee) = self.threads.get_mut(&pid) {
            tracee.letting_go = true;
        }
        self.go_on(pid, 0);
    }

    /// Lets all go, at their next stop, which is caused.
    pub(super) fn release_all(&mut self) {
        self.letting_go = true;
        self.interrupt(|_| true);
    }

    /// Lets those go whose time is up; returns how long the next one has.
    pub(super) fn release_overdue(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let is_overdue = |tracee: &Tracee| tracee.until.is_some_and(|until| until <= now);
        if self.threads.values().any(|tracee| !tracee.letting_go && is_overdue(tracee)) {
            self.interrupt(is_overdue);
            self.reached.say(Limit::Time);
        }
        let next = self.threads.values().filter(|tracee| !tracee.letting_go).filter_map(|tracee| tracee.until).min();
        next.map(|next| next.saturating_duration_since(now))
    }

    fn interrupt(&mut self, which: impl Fn(&Tracee) -> bool) {
        for (pid, tracee) in &mut self.threads {
            if !tracee.letting_go && which(tracee) {
                tracee.letting_go = true;
                // It fails only for a thread that has ended.
                let _ = ptrace::request(libc::PTRACE_INTERRUPT.into(), *pid, 0);
            }
        }
    }

    /// A new child or thread, followed as its parent is. The parent's event may come after the child's first stop.
    fn adopt(&mut self, pid: Pid, parent: Option<Pid>) {
        let of_parent = parent.and_then(|parent| self.threads.get(&parent).copied());
        let full = self.threads.len() >= MAX_THREADS;
        let inherited = of_parent.unwrap_or(Tracee { execs: 0, until: None, letting_go: false, watched: false });
        let tracee = self.threads.entry(pid).or_insert(inherited);
        if of_parent.is_some() {
            *tracee = Tracee { execs: 0, letting_go: tracee.letting_go || inherited.letting_go, ..inherited };
        }
        tracee.letting_go |= full || self.letting_go;
        if full {
            self.reached.say(Limit::Threads);
        }
    }

    fn executed(&mut self, pid: Pid) -> Stop {
        // The thread that called exec has taken the process's id; it is told of no more under its own.
        if let Some(former) = ptrace::event_message(pid).filter(|former| *former != pid) {
            self.threads.remove(&former);
        }
        if let Some(tracee) = self.threads.get_mut(&pid) {
            tracee.execs += 1;
        }
        if self.is_let_go(pid) {
            self.go_on(pid, 0);
            return Stop::Handled;
        }
        Stop::Exec
    }

    /// Before or behind a system call of a watched thread. An exec that gives privileges is left to run untraced.
    fn at_system_call(&mut self, pid: Pid) {
        if ptrace::position(pid).and_then(|position| position.entering).is_some_and(|call| privilege::is_gained_by(pid, call))
            && let Some(tracee) = self.threads.get_mut(&pid)
        {
            tracee.letting_go = true;
            self.reached_for_want_of_rights(pid, Limit::Privileges);
        }
        self.go_on(pid, 0);
    }

    fn count_stop(&mut self, pid: Pid) {
        let Some(&Tracee { until, watched, .. }) = self.threads.get(&pid) else {
            return;
        };
        if until.is_some() {
            self.brief_stops += 1;
            if self.brief_stops == MAX_BRIEF_STOPS {
                self.reached.say(Limit::Stops);
            }
            if self.brief_stops >= MAX_BRIEF_STOPS {
                self.interrupt(|tracee| tracee.until.is_some());
            }
        }
        if watched {
            self.watched_stops += 1;
            if self.watched_stops == MAX_WATCHED_STOPS {
                self.interrupt(|tracee| tracee.watched);
                self.reached.say(Limit::SystemCalls);
            }
        }
    }

    fn is_let_go(&self, pid: Pid) -> bool {
        self.letting_go || self.threads.get(&pid).is_some_and(|tracee| tracee.letting_go)
    }

    /// Ends a stop, with `signal` delivered; for good if the thread is being let go.
    fn go_on(&mut self, pid: Pid, signal: i32) {
        let request = if self.is_let_go(pid) {
            self.threads.remove(&pid);
            libc::PTRACE_DETACH
        } else if self.threads.get(&pid).is_some_and(|tracee| tracee.watched) {
            libc::PTRACE_SYSCALL
        } else {
            libc::PTRACE_CONT
        };
        // ESRCH: it was killed; the wait will say so.
        let _ = ptrace::request(request.into(), pid, signal.into());
    }
}
