//! How a run of the launcher ended, and the exit code that says so. The only place where an outcome becomes a number.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0–255 | the program's own exit code |
//! | 128 + n | signal n ended the program |
//! | 127 | the program was not found |
//! | 126 | the program was found and could not be executed |
//! | 125 | the launcher: wrong usage, `--strict` and the program would not be traced, `--pid` and the process cannot be |
//! | 1 | `--check`: the program would not be traced, or could not be read |
//! | 0 | `--help`, `--version` and the other modes that only print |
//!
//! A program may use 125–127 and 128 + n itself; the launcher's own ones come with a line on standard error.

use std::process::ExitCode;

use crate::child::{ExitStatus, SpawnError};

/// How a run of the launcher ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program ran and ended.
    Program(ExitStatus),
    /// The launcher did what was asked without a program (`--help`, `--check`, …).
    Done,
    /// `--check`: the program would not be traced.
    NotTraceable,
    /// The program was not found.
    NotFound,
    /// The program was found and could not be executed.
    CannotExecute,
    /// The command line makes no sense.
    Usage,
    /// `--pid`: the process cannot be traced.
    NotAttached,
    /// `--strict`: the program would have run untraced.
    Refused,
}

impl Outcome {
    /// The exit code, by the table above.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Program(ExitStatus::Code(code)) => code,
            Self::Program(ExitStatus::Signal(signal)) => u8::try_from(signal).unwrap_or(0).saturating_add(128),
            Self::Done => 0,
            Self::NotTraceable => 1,
            Self::NotFound => 127,
            Self::CannotExecute => 126,
            Self::Usage | Self::NotAttached | Self::Refused => 125,
        }
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
            // When the launcher cannot fork, it executes in place; what is left is a program that cannot run.
            SpawnError::NotExecutable { .. } | SpawnError::System { .. } => Self::CannotExecute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_table() {
        for code in 0..=255 {
            assert_eq!(Outcome::Program(ExitStatus::Code(code)).code(), code);
        }
        for signal in 1..=64u8 {
            let outcome = Outcome::Program(ExitStatus::Signal(signal.into()));
            assert_eq!(outcome.code(), 128 + signal);
        }
        assert_eq!(Outcome::NotFound.code(), 127);
        assert_eq!(Outcome::CannotExecute.code(), 126);
        assert_eq!(Outcome::Usage.code(), 125);
        assert_eq!(Outcome::Refused.code(), 125);
        assert_eq!(Outcome::Done.code(), 0);
    }
}
