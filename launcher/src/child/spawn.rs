//! Program name, arguments and environment to a forked process that waits, held by ptrace or by a pipe.
//!
//! Everything is prepared before the fork; the child makes async-signal-safe calls only, although no other thread
//! exists yet. It waits for one byte before it goes on, and exits if that never comes: a launcher that is killed
//! here leaves nothing behind.

use std::ffi::{CString, OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use libc::{c_char, c_int};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, getpid, pipe2, setpgid};

use super::barrier::BarrierReason;
use super::environment::Environment;
use super::inherited;
use super::listen_pid::ListenPid;
use super::lookup;
use super::privilege;
use super::process::{Process, foreground_group};
use super::signals::Signals;
use super::sys;
use super::tracees::Tracees;
use super::tree::Tree;
use crate::capabilities;

/// The shell for a text file without a `#!` line, as execvp takes it.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// Launcher to child: exec now.
const GO: u8 = b'g';

/// Why the program does not run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No such program: exit code 127.
    #[error(
        "{}: not found{}", program.display(),
        if *exists { ": the file exists, but not the interpreter or dynamic loader it names" }
        else if program.as_bytes().contains(&b'/') { "" } else { " in PATH" }
    )]
    NotFound {
        /// The program as typed.
        program: OsString,
        /// The file is there, so something it needs is missing (a static build or its loader in the image helps).
        exists: bool,
    },
    /// The file cannot be executed: exit code 126.
    #[error("{}: cannot execute: {}", program.display(), errno.desc())]
    NotExecutable {
        /// The program as typed.
        program: OsString,
        /// What exec said.
        errno: Errno,
    },
    /// The launcher could not fork; [`exec_in_place`] still can run the program.
    #[error(
        "{call} failed while starting the program: {} (a limit of processes, memory or open files?)",
        errno.desc()
    )]
    System {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
}

/// A program to be run, ready for exec: nothing needs to be allocated any more.
#[derive(Debug)]
pub struct Program {
    name: OsString,
    candidates: Vec<CString>,
    /// Owns what `arguments` and `environment` point to.
    _strings: (Vec<CString>, Environment),
    /// Null-terminated. The first slot is for the shell: `[shell, argv0, args…]`.
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// The string of `environment` that is to name the program's own pid, if one is.
    listen_pid: Option<ListenPid>,
    /// The program keeps the capabilities that the launcher uses.
    keeps_capabilities: bool,
}

impl Program {
    /// Prepares `program` (which is also `argv[0]`) with `args` and `environment`. A name without a slash will be
    /// looked up in the PATH of that environment.
    #[must_use]
    pub fn new(program: &OsStr, args: &[OsString], mut environment: Environment) -> Self {
        let listen_pid = ListenPid::take(&mut environment, std::process::id());
        let strings: Vec<CString> = std::iter::once(program)
            .chain(args.iter().map(OsString::as_os_str))
            // Strings from a command line hold no NUL byte.
            .filter_map(|arg| CString::new(arg.as_bytes()).ok())
            .collect();
        let pointers =
            |strings: &[CString]| -> Vec<_> { strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect() };
        let mut arguments = vec![SHELL.as_ptr()];
        arguments.extend(pointers(&strings));
        let listen_string = listen_pid.iter().map(ListenPid::as_ptr);
        Self {
            name: program.to_owned(),
            candidates: lookup::candidates(program, environment.get("PATH")),
            arguments,
            environment: listen_string.chain(pointers(environment.strings())).collect(),
            listen_pid,
            keeps_capabilities: false,
            _strings: (strings, environment),
        }
    }

    /// The program is to keep the capabilities that the launcher uses, if it has them.
    #[must_use]
    pub fn keeping_capabilities(mut self) -> Self {
        self.keeps_capabilities = true;
        self
    }

    /// The file that exec will most likely take, as an absolute path.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        lookup::resolve(&self.candidates)
    }

    /// Executes the program in this process; returns only if that failed. Async-signal-safe.
    ///
    /// As execvp: a candidate that is not there or not allowed leads to the next one; "not allowed" is remembered.
    fn exec(&mut self) -> Errno {
        if !self.keeps_capabilities {
            capabilities::drop_in_child();
        }
        let mut refused = Errno::ENOENT;
        for candidate in &self.candidates {
            // SAFETY: path, arguments and environment are NUL-terminated strings in null-terminated arrays that this
            // struct owns; the first slot of `arguments`, the shell's, is skipped and another always follows it.
            unsafe {
                libc::execve(candidate.as_ptr(), self.arguments.as_ptr().add(1), self.environment.as_ptr());
            }
            let errno = Errno::last();
            if errno == Errno::ENOEXEC && lookup::is_elf(candidate) {
                // A program for another processor, or a damaged one: execvp would have a shell read it as a script.
                return Errno::ENOEXEC;
            }
            if errno == Errno::ENOEXEC {
                // The file takes the place of argv[0], behind the shell.
                self.arguments[1] = candidate.as_ptr();
                // SAFETY: as above, and the array starts with the shell's name.
                unsafe {
                    libc::execve(SHELL.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr());
                }
                return Errno::ENOEXEC;
            } else if errno == Errno::EACCES {
                refused = Errno::EACCES;
            } else if !(matches!(errno, Errno::ENOENT | Errno::ENOTDIR) && self.candidates.len() > 1) {
                return errno;
            }
        }
        refused
    }

    /// The error for what exec said; `exists` says that the file was there ([`Self::path`]).
    pub(super) fn error(&self, errno: Errno, exists: bool) -> SpawnError {
        let program = self.name.clone();
        if errno == Errno::ENOENT {
            SpawnError::NotFound { program, exists }
        } else {
            SpawnError::NotExecutable { program, errno }
        }
    }
}

