//! Memory in which something is wrong, at random: as a program may have it that is broken, or hostile, or not laid out as was thought.

use super::Pages;
use super::pages::PAGE;

/// How often a test is to try: so often, or many times that with `TEST_ALL` (`make test-all`).
#[must_use]
pub fn turns(few: u64) -> u64 {
    let tests_all = std::env::var_os("TEST_ALL").is_some_and(|value| !value.is_empty());
    if tests_all { 50 * few } else { few }
}

/// Numbers that look random, the same for each seed (splitmix64, <https://prng.di.unimi.it>).
#[derive(Clone, Copy, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// The next one below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }
}

impl Pages {
    /// Makes so many words wrong; takes a page away now and then.
    pub fn disturb(&self, numbers: &mut Numbers, words: u64) {
        for _ in 0..words {
            let mapped = self.mapped();
            let Some(page) = mapped.get(usize::try_from(numbers.below(mapped.len().max(1) as u64)).unwrap()) else {
                return;
            };
            if numbers.below(32) == 0 {
                self.unmap(*page);
                continue;
            }
            let (at, word) = self.some_word(*page, numbers);
            let wrong = self.wrong(word, numbers);
            self.write(at, &wrong.to_ne_bytes());
        }
    }

    /// A word of a page, mostly one that is not 0.
    fn some_word(&self, page: u64, numbers: &mut Numbers) -> (u64, u64) {
        let words = PAGE / 8;
        let word = |at: u64| crate::target::Memory::read_or_zero::<u64>(self, page * PAGE + at * 8);
        let first = numbers.below(words);
        let used = (0..words).map(|turn| (first + turn) % words).find(|at| word(*at) != 0);
        let at = if numbers.below(4) == 0 { first } else { used.unwrap_or(first) };
        (page * PAGE + at * 8, word(at))
    }

    /// Another word instead of one: what lengths, pointers and numbers may be at worst.
    pub fn wrong(&self, word: u64, numbers: &mut Numbers) -> u64 {
        let mapped = self.mapped();
        match numbers.below(10) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 63,
            3 => numbers.any(),
            4 => numbers.below(10_000),
            5 => word.wrapping_add(1),
            6 => word.wrapping_sub(1),
            7 => word ^ 1 << numbers.below(64),
            // Somewhere in the program, also close to an end.
            8 => {
                let page = mapped.get(usize::try_from(numbers.below(mapped.len().max(1) as u64)).unwrap());
                page.map_or(0, |page| page * PAGE + numbers.below(PAGE))
            }
            _ => !word,
        }
    }
}
