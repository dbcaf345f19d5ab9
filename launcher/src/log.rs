//! The launcher's own log: one line per message on standard error, each in one write, none of them ever fatal.
//!
//! Standard error is shared with the program: hence the prefix, and hence nothing by default but warnings, errors and
//! the line at the start.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

/// What stands before each line.
pub const PREFIX: &str = "go-auto-launch: ";

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
        // Closed, broken or full: there is nowhere left to say so. (SIGPIPE is blocked.)
        let _ = std::io::stderr().lock().write_all(line(message).as_bytes());
    }
}

/// One line: control characters, which could forge other lines or drive a terminal, are shown escaped.
fn line(message: fmt::Arguments<'_>) -> String {
    let text = message.to_string();
    let mut line = String::with_capacity(PREFIX.len() + text.len() + 1);
    line.push_str(PREFIX);
    for char in text.chars() {
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
}
