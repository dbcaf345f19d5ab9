//! How a signal that arrived here reaches the command: as which number (`--rewrite`), and whether its process group gets
//! it too (`--kill-group`).

use nix::errno::Errno;
use nix::unistd::Pid;

use super::sys::{self, LAST_SIGNAL};

/// A signal's number, as an index.
const SIGNALS: usize = 65;

/// What becomes of each signal. The default sends every one unchanged, to the command alone.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding {
    /// By the number that arrived; 0 drops it.
    sent_as: [i32; SIGNALS],
    to_group: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self::new(false, &[])
    }
}

impl Forwarding {
    /// `rewrites` are pairs of the number that arrives and the number that is sent instead, 0 for none; of two pairs for
    /// one signal the last one holds, and a pair with a number that is no signal is of no account.
    #[must_use]
    pub fn new(to_group: bool, rewrites: &[(i32, i32)]) -> Self {
        let mut sent_as = [0; SIGNALS];
        for (slot, number) in sent_as.iter_mut().zip(0..) {
            *slot = number;
        }
        for &(from, to) in rewrites {
            let slot = usize::try_from(from).ok().and_then(|from| sent_as.get_mut(from));
            if let Some(slot) = slot.filter(|_| (0..=LAST_SIGNAL).contains(&to)) {
                *slot = to;
            }
        }
        Self { sent_as, to_group }
    }

    /// What is sent instead of `signal`; `None` if nothing is.
    pub(super) fn rewritten(&self, signal: i32) -> Option<i32> {
        let index = usize::try_from(signal).ok()?;
        self.sent_as.get(index).copied().filter(|&number| number != 0)
    }

    /// Sends `signal` to the process, or to the group it leads.
    ///
    /// The group exists: [`super::spawn`] made it before anything was forwarded. A command that has moved to a group of
    /// somebody else (ESRCH) gets the signal all the same. Other errors mean that it has ended, or that its privileges
    /// forbid it; there is nobody to be told.
    /// `to_group`: to the group in any case.
    pub(super) fn send(&self, pid: Pid, signal: i32, to_group: bool) {
        let group = Pid::from_raw(-pid.as_raw());
        if !(self.to_group || to_group) || sys::kill(group, signal) == Err(Errno::ESRCH) {
            let _ = sys::kill(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_rewritten_dropped_or_left() {
        let forwarding = Forwarding::new(false, &[(15, 3), (1, 0), (34, 64), (2, 9), (2, 10)]);
        assert_eq!(forwarding.rewritten(15), Some(3));
        assert_eq!(forwarding.rewritten(1), None);
        assert_eq!(forwarding.rewritten(34), Some(64));
        assert_eq!(forwarding.rewritten(2), Some(10));
        // Once, not over and over: 3 stays 3 although 15 became it.
        assert_eq!(forwarding.rewritten(3), Some(3));
        assert!((1..=64).all(|signal| Forwarding::default().rewritten(signal) == Some(signal)));
    }

    #[test]
    fn what_is_no_signal_has_no_effect() {
        let forwarding = Forwarding::new(true, &[(65, 1), (-1, 1), (5, 65), (0, 1)]);
        assert_eq!(forwarding.rewritten(5), Some(5));
        assert_eq!(forwarding.rewritten(65), None);
    }
}
