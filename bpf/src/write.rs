//! What is to be written into the program, put into the slot of the current goroutine; the program carries it out itself
//! (`slots`).

use crate::slots::{Bucket, Slot, WAYS, bucket, site};
use crate::target::Target;

/// A goroutine that has not come to its detour for this long never will, or can do without: the slot may be given to another.
const STALE: u64 = 1_000_000_000;

/// The slot of `goroutine` with the number `site`: its own, else a free one, else one that somebody has left behind. `None` where
/// nothing may be written, or all slots of its bucket are taken. `now` is 0 where the detour follows at once.
#[inline(always)]
pub fn claim<T: Target>(target: &T, goroutine: u64, site: u32, now: u64) -> Option<&mut Slot> {
    let tag = goroutine.wrapping_add(site.into());
    let bucket = target.bucket(bucket(goroutine))?;
    let way = own(bucket, tag)
        .or_else(|| (0..WAYS).find(|&way| target.swap_tag(&mut bucket.tags[way], 0, tag)))
        .or_else(|| abandoned(target, bucket, tag, now))?;
    let slot = bucket.slots.get_mut(way)?;
    slot.queued_at = now;
    slot.used = 0;
    Some(slot)
}

/// Frees what `goroutine` has left behind under the number `site`.
#[inline(always)]
pub fn release<T: Target>(target: &T, goroutine: u64, site: u32) -> Option<()> {
    let bucket = target.bucket(bucket(goroutine))?;
    let way = own(bucket, goroutine.wrapping_add(site.into()))?;
    bucket.tags[way] = 0;
    Some(())
}

/// The slot that has this tag, or has it armed: what a goroutine has left behind (it did not come to its detours) is
/// overwritten, never added to.
#[inline(always)]
fn own(bucket: &Bucket, tag: u64) -> Option<usize> {
    (0..WAYS).find(|&way| bucket.tags[way] & !u64::from(site::ARMED) == tag)
}

/// A slot whose goroutine has not come to its detour for long, taken from it at once: armed ones are not given to others.
#[inline(always)]
fn abandoned<T: Target>(target: &T, bucket: &mut Bucket, tag: u64, now: u64) -> Option<usize> {
    for way in 0..WAYS {
        let (old, queued_at) = (bucket.tags[way], bucket.slots[way].queued_at);
        if old & u64::from(site::ARMED) == 0
            && queued_at != 0
            && now.saturating_sub(queued_at) > STALE
            && target.swap_tag(&mut bucket.tags[way], old, tag)
        {
            return Some(way);
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
