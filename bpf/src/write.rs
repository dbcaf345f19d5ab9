//! What is to be written into the program, put into the slot of the current goroutine; the program carries it out itself
//! (`slots`).

use crate::slots::{Bucket, LENT_BYTES, LENT_PIECES, Slot, WAYS, bucket};
use crate::target::Target;

/// The slot of `goroutine` with the number `site`, meant for a detour that `meant_for` tells. `None` where nothing may be
/// written, or all slots of its bucket are taken.
#[inline(always)]
pub fn claim<T: Target>(target: &T, goroutine: u64, site: u32, meant_for: [u64; 2]) -> Option<&mut Slot> {
    let tag = goroutine.wrapping_add(site.into());
    let bucket = target.bucket(bucket(goroutine))?;
    let way = own(bucket, tag).or_else(|| (0..WAYS).find(|&way| target.take_tag(&mut bucket.tags[way], tag)))?;
    let slot = bucket.slots.get_mut(way)?;
    slot.meant_for = meant_for;
    // What this goroutine has left behind (its detour was not reached) is overwritten, never added to.
    slot.commands = 0;
    Some(slot)
}

/// Frees what `goroutine` has left behind for the detour `site`.
#[inline(always)]
pub fn release<T: Target>(target: &T, goroutine: u64, site: u32) -> Option<()> {
    let bucket = target.bucket(bucket(goroutine))?;
    let way = own(bucket, goroutine.wrapping_add(site.into()))?;
    bucket.tags[way] = 0;
    Some(())
}

#[inline(always)]
fn own(bucket: &Bucket, tag: u64) -> Option<usize> {
    (0..WAYS).find(|&way| bucket.tags[way] == tag)
}

/// The second word of a command: its length and kind (one of [`crate::slots::command`]).
#[inline(always)]
#[must_use]
pub const fn length_and_kind(length: u32, kind: u32) -> u64 {
    length as u64 | (kind as u64) << 32
}

/// Pieces that are looked at, at most.
const LEND_TRIES: u32 = 2;

/// A free piece of the memory that the program is lent, for the slice whose header is at `owner`: its address there.
#[inline(always)]
pub fn lend<T: Target>(target: &T, owner: u64) -> Option<u64> {
    let lent = target.lent()?;
    if lent.address == 0 {
        return None;
    }
    for _try in 0..LEND_TRIES {
        let piece = target.take_turn(&mut lent.given) & (LENT_PIECES as u64 - 1);
        let address = lent.address + piece * LENT_BYTES as u64;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of pieces")]
        let had = lent.owners.get_mut(piece as usize)?;
        // A slice that has grown has left its piece, and one that is no more is something else by now, or will be.
        if *had == 0 || target.read_or_zero::<u64>(*had) != address {
            *had = owner;
            return Some(address);
        }
    }
    None
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
