//! Why a request has failed, and whether it makes sense to send it again.

use std::fmt;
use std::time::Duration;

/// Server messages are cut at this many characters.
const MAX_MESSAGE: usize = 240;

/// Why one request has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    /// What happened, for the log; no header values in it once it has left the client.
    pub(super) message: String,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// There is nobody at the other end: send again later.
    Unreachable,
    /// The connection broke off: collectors close those that have been idle. Send again, at once and on a new one.
    Broken,
    /// Send again, not before the time that the collector has named.
    Retryable(Option<Duration>),
    /// Sending the same again will not help.
    Permanent,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    /// A failure that only time can mend.
    pub(super) fn retryable(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Retryable(None), message)
    }

    /// A failure for good.
    pub(super) fn permanent(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Permanent, message)
    }

    /// Makes the message fit for the log: cut, and free of `secrets`, which a server may have repeated.
    pub(super) fn redacted(mut self, secrets: &[String]) -> Self {
        self.message = redact(&self.message, secrets);
        self
    }
}

/// `text`, cut, and without `secrets`.
pub(super) fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "…");
        }
    }
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An error with its causes, each once: many errors of the libraries name theirs only as a source.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_length_are_cut() {
        let secrets = ["token-1".to_owned()];
        assert_eq!(redact("bad token-1: token-1", &secrets), "bad …: …");
        assert_eq!(redact(&"é".repeat(1000), &secrets).chars().count(), MAX_MESSAGE + 1);
    }
}
