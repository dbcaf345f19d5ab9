//! The probe of the mux, which is taken away again where it finds nothing that is not known without it.
//!
//! A `ServeMux` notes the route in the request that it is given. That is the server's own in many programs, and the third hit of
//! a request would then be paid for nothing. What it is needed for may come late (another port, another kind of client): so it is on
//! trial for ten minutes, and for some thousand requests.

use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use aya::programs::uprobe::UProbeLink;

/// Requests after which the probe goes, if it has not been needed.
const ENOUGH: u64 = 4_096;
/// How long it stays in any case.
pub const TRIAL: Duration = Duration::from_secs(600);

/// The probe, and what it has found.
pub struct Routes {
    /// Requests whose route was known by the probe alone, and requests in which it is noted.
    counts: Array<MapData, u64>,
    since: Instant,
    state: State,
}

enum State {
    /// Nobody knows yet whether it is needed.
    OnTrial(UProbeLink),
    /// It stays.
    Needed(UProbeLink),
    /// It has been taken away.
    Gone,
}

/// What becomes of the probe after this many requests of both kinds, and this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Needed,
    NotNeeded,
}

fn verdict(by_probe_alone: u64, in_request: u64, age: Duration) -> Verdict {
    match (by_probe_alone, in_request) {
        (1.., _) => Verdict::Needed,
        (0, ENOUGH..) if age >= TRIAL => Verdict::NotNeeded,
        (0, _) => Verdict::Unknown,
    }
}

impl Routes {
    /// A probe that has found nothing yet; `counts` is the map `ROUTES`. `is_needed` where it certainly is: a server gives handlers
    /// requests in which no route is ever noted.
    #[must_use]
    pub fn new(counts: Array<MapData, u64>, link: UProbeLink, is_needed: bool) -> Self {
        Self { counts, since: Instant::now(), state: if is_needed { State::Needed(link) } else { State::OnTrial(link) } }
    }

    /// Looks at what the probe has found; returns its link where it is to be taken away. Two system calls for each look, until
    /// that is decided.
    pub fn judge(&mut self) -> Option<UProbeLink> {
        self.judge_after(self.since.elapsed())
    }

    /// The same at this age.
    pub fn judge_after(&mut self, age: Duration) -> Option<UProbeLink> {
        if !matches!(self.state, State::OnTrial(_)) {
            return None;
        }
        let count = |index| self.counts.get(&index, 0).unwrap_or(0);
        let verdict = verdict(count(0), count(1), age);
        match (verdict, std::mem::replace(&mut self.state, State::Gone)) {
            (Verdict::NotNeeded, State::OnTrial(link)) => Some(link),
            (Verdict::Needed, State::OnTrial(link)) => {
                self.state = State::Needed(link);
                None
            }
            (_, state) => {
                self.state = state;
                None
            }
        }
    }

    /// What is still attached.
    #[must_use]
    pub fn into_link(self) -> Option<UProbeLink> {
        match self.state {
            State::OnTrial(link) | State::Needed(link) => Some(link),
            State::Gone => None,
        }
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_route_that_nothing_else_knows_keeps_the_probe() {
        assert_eq!(verdict(0, 0, TRIAL), Verdict::Unknown);
        assert_eq!(verdict(0, ENOUGH - 1, TRIAL), Verdict::Unknown);
        assert_eq!(verdict(0, ENOUGH, TRIAL), Verdict::NotNeeded);
        assert_eq!(verdict(0, ENOUGH, Duration::ZERO), Verdict::Unknown);
        assert_eq!(verdict(1, ENOUGH, TRIAL), Verdict::Needed);
        assert_eq!(verdict(1, 0, Duration::ZERO), Verdict::Needed);
    }
}
