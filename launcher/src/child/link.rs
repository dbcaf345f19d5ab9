//! The two pipes between the launcher and the forked child, until that has executed the command.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use libc::c_int;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

/// Launcher to child: exec now.
const GO: u8 = b'g';

/// The launcher's ends. Both close on exec: the child's ends too.
#[derive(Debug)]
pub(super) struct Link {
    commands: File,
    replies: File,
}

/// The child's ends.
#[derive(Debug)]
pub(super) struct ChildLink {
    commands: File,
    replies: File,
}

impl Link {
    /// Both sides.
    ///
    /// # Errors
    /// When there is no descriptor for it.
    pub(super) fn new() -> Result<(Self, ChildLink), Errno> {
        let file = |end: OwnedFd| File::from(end);
        let (command_end, commands) = pipe2(OFlag::O_CLOEXEC)?;
        let (replies, reply_end) = pipe2(OFlag::O_CLOEXEC)?;
        let ours = Self { commands: file(commands), replies: file(replies) };
        Ok((ours, ChildLink { commands: file(command_end), replies: file(reply_end) }))
    }

    /// Lets the child go on. A child that was killed meanwhile does not read it; its end is noticed by the wait.
    pub(super) fn go(&mut self) {
        let _ = self.commands.write_all(&[GO]);
    }

    /// What exec said if it failed; `None` if the child executed the command, was killed, or was asked before. Waits
    /// for it.
    pub(super) fn failure(&mut self) -> Option<Errno> {
        let mut errno = [0; size_of::<c_int>()];
        self.replies.read_exact(&mut errno).ok()?;
        Some(Errno::from_raw(c_int::from_ne_bytes(errno)))
    }
}

/// Async-signal-safe, all of it.
impl ChildLink {
    /// Waits for the word to go on; `false` where the launcher is gone.
    pub(super) fn may_go(&mut self) -> bool {
        self.commands.read_exact(&mut [0]).is_ok()
    }

    /// Tells the launcher what exec said.
    pub(super) fn failed(&mut self, errno: Errno) {
        let _ = self.replies.write_all(&(errno as c_int).to_ne_bytes());
    }
}
