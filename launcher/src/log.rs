//! The launcher's own log: one line per message on standard error, each in one write, none of them ever fatal.
//!
//! Standard error is shared with the program: hence the prefix, and hence nothing by default but warnings, errors and
//! the line at the start.

use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU8, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What stands before each line.
pub const PREFIX: &str = "go-auto-launch: ";

/// Bytes of the longest line: what a pipe takes at once (`PIPE_BUF`).
const LONGEST_LINE: usize = 4096;
/// What ends a line that was too long.
const CUT: &str = " …";

/// How much is said. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Level {
    /// Nothing at all.
    Off,
    /// Something that was asked for does not work.
    Error,
    /// Something is lost or left out, and why.
    Warn,
    /// The line at the start, and the summary at the end.
    #[default]
    Info,
    /// What the launcher does, step by step (`--verbose`).
    Debug,
}

/// The current level, as a number.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Debug as u8);

/// Sets how much is said, from now on and on all threads.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Whether a message of this level would be written.
#[must_use]
pub fn enabled(level: Level) -> bool {
    level != Level::Off && level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Writes an error: `log::error(format_args!("…"))`.
pub fn error(message: fmt::Arguments<'_>) {
    write(Level::Error, message);
}

/// Writes a warning.
pub fn warn(message: fmt::Arguments<'_>) {
    write(Level::Warn, message);
}

/// Writes a piece of information.
pub fn info(message: fmt::Arguments<'_>) {
    write(Level::Info, message);
}

/// Writes a detail.
pub fn debug(message: fmt::Arguments<'_>) {
    write(Level::Debug, message);
}

fn write(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        put(std::io::stderr().as_fd(), &line(message));
    }
}

/// Writes a line if that is possible at once. Never waits: the program may be held, and nobody may be reading.
///
/// Closed, broken or full: there is nowhere left to say so. (SIGPIPE is blocked.) A pipe that polls as writable takes
/// [`LONGEST_LINE`] bytes without blocking (pipe(7), `PIPE_BUF`). No lock of the standard library is taken: another
/// thread may hold it and wait.
fn put(stderr: BorrowedFd<'_>, line: &str) {
    let mut fds = [PollFd::new(stderr, PollFlags::POLLOUT)];
    let is_writable =
        poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].revents().is_some_and(|now| now.contains(PollFlags::POLLOUT));
    if is_writable {
        let _nowhere_left_to_say = nix::unistd::write(stderr, line.as_bytes());
    }
}

/// One line: control characters, which could forge other lines or drive a terminal, are shown escaped.
fn line(message: fmt::Arguments<'_>) -> String {
    let text = message.to_string();
    let mut line = String::with_capacity(PREFIX.len() + text.len() + 1);
    line.push_str(PREFIX);
    for char in text.chars() {
        if line.len() > LONGEST_LINE - CUT.len() - 16 {
            line.push_str(CUT);
            break;
        }
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_the_prefix() {
        assert_eq!(line(format_args!("a\nb\x1b[1m")), "go-auto-launch: a\\nb\\u{1b}[1m\n");
    }

    #[test]
    fn levels_include_those_before_them() {
        assert!(Level::Error < Level::Warn && Level::Warn < Level::Info && Level::Info < Level::Debug);
        assert!(!enabled(Level::Off));
    }

    #[test]
    fn a_line_fits_into_a_pipe_at_once() {
        let long = "\u{1b}".repeat(10_000);
        let line = line(format_args!("{long}"));
        assert!(line.len() <= LONGEST_LINE && line.ends_with(" …\n"), "{}", line.len());
    }

    #[test]
    fn a_full_pipe_is_not_waited_for() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let line = "x".repeat(LONGEST_LINE);
        // More than any pipe holds: without the check this would never end.
        for _ in 0..1024 {
            put(writer.as_fd(), &line);
        }
        drop(writer);
        let mut written = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut written).unwrap();
        assert!(!written.is_empty() && written.len() % LONGEST_LINE == 0);
    }
}
