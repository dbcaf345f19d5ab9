//! Why an instrumentation is not used for a program, in words for the user.

use serde::Serialize;

use crate::binary::{Ambiguous, BinaryError};
use crate::expression::Unreadable;

/// Why an instrumentation is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The program does not use the library.
    #[error("the program has no function {0}")]
    NotUsed(String),
    /// The program uses the library in a form that is not understood.
    #[error("{0}")]
    NotUnderstood(String),
    /// The user asked for it.
    #[error("switched off by OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS")]
    SwitchedOff,
    /// Likewise: [`super::sdk::Sdk`].
    #[error("switched off by --sdk={0}")]
    BySdk(&'static str),
}

impl From<Ambiguous> for LeftOut {
    fn from(ambiguous: Ambiguous) -> Self {
        Self::NotUnderstood(ambiguous.to_string())
    }
}

impl From<Unreadable> for LeftOut {
    fn from(error: Unreadable) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}

impl From<BinaryError> for LeftOut {
    fn from(error: BinaryError) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}
