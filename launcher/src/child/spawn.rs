//! A command to a forked process that waits, held by ptrace or by a pipe.
//!
//! Everything is prepared before the fork; the child makes async-signal-safe calls only, although no other thread
//! exists yet. It waits for one byte before it goes on, and exits if that never comes: a launcher that is killed
//! here leaves nothing behind.

use nix::errno::Errno;
use nix::unistd::{Pid, getpid, setpgid};

use super::barrier::BarrierReason;
use super::command::{Command, SpawnError};
use super::inherited;
use super::launched::Launched;
use super::link::{ChildLink, Link};
use super::privilege;
use super::process::{Process, foreground_group};
use super::signals::Signals;
use super::sys;
use super::tracees::Tracees;
use super::tree::Tree;
use crate::capabilities;

/// Replaces the launcher by the command, untraced: the last resort when it cannot fork or has no signalfd. Returns
/// only if that cannot be executed.
#[must_use]
pub fn exec_in_place(mut command: Command, signals: Option<&Signals>) -> SpawnError {
    if let Some(signals) = signals {
        restore(signals);
    } else {
        let _ = sys::set_ignored(libc::SIGPIPE, inherited::pipe_was_ignored());
    }
    let errno = command.exec();
    command.error(errno, command.path().is_some())
}

/// Gives mask and dispositions back as they were found. Handlers of the Rust runtime end with the exec.
/// Async-signal-safe.
fn restore(signals: &Signals) {
    let ignored = signals.inherited.ignored;
    for signal in [libc::SIGPIPE, libc::SIGCHLD] {
        let _ = sys::set_ignored(signal, ignored.contains(signal));
    }
    let _ = sys::set_mask(signals.mask);
}

/// Starts `command`: forks, takes the child under ptrace if possible, and lets it go on to its exec (or keeps it at
/// the barrier). Must be called on the main thread, before any other exists, and all that follows on the same thread.
///
/// # Errors
/// When there is no memory, process or descriptor for it. Whether the command can be executed is told by
/// [`Tree::next`].
pub fn spawn(mut command: Command, signals: &mut Signals) -> Result<Tree, SpawnError> {
    let failed = |call| move |errno| SpawnError::System { call, errno };
    let (link, child_link) = Link::new().map_err(failed("pipe2"))?;
    if getpid().as_raw() != 1 {
        // Refused by some sandboxes: then orphans go to PID 1 as they would without us.
        let _ = sys::become_subreaper();
    }
    let terminal_of = foreground_group();
    capabilities::open_to_tracing();
    // SAFETY: no other thread exists (the caller's duty), so the child may go on with a copy of everything; it never
    // returns from `in_child`.
    let pid = Errno::result(unsafe { libc::fork() }).map_err(failed("fork"))?;
    if pid == 0 {
        drop(link);
        in_child(&mut command, signals, child_link, terminal_of.is_some());
    }
    drop(child_link);
    signals.inherited.close_descriptors();
    let pid = Pid::from_raw(pid);
    // From both sides, so that the group exists before either goes on; EACCES and ESRCH mean the child was faster.
    let _ = setpgid(pid, pid);
    let starting = hold(command, Process::new(pid, terminal_of), link);
    capabilities::close_to_tracing();
    Ok(starting)
}

/// Takes the forked child under ptrace and lets it go on, or decides for the barrier.
fn hold(command: Command, process: Process, mut link: Link) -> Tree {
    let mut tracees = Tracees::default();
    let file = command.path();
    let loses_privileges = file.as_deref().is_some_and(privilege::is_given_by) && privilege::may_be_gained(process.pid);
    let barrier = if loses_privileges {
        Some(BarrierReason::Privileged)
    } else {
        tracees.seize(process.pid).err().map(BarrierReason::PtraceRefused)
    };
    if barrier.is_none() {
        link.go();
    }
    let directory = std::env::current_dir().unwrap_or_default();
    Tree::new(Launched { process, tracees, command, file, link, directory }, barrier)
}

/// The child between fork and exec. Async-signal-safe calls only.
fn in_child(command: &mut Command, signals: &Signals, mut link: ChildLink, has_terminal: bool) -> ! {
    let own = getpid();
    let _ = setpgid(own, own);
    if has_terminal {
        // SIGTTOU is blocked, so a background group may do this.
        // Not by `std::io::stdin()`, which may allocate its buffer.
        // SAFETY: the call takes two numbers.
        unsafe { libc::tcsetpgrp(libc::STDIN_FILENO, own.as_raw()) };
    }
    if !link.may_go() {
        // The launcher is gone: the command never starts.
        quit();
    }
    command.set_own_pid(own);
    restore(signals);
    link.failed(command.exec());
    quit()
}

/// Ends the forked child without running any of the parent's exit handlers.
fn quit() -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(127) }
}
