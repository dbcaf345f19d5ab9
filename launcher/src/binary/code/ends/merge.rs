//! Fewer sites for the same ends.

use super::{Condition, EndSite, Found, Guard};

/// A conditional jump both of whose directions lead to the same `RET` with the same results counts in both.
pub(super) fn join_both_directions(sites: &mut Vec<Found>) {
    let mut joined: Vec<Found> = Vec::with_capacity(sites.len());
    for site in sites.drain(..) {
        let opposite = |other: &&mut Found| {
            other.address == site.address && other.results == site.results && opposites(other.condition, site.condition)
        };
        match joined.iter_mut().find(opposite) {
            Some(other) => {
                other.condition = None;
                other.has_stored |= site.has_stored;
            }
            None => joined.push(site),
        }
    }
    *sites = joined;
}

fn opposites(one: Option<Condition>, other: Option<Condition>) -> bool {
    one.is_some_and(|one| other == Some(one.negated()))
}

/// Joins sites at one address whose results lie in the same places, whatever `RET` follows: both directions of a jump,
/// and the calls of one deferred function. A hit then runs the probe's program once.
#[must_use]
pub fn merge_end_sites(sites: Vec<EndSite>) -> Vec<EndSite> {
    let mut merged: Vec<EndSite> = Vec::with_capacity(sites.len());
    for site in sites {
        let fits = |other: &&mut EndSite| {
            other.address == site.address
                && other.results == site.results
                && other.run == site.run
                && (opposites(other.condition, site.condition) || (other.guard.is_some() && site.guard.is_some()))
        };
        match merged.iter_mut().find(fits) {
            Some(other) => {
                other.condition = None;
                other.guard = other
                    .guard
                    .zip(site.guard)
                    .map(|(one, two)| Guard { first: one.first.min(two.first), last: one.last.max(two.last) });
                other.has_stored |= site.has_stored;
                other.returns.extend(site.returns);
            }
            None => merged.push(site),
        }
    }
    merged
}
