//! Bounded waiting for what tells nobody when it changes: the state of a process, a map of the kernel.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Far above what anything here takes; reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until it sees what is wanted, and returns that; panics with what it has seen last when it takes too long.
pub(crate) fn seen<T: Debug>(what: &str, mut look: impl FnMut() -> T, is_wanted: impl Fn(&T) -> bool) -> T {
    let begin = Instant::now();
    loop {
        let seen = look();
        if is_wanted(&seen) {
            return seen;
        }
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}: {seen:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for a condition; panics when it takes too long.
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    seen(what, condition, |is_so| *is_so);
}
