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

    /// The string of the `[]string` whose slice header is at `address`, if it is the only one; else no string.
    #[inline(always)]
    pub fn only_of_slice<M: Memory>(memory: &M, address: u64) -> Self {
        let [first, length]: [u64; 2] = memory.read_or_zero(address);
        if length == 1 { Self::at(memory, first) } else { Self::none(memory) }
    }

    /// Copies the string into a record.
    #[inline(always)]
    pub fn copy_to<M: Memory, const N: usize>(self, memory: &M, text: &mut Text<N>) {
        // A length beyond 31 bits is no string.
        #[expect(clippy::cast_possible_truncation, reason = "what does not fit is 0")]
        let length = if self.length >> 31 == 0 { self.length as u32 } else { 0 };
        text.length = if length != 0 && memory.read_bytes(self.address, length, &mut text.bytes) { length } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{Program, layouts};

    /// `header["User-Agent"] = header["User-Agent"][:0]`: the array is still there.
    #[test]
    fn a_slice_without_length_has_no_first_string() {
        let program = Program::new(layouts::GO_1_27);
        let slice = program.memory.allocate(24);
        let [array, _length, _capacity] = program.strings(&["of before"]);
        program.memory.write_words(slice, &[array, 0, 1]);
        assert_eq!(GoString::first_of_slice(&program, slice), GoString::default());
        program.memory.write_words(slice, &[array, 1, 1]);
        assert_eq!(GoString::first_of_slice(&program, slice).length, 9);
    }
}
