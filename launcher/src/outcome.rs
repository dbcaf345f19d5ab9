//! How a run of the launcher ended, and the exit code that says so. The only place where an outcome becomes a number.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0–255 | the command's own exit code |
//! | 128 + n | signal n ended the command |
//! | 127 | the command was not found |
//! | 126 | the command was found and could not be executed |
//! | 125 | the launcher: wrong usage, `--strict` and the Go program would not be traced, `--pid` and the process cannot be, a failed `--install` |
//! | 1 | `--check`: the program would not be traced, or could not be read |
//! | 0 | `--help`, `--version` and the other modes that only print |
//!
//! `--remap-exit` replaces codes of the command, the second row included, and no others.
//!
//! A command may use 125–127 and 128 + n itself; the launcher's own ones come with a line on standard error.

use std::process::ExitCode;

use crate::child::{ExitStatus, SpawnError};

/// How a run of the launcher ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ran and ended.
    Ended(ExitStatus),
    /// The launcher did what was asked without a command (`--help`, `--check`, …).
    Done,
    /// `--check`: the program would not be traced.
    NotTraceable,
    /// The command was not found.
    NotFound,
    /// The command was found and could not be executed.
    CannotExecute,
    /// The command line makes no sense.
    Usage,
    /// `--install`: the launcher could not be copied.
    NotInstalled,
    /// `--pid`: the process cannot be traced.
    NotAttached,
    /// `--strict`: the Go program would have run untraced.
    Refused,
}

impl Outcome {
    /// The exit code, by the table above.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ended(ExitStatus::Code(code)) => code,
            Self::Ended(ExitStatus::Signal(signal)) => u8::try_from(signal).unwrap_or(0).saturating_add(128),
            Self::Done => 0,
            Self::NotTraceable => 1,
            Self::NotFound => 127,
            Self::CannotExecute => 126,
            Self::Usage | Self::NotAttached | Self::NotInstalled | Self::Refused => 125,
        }
    }

    /// The outcome with the command's exit code (128 + n after a signal) replaced by that of the last pair that begins
    /// with it. What the launcher itself has to say stays as it is.
    #[must_use]
    pub fn remapped(self, pairs: &[(u8, u8)]) -> Self {
        let Self::Ended(_) = self else {
            return self;
        };
        let code = self.code();
        pairs.iter().rfind(|(from, _)| *from == code).map_or(self, |&(_, to)| Self::Ended(ExitStatus::Code(to)))
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

impl From<&SpawnError> for Outcome {
    fn from(error: &SpawnError) -> Self {
        match error {
            SpawnError::NotFound { .. } => Self::NotFound,
            // When the launcher cannot fork, it executes in place; what is left is a command that cannot run.
            SpawnError::NotExecutable { .. } | SpawnError::System { .. } => Self::CannotExecute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_code_can_be_replaced_and_no_other() {
        let pairs = [(143, 7), (143, 0), (0, 1), (127, 0)];
        assert_eq!(Outcome::Ended(ExitStatus::Signal(15)).remapped(&pairs).code(), 0);
        assert_eq!(Outcome::Ended(ExitStatus::Code(143)).remapped(&pairs).code(), 0);
        // Once: 143 has become 0, and 0 becomes 1 only where the command said 0.
        assert_eq!(Outcome::Ended(ExitStatus::Code(0)).remapped(&pairs).code(), 1);
        assert_eq!(Outcome::Ended(ExitStatus::Code(2)).remapped(&pairs).code(), 2);
        assert_eq!(Outcome::NotFound.remapped(&pairs).code(), 127);
        assert_eq!(Outcome::Done.remapped(&pairs).code(), 0);
    }

    #[test]
    fn codes_are_those_of_the_table() {
        for code in 0..=255 {
            assert_eq!(Outcome::Ended(ExitStatus::Code(code)).code(), code);
        }
        for signal in 1..=64u8 {
            let outcome = Outcome::Ended(ExitStatus::Signal(signal.into()));
            assert_eq!(outcome.code(), 128 + signal);
        }
        assert_eq!(Outcome::NotFound.code(), 127);
        assert_eq!(Outcome::CannotExecute.code(), 126);
        assert_eq!(Outcome::Usage.code(), 125);
        assert_eq!(Outcome::Refused.code(), 125);
        assert_eq!(Outcome::Done.code(), 0);
    }
}
