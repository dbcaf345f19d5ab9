//! Go strings: a pointer and a length (`runtime.stringStruct`).

use crate::records::Text;
use crate::target::Memory;

/// A string header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoString {
    /// Address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub length: u64,
}

impl GoString {
    /// The string header at `address`; an empty string where it cannot be read.
    #[inline(always)]
    pub fn at<M: Memory>(memory: &M, address: u64) -> Self {
        match memory.read::<[u64; 2]>(address) {
            Some([address, length]) => Self { address, length },
            None => Self::default(),
        }
    }

    /// The first string of the `[]string` whose slice header is at `address`; an empty string where there is none.
    #[inline(always)]
    pub fn first_of_slice<M: Memory>(memory: &M, address: u64) -> Self {
        if address == 0 {
            return Self::default();
        }
        match memory.read::<[u64; 2]>(address) {
            Some([first, length]) if length != 0 => Self::at(memory, first),
            Some(_) | None => Self::default(),
        }
    }

    /// Copies the string into a record.
    #[inline(always)]
    pub fn copy_to<M: Memory, const N: usize>(self, memory: &M, text: &mut Text<N>) {
        // A length beyond 32 bits is no string.
        let length = if self.length >> 31 == 0 { self.length as u32 } else { 0 };
        text.length = if length != 0 && memory.read_bytes(self.address, length, &mut text.bytes) { length } else { 0 };
    }
}
