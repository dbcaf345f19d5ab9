//! A set of names to look for in a long list of other names, made so that the others cost next to nothing.

use std::collections::HashMap;

use super::bytes::u64_at;

const BITS: usize = 1 << 14;

/// Names, each with the index that it was given in.
#[derive(Debug)]
pub(super) struct Wanted<'w> {
    /// Bit `fingerprint(name)` is set for each name: nearly every other name ends here.
    filter: Box<[u64; BITS / 64]>,
    indices: HashMap<&'w [u8], Vec<usize>>,
    /// The longest name's length.
    pub(super) longest: usize,
}

impl<'w> Wanted<'w> {
    /// The set of `names`; the same name may occur more than once.
    pub(super) fn new(names: impl IntoIterator<Item = &'w str>) -> Self {
        let mut set = Self { filter: Box::new([0; BITS / 64]), indices: HashMap::new(), longest: 0 };
        for (index, name) in names.into_iter().enumerate() {
            let bit = fingerprint(name.as_bytes());
            if let Some(word) = set.filter.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
            set.indices.entry(name.as_bytes()).or_default().push(index);
            set.longest = set.longest.max(name.len());
        }
        set
    }

    /// The indices of `name`.
    pub(super) fn find(&self, name: &[u8]) -> &[usize] {
        let bit = fingerprint(name);
        match self.filter.get(bit / 64) {
            Some(word) if word >> (bit % 64) & 1 == 1 => self.indices.get(name).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

/// A number below [`BITS`] from the length and the last eight bytes: function names differ most at their end.
fn fingerprint(name: &[u8]) -> usize {
    let last = match name.len().checked_sub(8) {
        Some(start) => u64_at(name, start).unwrap_or(0),
        None => name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let len = u64::try_from(name.len()).unwrap_or(0);
    let mixed = (last ^ len.rotate_left(56)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 50).unwrap_or(0) % BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_exactly_the_wanted() {
        let wanted = Wanted::new(["net/http.(*conn).serve", "a", "a"]);
        assert_eq!(wanted.find(b"net/http.(*conn).serve"), [0]);
        assert_eq!(wanted.find(b"a"), [1, 2]);
        assert_eq!(wanted.find(b"net/http.(*conn).serv"), [0; 0]);
        assert_eq!(wanted.find(b"xet/http.(*conn).serve"), [0; 0]);
        assert_eq!(wanted.find(b""), [0; 0]);
        assert_eq!(wanted.longest, 22);
    }
}
