//! What no span came of, by kind: counted in the kernel and here, said at the end.

use std::fmt;
use std::ops::AddAssign;

use bpf::missed::{COUNTED, Missed};

use super::unsampled::Unsampled;

/// Kinds that the kernel counts.
const KINDS: usize = COUNTED as usize;

/// Those that cost a span, and what is said of them.
const LOSSES: [(Missed, &str); 4] = [
    (Missed::RingFull, "found the ring buffer full"),
    (Missed::Fault, "could not be read from the program's memory"),
    (Missed::NoRoom, "found no room to be remembered"),
    (Missed::Evicted, "were forgotten, because too many were open"),
];

/// What was lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// By [`Missed`].
    pub(super) missed: [u64; KINDS],
    /// Processes whose counters could not be read.
    pub(super) unknown: u64,
    /// Items of the ring buffer that were no record.
    pub(super) invalid: u64,
    /// What was wrong with the first invalid one.
    pub(super) why: Option<String>,
    /// Ends whose start was lost.
    pub(super) orphans: u64,
    /// Spans that the program's OpenTelemetry API could not encode.
    pub(super) unencoded: u64,
    /// Operations that were not sampled: no losses, but counted beside them.
    pub(super) unsampled: Unsampled,
}

impl Losses {
    fn of(&self, kind: Missed) -> u64 {
        self.missed.get(kind as usize).copied().unwrap_or(0)
    }

    /// Whether spans were lost, or may have been.
    pub(super) fn any(&self) -> bool {
        let spans = LOSSES.into_iter().map(|(kind, _)| self.of(kind));
        spans.chain([self.unknown, self.invalid, self.orphans, self.unencoded]).any(|count| count > 0)
    }

    /// Requests that were sent without trace context.
    pub(super) fn not_injected(&self) -> u64 {
        self.of(Missed::NotInjected)
    }

    /// Spans whose parent was not remembered any more.
    pub(super) fn without_parent(&self) -> u64 {
        self.of(Missed::ContextForgotten)
    }
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.missed.iter_mut().zip(other.missed) {
            // A program that is traced within may have written anything there.
            *sum = sum.saturating_add(more);
        }
        self.unknown += other.unknown;
        self.invalid += other.invalid;
        self.orphans += other.orphans;
        self.unencoded += other.unencoded;
        self.unsampled += other.unsampled.0;
        self.why = self.why.take().or(other.why);
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let kinds = [
            (self.invalid, "were invalid"),
            (self.orphans, "were ends without a start"),
            (self.unencoded, "could not be encoded by the program's OpenTelemetry API, as an attribute is NaN or infinite"),
        ];
        let mut separator = "";
        let counted = LOSSES.into_iter().map(|(kind, what)| (self.of(kind), what));
        for (count, what) in counted.chain(kinds).filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {what}")?;
            if what == "were invalid" {
                f.write_str(&why)?;
            }
            separator = ", ";
        }
        if self.unknown > 0 {
            write!(f, "{separator}an unknown number: the kernel's counters could not be read")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(kind: Missed, count: u64) -> Losses {
        let mut losses = Losses::default();
        losses.missed[kind as usize] = count;
        losses
    }

    #[test]
    fn what_was_lost_is_said_by_kind() {
        let mut all = losses(Missed::RingFull, 3);
        all += losses(Missed::Fault, 2);
        all += Losses { invalid: 1, why: Some("too short".to_owned()), ..Losses::default() };
        let said = "3 found the ring buffer full, 2 could not be read from the program's memory, 1 were invalid (too short)";
        assert_eq!(all.to_string(), said);
        all += Losses { unknown: 1, ..Losses::default() };
        assert!(all.to_string().ends_with(", an unknown number: the kernel's counters could not be read"));
    }

    #[test]
    fn a_programs_own_counts_do_not_overflow() {
        let mut all = losses(Missed::RingFull, u64::MAX);
        all += losses(Missed::RingFull, 2);
        all += losses(Missed::Fault, u64::MAX);
        assert!(all.any() && all.to_string().starts_with(&format!("{} found the ring buffer full", u64::MAX)));
    }

    #[test]
    fn nothing_lost_is_nothing_said() {
        assert!(!Losses::default().any());
        assert!(!losses(Missed::ContextForgotten, 7).any() && !losses(Missed::NotInjected, 7).any());
        assert_eq!(losses(Missed::NotInjected, 7).not_injected(), 7);
        assert_eq!(losses(Missed::ContextForgotten, 7).without_parent(), 7);
        assert!(losses(Missed::Evicted, 1).any() && Losses { unknown: 1, ..Losses::default() }.any());
    }
}
