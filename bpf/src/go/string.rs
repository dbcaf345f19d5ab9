//! Go strings: a pointer and a length (`runtime.stringStruct`).

use crate::records::Text;
use crate::target::Memory;

/// A string header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoString {
    /// Address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub length: u64,
}

impl GoString {
    /// No string. Like all values made here it is one that the verifier does not know, so that it need not follow
    /// each combination of strings that are there and not there.
    #[inline(always)]
    pub fn none<M: Memory>(memory: &M) -> Self {
        Self { address: memory.opaque(0), length: memory.opaque(0) }
    }

    /// The string header at `address`; no string where it cannot be read.
    #[inline(always)]
    pub fn at<M: Memory>(memory: &M, address: u64) -> Self {
        let [address, length] = memory.read_or_zero(address);
        Self { address, length }
    }

    /// The first string of the `[]string` whose slice header is at `address`; no string where that is 0 or empty.
    #[inline(always)]
    pub fn first_of_slice<M: Memory>(memory: &M, address: u64) -> Self {
        if address == 0 {
            return Self::none(memory);
        }
        let [first, length]: [u64; 2] = memory.read_or_zero(address);
        if length == 0 { Self::none(memory) } else { Self::at(memory, first) }
    }

    /// The first two strings of the `[]string` whose slice header is at `address`, as of a header with several lines; no
    /// string where there is none.
    #[inline(always)]
    pub fn first_two_of_slice<M: Memory>(memory: &M, address: u64) -> [Self; 2] {
        if address == 0 {
            return [Self::none(memory), Self::none(memory)];
        }
        let [first, length]: [u64; 2] = memory.read_or_zero(address);
        let mut words = [memory.opaque(0), memory.opaque(0), memory.opaque(0), memory.opaque(0)];
        // Both at once. What is not read stays no string, and what cannot be read is zero.
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        memory.read_prefix(first, (length.min(2) * 16) as u32, &mut words);
        let [one, one_length, other, other_length] = words;
        [Self { address: one, length: one_length }, Self { address: other, length: other_length }]
    }

    /// The string of the `[]string` whose slice header is at `address`, if it is the only one; else no string.
    #[inline(always)]
    pub fn only_of_slice<M: Memory>(memory: &M, address: u64) -> Self {
        let [first, length]: [u64; 2] = memory.read_or_zero(address);
        if length == 1 { Self::at(memory, first) } else { Self::none(memory) }
    }

    /// Whether each string fits its capacity.
    #[inline(always)]
    #[must_use]
    pub fn all_fit<const N: usize>(strings: &[Self; N], capacities: [u32; N]) -> bool {
        let mut room = 0;
        // Negative where one does not fit: one branch, and not one for each, of which the verifier would follow both.
        for (string, capacity) in strings.iter().zip(capacities) {
            room |= u64::from(capacity).wrapping_sub(string.length);
        }
        room >> 63 == 0
    }

    /// Copies the string into a record. No helper call where there is no string, nor where the record has no room for any.
    #[inline(always)]
    pub fn copy_to<M: Memory, const N: usize>(self, memory: &M, text: &mut Text<N>) {
        if N == 0 {
            text.length = 0;
            return;
        }
        // A length beyond 31 bits is no string.
        #[expect(clippy::cast_possible_truncation, reason = "what does not fit is 0")]
        let length = if self.length >> 31 == 0 { self.length as u32 } else { 0 };
        text.length = if length != 0 && memory.read_bytes(self.address, length, &mut text.bytes) { length } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{FakeProcess, layouts};

    /// `header["User-Agent"] = header["User-Agent"][:0]`: the array is still there.
    #[test]
    fn a_slice_without_length_has_no_first_string() {
        let process = FakeProcess::new(layouts::GO_1_27);
        let slice = process.memory.allocate(24);
        let [array, _length, _capacity] = process.strings(&["of before"]);
        process.memory.write_words(slice, &[array, 0, 1]);
        assert_eq!(GoString::first_of_slice(&process, slice), GoString::default());
        process.memory.write_words(slice, &[array, 1, 1]);
        assert_eq!(GoString::first_of_slice(&process, slice).length, 9);
    }

    #[test]
    fn two_strings_of_a_slice_are_read_where_there_are_two() {
        let process = FakeProcess::new(layouts::GO_1_27);
        let slice = process.memory.allocate(24);
        let [array, ..] = process.strings(&["one", "other", "third"]);
        for (length, expected) in [(0, [0, 0]), (1, [3, 0]), (2, [3, 5]), (3, [3, 5]), (u64::MAX, [3, 5])] {
            process.memory.write_words(slice, &[array, length, length]);
            assert_eq!(GoString::first_two_of_slice(&process, slice).map(|string| string.length), expected, "{length}");
        }
        process.memory.write_words(slice, &[0xdead_0000, 2, 2]);
        assert_eq!(GoString::first_two_of_slice(&process, slice), [GoString::default(); 2]);
        assert_eq!(GoString::first_two_of_slice(&process, 0), [GoString::default(); 2]);
    }
}
