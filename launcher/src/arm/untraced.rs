//! Why a process is not traced, in words for the user.

use crate::binary::BinaryError;
use crate::engine::bpf::AttachError;

/// Why a process is not traced.
#[derive(Debug, thiserror::Error)]
pub enum Untraced {
    /// The file is no Go program, so it may still execute one.
    #[error("{0}")]
    NotGo(BinaryError),
    /// The file is a Go program that cannot be read.
    #[error("{0}")]
    Unreadable(BinaryError),
    /// Nothing in the Go program is known to the launcher.
    #[error("nothing in this Go program can be traced (--check says why)")]
    NothingKnown(String),
    /// The file cannot be opened.
    #[error("its file cannot be read ({0})")]
    Unopened(std::io::Error),
    /// Whatever it starts could not be traced either.
    #[error("the launcher has neither CAP_BPF and CAP_PERFMON nor CAP_SYS_ADMIN")]
    NoRights,
    /// The user does not want it.
    #[error("{0}")]
    NotWanted(&'static str),
    /// A panic.
    #[error("a defect of go-auto-launch, please report it with the lines before this one")]
    Defect,
    /// The kernel refused.
    #[error("{0}")]
    Refused(Box<AttachError>),
    /// The native engine cannot be used, which the user wants.
    #[error("the native engine cannot be used: {0}")]
    NotNative(String),
    /// Neither engine can be used.
    #[error("the native engine cannot be used: {native}; nor can BPF: {bpf}")]
    NoEngine {
        /// Why the native one cannot.
        native: String,
        /// What the kernel said to BPF.
        bpf: Box<AttachError>,
    },
}

impl Untraced {
    /// What is behind it, for `--verbose`: the line at a start is short.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotGo(error) | Self::Unreadable(error) => error.detail(),
            Self::NothingKnown(reasons) => Some(reasons.clone()),
            Self::Unopened(_)
            | Self::NoRights
            | Self::NotWanted(_)
            | Self::Defect
            | Self::Refused(_)
            | Self::NotNative(_)
            | Self::NoEngine { .. } => None,
        }
    }
}

impl From<BinaryError> for Untraced {
    fn from(error: BinaryError) -> Self {
        if matches!(error, BinaryError::NotElf { what: _ } | BinaryError::NotGo) {
            Self::NotGo(error)
        } else {
            Self::Unreadable(error)
        }
    }
}

impl From<AttachError> for Untraced {
    fn from(error: AttachError) -> Self {
        Self::Refused(Box::new(error))
    }
}
