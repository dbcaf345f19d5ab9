//! Panics that have begun, until it shows what they have unwound: records in, the ends of operations out.

use std::collections::HashMap;

use crate::panic_value::PanicValue;

/// Goroutines that panic, which are remembered at once.
const MAX_REMEMBERED: usize = 16_384;

/// A panic. All times are nanoseconds of `CLOCK_BOOTTIME`.
#[derive(Clone, Debug)]
pub(super) struct Panic {
    /// What it is about.
    pub(super) value: PanicValue,
    /// When it began.
    pub(super) began: u64,
    /// When something last happened on its goroutine that was within what it has unwound: what deferred functions did.
    last: u64,
}

impl Panic {
    /// When an operation that began at `started` was unwound, as was seen at `seen`.
    pub(super) fn unwound(&self, started: u64, seen: u64) -> u64 {
        // An operation that began later is one of a deferred function.
        if self.began < started { seen } else { self.last.min(seen) }
    }
}

/// The last panic of each goroutine.
#[derive(Debug, Default)]
pub(super) struct Panics {
    of: HashMap<u64, Panic>,
    /// Those that have done what they do, within something that is still open.
    done: HashMap<u64, Panic>,
}

impl Panics {
    /// One begins on this goroutine.
    pub(super) fn begin(&mut self, goroutine: u64, value: PanicValue, began: u64) {
        make_room(&mut self.of);
        self.of.insert(goroutine, Panic { value, began, last: began });
    }

    /// An operation begins on this goroutine: what was unwound before has been said before.
    pub(super) fn go_on(&mut self, goroutine: u64, time: u64) {
        if let Some(panic) = self.of.get_mut(&goroutine) {
            panic.last = panic.last.max(time);
        }
    }

    /// A function that began at `started` returns: a panic that began later was recovered from, the last of which is returned. One that
    /// began earlier goes on: this was deferred.
    pub(super) fn returns(&mut self, goroutine: u64, started: u64, time: u64) -> Option<Panic> {
        let mut recovered = None;
        for panics in [&mut self.done, &mut self.of] {
            if panics.get(&goroutine).is_some_and(|panic| panic.began >= started) {
                recovered = panics.remove(&goroutine).or(recovered);
            }
        }
        self.go_on(goroutine, time);
        recovered
    }

    /// That of this goroutine.
    pub(super) fn get(&self, goroutine: u64) -> Option<&Panic> {
        self.of.get(&goroutine)
    }

    /// The same, which has done what it does.
    pub(super) fn take(&mut self, goroutine: u64) -> Option<Panic> {
        let panic = self.of.remove(&goroutine)?;
        make_room(&mut self.done);
        self.done.insert(goroutine, panic.clone());
        Some(panic)
    }
}

fn make_room(panics: &mut HashMap<u64, Panic>) {
    if panics.len() >= MAX_REMEMBERED {
        panics.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOROUTINE: u64 = 0xc0_0001;

    fn panics() -> Panics {
        let mut panics = Panics::default();
        panics.begin(GOROUTINE, PanicValue { type_name: "string".into(), message: None }, 1_000);
        panics
    }

    #[test]
    fn what_is_unwound_ends_with_the_panic() {
        let mut panics = panics();
        let panic = panics.take(GOROUTINE).unwrap();
        assert_eq!((panic.unwound(900, 5_000_000), panic.unwound(1_000, 5_000_000)), (1_000, 1_000));
        // As the process ends: not later than that.
        assert_eq!(panic.unwound(900, 950), 950);
    }

    #[test]
    fn what_deferred_functions_do_is_within_it() {
        let mut panics = panics();
        panics.go_on(GOROUTINE, 1_100);
        panics.go_on(7, 9_000);
        assert_eq!(panics.get(GOROUTINE).unwrap().unwound(900, 5_000), 1_100);
        assert!(panics.returns(GOROUTINE, 1_100, 1_200).is_none());
        let panic = panics.get(GOROUTINE).unwrap();
        assert_eq!((panic.unwound(900, 5_000), panic.unwound(1_100, 5_000)), (1_200, 5_000));
        // The function around has recovered.
        assert_eq!(panics.returns(GOROUTINE, 900, 1_300).unwrap().began, 1_000);
        assert!(panics.take(GOROUTINE).is_none());
    }

    #[test]
    fn what_was_unwound_within_a_function_was_recovered_from_there() {
        let mut panics = panics();
        panics.take(GOROUTINE).unwrap();
        assert!(panics.get(GOROUTINE).is_none());
        // What begins behind it, and the goroutine's next request.
        assert!(panics.returns(GOROUTINE, 1_050, 1_100).is_none());
        assert_eq!(&*panics.returns(GOROUTINE, 900, 1_200).unwrap().value.type_name, "string");
        assert!(panics.returns(GOROUTINE, 900, 1_300).is_none());
    }
}
