//! What is to be written into the program, put into the slot of the current goroutine; the program carries it out itself
//! (`slots`).

use crate::slots::{Bucket, Slot, WAYS};
use crate::target::Target;

/// The slot of `goroutine`: its own, else a free one, which it takes. `None` where all of its bucket are taken.
#[inline(always)]
pub fn claim<T: Target>(target: &T, bucket: &mut Bucket, goroutine: u64) -> Option<usize> {
    // What this goroutine has left behind (its detour was not reached) is overwritten, never added to.
    for way in 0..WAYS {
        if bucket.tags[way] == goroutine {
            return Some(way);
        }
    }
    (0..WAYS).find(|&way| target.take_tag(&mut bucket.tags[way], goroutine))
}

/// Makes `slot` one of `commands` commands for the detour `site`, when the goroutine comes to it at this depth of its
/// stack.
#[inline(always)]
pub fn address(slot: &mut Slot, site: u32, depth: u64, commands: u32) {
    slot.depth = depth;
    slot.site = site;
    slot.commands = commands;
}

/// Eight lower-case hexadecimal digits of four bytes, as text in the order of memory, without a branch.
#[inline(always)]
#[must_use]
pub const fn hexadecimal(bytes: [u8; 4]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let all = u32::from_le_bytes(bytes) as u64;
    let pairs = (all | all << 16) & 0x0000_ffff_0000_ffff;
    let single = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (single >> 4) & 0x000f_000f_000f_000f | (single & 0x000f_000f_000f_000f) << 8;
    digits + 0x30 * ONES + (((digits + 6 * ONES) >> 4) & ONES) * 0x27
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_bytes() {
        for bytes in [[0, 0, 0, 0], [0x12, 0x34, 0x56, 0x78], [0x9a, 0xbc, 0xde, 0xf0], [0xff, 0x0a, 0xa0, 0x99]] {
            let text = format!("{:08x}", u32::from_be_bytes(bytes));
            assert_eq!(hexadecimal(bytes).to_le_bytes(), text.as_bytes());
        }
    }
}
