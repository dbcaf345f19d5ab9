//! Command line and environment to what exec takes: everything is prepared before the fork.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use libc::c_char;
use nix::errno::Errno;
use nix::unistd::Pid;

use super::environment::Environment;
use super::listen_pid::ListenPid;
use super::lookup;
use crate::capabilities;

/// The shell for a text file without a `#!` line, as execvp takes it.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// Why the command does not run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Its file is not found: exit code 127.
    #[error(
        "{}: not found{}", command.display(),
        if *exists { ": the file exists, but not the interpreter or dynamic loader it names" }
        else if command.as_bytes().contains(&b'/') { "" } else { " in PATH" }
    )]
    NotFound {
        /// Its name as typed.
        command: OsString,
        /// The file is there, so something it needs is missing (a static build or its loader in the image helps).
        exists: bool,
    },
    /// The file cannot be executed: exit code 126.
    #[error("{}: cannot execute: {}", command.display(), errno.desc())]
    NotExecutable {
        /// Its name as typed.
        command: OsString,
        /// What exec said.
        errno: Errno,
    },
    /// The launcher could not fork; [`super::exec_in_place`] still can run the command.
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

/// What the launcher is to execute, ready for exec: nothing needs to be allocated any more.
#[derive(Debug)]
pub struct Command {
    name: OsString,
    candidates: Vec<CString>,
    /// Owns what `arguments` and `environment` point to.
    _strings: (Vec<CString>, Environment),
    /// Null-terminated. The first slot is for the shell: `[shell, argv0, args…]`.
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// The string of `environment` that is to name the command's own pid, if one is.
    listen_pid: Option<ListenPid>,
    /// It keeps the capabilities that the launcher uses.
    keeps_capabilities: bool,
}

impl Command {
    /// Prepares `name` (which is also `argv[0]`) with `args` and `environment`. A name without a slash will be
    /// looked up in the PATH of that environment.
    #[must_use]
    pub fn new(name: &OsStr, args: &[OsString], mut environment: Environment) -> Self {
        let listen_pid = ListenPid::take(&mut environment, std::process::id());
        let strings: Vec<CString> = std::iter::once(name)
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
            name: name.to_owned(),
            candidates: lookup::candidates(name, environment.get("PATH")),
            arguments,
            environment: listen_string.chain(pointers(environment.strings())).collect(),
            listen_pid,
            keeps_capabilities: false,
            _strings: (strings, environment),
        }
    }

    /// The command is to keep the capabilities that the launcher uses, if it has them.
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

    /// Executes it in this process; returns only if that failed. Async-signal-safe.
    ///
    /// As execvp: a candidate that is not there or not allowed leads to the next one; "not allowed" is remembered.
    pub(super) fn exec(&mut self) -> Errno {
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

    /// Writes the pid of this process where the command's environment names it. Async-signal-safe.
    pub(super) fn set_own_pid(&mut self, own: Pid) {
        if let Some(string) = &mut self.listen_pid {
            string.set(own.as_raw().unsigned_abs());
        }
    }

    /// The error for what exec said; `exists` says that the file was there ([`Self::path`]).
    pub(super) fn error(&self, errno: Errno, exists: bool) -> SpawnError {
        let command = self.name.clone();
        if errno == Errno::ENOENT {
            SpawnError::NotFound { command, exists }
        } else {
            SpawnError::NotExecutable { command, errno }
        }
    }
}