/// Replaces the launcher by the program, untraced: the last resort when it cannot fork or has no signalfd. Returns
/// only if the program cannot be executed.
#[must_use]
pub fn exec_in_place(mut program: Program, signals: Option<&Signals>) -> SpawnError {
    if let Some(signals) = signals {
        restore(signals);
    } else {
        let _ = sys::set_ignored(libc::SIGPIPE, inherited::pipe_was_ignored());
    }
    let errno = program.exec();
    program.error(errno, program.path().is_some())
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

/// Starts `program`: forks, takes the child under ptrace if possible, and lets it go on to its exec (or keeps it at
/// the barrier). Must be called on the main thread, before any other exists, and all that follows on the same thread.
///
/// # Errors
/// When there is no memory, process or descriptor for it. Whether the program can be executed is told by
/// [`Tree::next`].
pub fn spawn(mut program: Program, signals: &mut Signals) -> Result<Tree, SpawnError> {
    let failed = |call| move |errno| SpawnError::System { call, errno };
    let (command_end, commands) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
    let (replies, reply_end) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
    if getpid().as_raw() != 1 {
        // Refused by some sandboxes: then orphans go to PID 1 as they would without us.
        let _ = sys::become_subreaper();
    }
    let terminal_of = foreground_group();
    let link = Link { commands: commands.into(), replies: replies.into() };
    capabilities::open_to_tracing();
    // SAFETY: no other thread exists (the caller's duty), so the child may go on with a copy of everything; it never
    // returns from `in_child`.
    let pid = Errno::result(unsafe { libc::fork() }).map_err(failed("fork"))?;
    if pid == 0 {
        drop(link);
        in_child(&mut program, signals, command_end, reply_end, terminal_of.is_some());
    }
    drop((command_end, reply_end));
    signals.inherited.close_descriptors();
    let pid = Pid::from_raw(pid);
    // From both sides, so that the group exists before either goes on; EACCES and ESRCH mean the child was faster.
    let _ = setpgid(pid, pid);
    let starting = hold(program, Process::new(pid, terminal_of), link);
    capabilities::close_to_tracing();
    Ok(starting)
}

/// Takes the forked child under ptrace and lets it go on, or decides for the barrier.
fn hold(program: Program, process: Process, mut link: Link) -> Tree {
    let mut tracees = Tracees::default();
    let file = program.path();
    let loses_privileges = file.as_deref().is_some_and(privilege::is_given_by) && privilege::may_be_gained(process.pid);
    let barrier = if loses_privileges {
        Some(BarrierReason::Privileged)
    } else {
        tracees.seize(process.pid).err().map(BarrierReason::PtraceRefused)
    };
    if barrier.is_none() {
        link.go();
    }
    Tree::new(process, tracees, (program, file), link, barrier)
}

/// The launcher's ends of the two pipes to the child. Both close on exec: the child's ends too.
#[derive(Debug)]
pub(super) struct Link {
    commands: std::fs::File,
    replies: std::fs::File,
}

impl Link {
    /// Lets the child go on. A child that was killed meanwhile does not read it; its end is noticed by the wait.
    pub(super) fn go(&mut self) {
        let _ = self.commands.write_all(&[GO]);
    }

    /// What exec said if it failed; `None` if the child executed the program, was killed, or was asked before. Waits
    /// for it.
    pub(super) fn failure(&mut self) -> Option<Errno> {
        let mut errno = [0; size_of::<c_int>()];
        self.replies.read_exact(&mut errno).ok()?;
        Some(Errno::from_raw(c_int::from_ne_bytes(errno)))
    }
}

/// The child between fork and exec. Async-signal-safe calls only.
fn in_child(program: &mut Program, signals: &Signals, commands: OwnedFd, replies: OwnedFd, has_terminal: bool) -> ! {
    let own = getpid();
    let _ = setpgid(own, own);
    if has_terminal {
        // SIGTTOU is blocked, so a background group may do this.
        // Not by `std::io::stdin()`, which may allocate its buffer.
        // SAFETY: the call takes two numbers.
        unsafe { libc::tcsetpgrp(libc::STDIN_FILENO, own.as_raw()) };
    }
    let (mut commands, mut replies) = (std::fs::File::from(commands), std::fs::File::from(replies));
    if commands.read_exact(&mut [0]).is_err() {
        // The launcher is gone: the program never starts.
        quit();
    }
    if let Some(string) = &mut program.listen_pid {
        string.set(own.as_raw().unsigned_abs());
    }
    restore(signals);
    let errno = program.exec() as c_int;
    let _ = replies.write_all(&errno.to_ne_bytes());
    quit()
}

/// Ends the forked child without running any of the parent's exit handlers.
fn quit() -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(127) }
}
