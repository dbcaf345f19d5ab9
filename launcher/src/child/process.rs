//! What is the same in every state of the child: where signals go, and stopping together.

use std::io::stdin;
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpgrp, getpid, tcgetpgrp, tcsetpgrp};

use super::exit::{ExitStatus, Exited};
use super::flush::Request;
use super::signals::Signals;
use super::sys::{self, Change, SignalSet};

/// Signals that stop a process which does not handle them. (SIGSTOP can be sent, by `--rewrite TSTP:STOP`.)
const STOPS: SignalSet = SignalSet::EMPTY.with(libc::SIGTSTP).with(libc::SIGTTIN).with(libc::SIGTTOU).with(libc::SIGSTOP);

/// The child process, in whatever state, and what has been forwarded to it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: Pid,
    /// Our process group, if the child was given the terminal of standard input.
    terminal_of: Option<Pid>,
    /// When the last SIGTERM or SIGINT was forwarded.
    asked_to_end: Option<Request>,
    /// A stop signal was forwarded: when the child stops, so do we.
    stop_forwarded: bool,
}

impl Process {
    pub(super) fn new(pid: Pid, terminal_of: Option<Pid>) -> Self {
        Self { pid, terminal_of, asked_to_end: None, stop_forwarded: false }
    }

    /// Waits until a signal (SIGCHLD too) has arrived, at most for `timeout`.
    pub(super) fn sleep(signals: &Signals, timeout: PollTimeout) {
        // Failing means EINTR (every signal is blocked, but a stop and continue can cause it): the caller looks again.
        let _ = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], timeout);
    }

    /// Forwards every signal that has arrived, but SIGCHLD and those that are about the launcher.
    pub(super) fn forward(&mut self, signals: &Signals) {
        while let Some(signal) = signals.take() {
            let number = signal.number();
            if number == libc::SIGCHLD || signal.is_ours() {
                continue;
            }
            if number == libc::SIGCONT {
                self.stop_forwarded = false;
                self.hand_over_terminal();
            }
            let Some(sent) = signals.forwarding.rewritten(number) else {
                continue;
            };
            if matches!(number, libc::SIGTERM | libc::SIGINT) {
                self.asked_to_end = Some(Request::now(number));
            }
            self.stop_forwarded |= STOPS.contains(sent);
            // The terminal stops a whole group, so the whole group is to go on.
            let to_group = sent == libc::SIGCONT && self.terminal_of.is_some();
            // The child is ours to reap, so its pid is its own.
            signals.forwarding.send(self.pid, sent, to_group);
        }
    }

    /// The child has stopped. Stops this process too, if whoever stopped the child addressed both: by a signal that we
    /// forwarded, or by the terminal. Returns when this process is continued; that SIGCONT is then forwarded.
    ///
    /// PID 1 cannot stop, and a child that was stopped by its own pid is for its stopper to continue.
    pub(super) fn stop_together(&mut self) {
        if getpid().as_raw() == 1 || !(self.stop_forwarded || self.terminal_of.is_some()) {
            return;
        }
        self.take_back_terminal();
        let _ = sys::kill(getpid(), libc::SIGSTOP);
    }

    /// The state after the end, if `change` is one.
    pub(super) fn ended(&self, change: Change) -> Option<Exited> {
        let status = ExitStatus::of(change)?;
        self.take_back_terminal();
        let killed_on_request = matches!(status, ExitStatus::Signal(libc::SIGTERM | libc::SIGINT | libc::SIGQUIT));
        let otherwise = (killed_on_request || self.terminal_of.is_some()).then(Request::otherwise);
        Some(Exited { pid: self.pid, status, asked_to_end: self.asked_to_end.or(otherwise) })
    }

    /// After a continue in the foreground the terminal is with us again; the child needs it.
    fn hand_over_terminal(&self) {
        move_terminal(self.terminal_of, self.terminal_of, Some(self.pid));
    }

    fn take_back_terminal(&self) {
        move_terminal(self.terminal_of, Some(self.pid), self.terminal_of);
    }
}

/// Makes `to` the foreground group of standard input's terminal if `from` is it, and if we have a terminal at all.
/// SIGTTOU is blocked, so this works from the background too.
fn move_terminal(ours: Option<Pid>, from: Option<Pid>, to: Option<Pid>) {
    if let (Some(_), Some(from), Some(to)) = (ours, from, to)
        && tcgetpgrp(stdin().as_fd()) == Ok(from)
    {
        // ENOTTY, ENXIO, EIO, EPERM: the terminal went away or is somebody else's. Nothing to be done.
        let _ = tcsetpgrp(stdin().as_fd(), to);
    }
}

/// Our process group, if standard input is a terminal that it is in the foreground of.
pub(super) fn foreground_group() -> Option<Pid> {
    let group = getpgrp();
    (tcgetpgrp(stdin().as_fd()) == Ok(group)).then_some(group)
}
