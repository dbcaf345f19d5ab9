//! A process that is not ours: started by somebody else, running already (`--pid`).

use std::num::NonZeroU32;
use std::os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Instant;
use std::{fs, io};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpid};

use super::environment::Environment;
use super::executable::{Auxv, Exe, MappedExe, without_deletion};
use super::flush::{self, FlushEnd, Request};
use super::signals::Signals;
use super::sys;

/// A descriptor that is readable when the process has ended (`pidfd_open(2)`, Linux 5.3). Close-on-exec.
///
/// # Errors
/// When there is no such process, or the kernel or its seccomp profile has no such call.
pub fn pid_descriptor(pid: NonZeroU32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.get(), 0) })?;
    let fd = i32::try_from(fd).map_err(|_out_of_range| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A running process of somebody else. Nothing is done to it.
#[derive(Debug)]
pub struct Other {
    pid: Pid,
    end: OwnedFd,
    /// When somebody asked us to stop.
    asked: Option<Request>,
}

impl Other {
    /// Finds the process.
    ///
    /// # Errors
    /// When there is none (`ESRCH`), or the number is that of a thread (`EINVAL`, `ENOENT`).
    pub fn find(pid: NonZeroU32) -> io::Result<Self> {
        let end = pid_descriptor(pid)?;
        let pid = i32::try_from(pid.get()).map_err(|_out_of_range| Errno::ESRCH)?;
        Ok(Self { pid: Pid::from_raw(pid), end, asked: None })
    }

    /// The file that it executes.
    ///
    /// # Errors
    /// When we may not look into the process, it has ended, or it is a thread of the kernel.
    pub fn exe(&self) -> io::Result<Exe> {
        let link = MappedExe::link(self.pid);
        Ok(Exe::of(without_deletion(fs::read_link(&link)?), link))
    }

    /// What the kernel told the process about itself.
    #[must_use]
    pub fn auxv(&self) -> Option<Auxv> {
        Auxv::of(self.pid).ok()
    }

    /// The variables that the process was started with and whose name starts with `prefix`.
    #[must_use]
    pub fn variables(&self, prefix: &str) -> Option<Vec<(std::ffi::OsString, std::ffi::OsString)>> {
        Environment::of(self.pid).ok().map(|environment| environment.starting_with(prefix))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.end.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].any().unwrap_or(true)
    }

    /// Waits until it ends, or until we are asked to stop: by SIGTERM, SIGINT, SIGQUIT or SIGHUP.
    pub fn wait(&mut self, signals: &Signals) {
        loop {
            while let Some(signal) = signals.take() {
                match signal.number() {
                    asked @ (libc::SIGTERM | libc::SIGINT | libc::SIGQUIT | libc::SIGHUP) => {
                        self.asked = Some(Request::now(asked));
                    }
                    libc::SIGTSTP => {
                        let _ = sys::kill(getpid(), libc::SIGSTOP);
                    }
                    _ => {}
                }
            }
            if self.asked.is_some() || self.has_ended() {
                return;
            }
            let mut fds = [PollFd::new(self.end.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            // An error is EINTR at most; the loop looks at everything again.
            let _ = poll(&mut fds, PollTimeout::NONE);
        }
    }

    /// As [`super::Tree::wait_for`].
    #[must_use]
    pub fn wait_for(&self, done: BorrowedFd<'_>, deadline: Instant, signals: &Signals) -> FlushEnd {
        flush::wait_for(done, deadline, signals, self.asked, || {})
    }
}
