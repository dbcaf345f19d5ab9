//! Operations that were not sampled: how many, and how long they took, counted where they ended. Metrics would be made of these.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use bpf::trace::operation::kind;
use bpf::trace::unsampled::{Durations, NO_DURATIONS};

/// What they are called, by [`kind`].
const NAMES: [(u32, &str); kind::COUNT as usize] = [
    (kind::HTTP1_SERVER, "HTTP/1 requests served"),
    (kind::HTTP2_SERVER, "HTTP/2 requests served"),
    (kind::XNET_SERVER, "HTTP/2 requests served by golang.org/x/net"),
    (kind::FASTHTTP_SERVER, "HTTP requests served by fasthttp or hertz"),
    (kind::HTTP_CLIENT, "HTTP requests sent"),
    (kind::OF_TABLE, "other operations"),
];

/// All of them, by [`kind`].
#[derive(Debug)]
pub(super) struct Unsampled(pub(super) [Durations; kind::COUNT as usize]);

impl Default for Unsampled {
    fn default() -> Self {
        Self([NO_DURATIONS; kind::COUNT as usize])
    }
}

impl Unsampled {
    /// Whether there were any.
    pub(super) fn any(&self) -> bool {
        self.0.iter().any(|durations| count(durations) > 0)
    }
}

fn count(durations: &Durations) -> u64 {
    // A program that is traced within may have written anything there.
    durations.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// The mean duration, rounded to microseconds; zero where there is none.
fn mean(durations: &Durations) -> Duration {
    Duration::from_micros(durations.sum.checked_div(count(durations)).unwrap_or(0) / 1_000)
}

impl AddAssign<[Durations; kind::COUNT as usize]> for Unsampled {
    fn add_assign(&mut self, other: [Durations; kind::COUNT as usize]) {
        for (all, more) in self.0.iter_mut().zip(other) {
            all.sum = all.sum.wrapping_add(more.sum);
            for (count, more) in all.counts.iter_mut().zip(more.counts) {
                *count = count.saturating_add(more);
            }
        }
    }
}

impl fmt::Display for Unsampled {
    /// `12 HTTP/1 requests served (1.2ms each), 3 HTTP requests sent (800µs each)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().filter_map(|(kind, name)| Some((self.0.get(*kind as usize)?, name)));
        let mut separator = "";
        for (durations, name) in named.filter(|(durations, _)| count(durations) > 0) {
            write!(f, "{separator}{} {name} ({:?} each)", count(durations), mean(durations))?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_and_added_up() {
        let mut unsampled = Unsampled::default();
        assert!(!unsampled.any() && unsampled.to_string().is_empty());
        for _program in 0..2 {
            let mut all = [NO_DURATIONS; kind::COUNT as usize];
            (all[kind::HTTP_CLIENT as usize].sum, all[kind::HTTP_CLIENT as usize].counts[9]) = (2_400_000, 3);
            (all[kind::HTTP1_SERVER as usize].sum, all[kind::HTTP1_SERVER as usize].counts[31]) = (5_000_000_000, 1);
            unsampled += all;
        }
        assert!(unsampled.any());
        assert_eq!(unsampled.to_string(), "2 HTTP/1 requests served (5s each), 6 HTTP requests sent (800µs each)");
    }
}
