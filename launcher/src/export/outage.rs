//! What the log says while a collector does not take spans: one line when that begins, one when it is over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::failure::{Failure, FailureKind};
use crate::log;

/// A collector that fails now and then is named this often at most.
const QUIET: Duration = Duration::from_secs(60);

/// Whether the collector takes spans.
#[derive(Debug, Default)]
pub(super) struct Outage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it fails, and whether that was said.
    since: Option<(Instant, bool)>,
    /// Requests that failed since then.
    requests: u64,
    /// Spans lost since then.
    lost: u64,
    last_line: Option<Instant>,
    /// Refused spans were named.
    refusal_said: bool,
}

impl Outage {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has failed.
    pub(super) fn failed(&self, destination: &str, failure: &Failure) {
        let mut state = self.state();
        state.requests += 1;
        if state.since.is_some() {
            return;
        }
        let now = Instant::now();
        let is_said = state.last_line.is_none_or(|last| now - last >= QUIET);
        state.since = Some((now, is_said));
        if is_said {
            state.last_line = Some(now);
            let next = match failure.kind {
                FailureKind::Unreachable | FailureKind::Broken | FailureKind::Retryable(_) => "will be tried again",
                FailureKind::Permanent => "these spans are lost",
            };
            log::warn(format_args!("spans cannot be sent to {destination}: {}; {next}", failure.message));
        }
    }

    /// `spans` have been given up.
    pub(super) fn lost(&self, spans: u64) {
        self.state().lost += spans;
    }

    /// A request was taken.
    pub(super) fn taken(&self, destination: &str) {
        let mut state = self.state();
        let Some((since, is_said)) = state.since.take() else { return };
        let (requests, lost) = (std::mem::take(&mut state.requests), std::mem::take(&mut state.lost));
        if is_said {
            log::warn(format_args!(
                "spans are sent to {destination} again after {:.1} s, {requests} failed requests and {lost} lost spans",
                since.elapsed().as_secs_f64()
            ));
        }
    }

    /// The collector has refused spans of a request that it took. Said once; the report at the end has the number.
    pub(super) fn refused(&self, destination: &str, spans: u64, message: &str) {
        if !std::mem::replace(&mut self.state().refusal_said, true) {
            log::warn(format_args!("{destination} has refused {spans} spans: {message}; further ones are counted"));
        }
    }
}
