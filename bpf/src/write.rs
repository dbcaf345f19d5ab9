//! What is to be written into the process, put into the slot of the current goroutine; the program carries it out itself
//! (`slots`).

use crate::shared::Shared;
use crate::slots::{Bucket, Slot, WAYS, bucket, site};
use crate::target::Target;

/// Nanoseconds after which the slot of a goroutine that has not come to its detour may be given to another: its request has failed,
/// or its thread was kept from running, and it goes without.
const STALE: u64 = 20_000_000;

/// A slot that is being filled: nobody else touches it, and the program does not obey it before it is published.
#[derive(Debug)]
pub struct Claimed<'b> {
    /// The slot.
    pub slot: &'b mut Slot,
    tag: &'b Shared<u64>,
    /// The tag by which the program finds it.
    published: u64,
}

impl Claimed<'_> {
    /// Lets the program find the slot.
    #[inline(always)]
    pub fn publish(self) {
        give(self.tag, self.published);
    }

    /// Frees the slot.
    #[inline(always)]
    pub fn abandon(self) {
        give(self.tag, 0);
    }
}

/// Sets the tag behind all that was stored in its slot: whoever takes that over, on another processor, must not see the tag first. BPF
/// has no such barrier; where it writes, on x86-64, stores are in order.
#[inline(always)]
fn give(tag: &Shared<u64>, value: u64) {
    #[cfg(not(target_arch = "bpf"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
    tag.set(value);
}

/// The slot of `goroutine` with the number `site`: its own, else a free one, else one that somebody has left behind. `None` where
/// nothing may be written, or all slots of its bucket are taken. `queued_at` is now, or 0 where the detour follows at once.
#[inline(always)]
pub fn claim<T: Target>(target: &T, goroutine: u64, site: u32, queued_at: u64) -> Option<Claimed<'_>> {
    let published = goroutine.wrapping_add(site.into());
    let bucket = target.bucket(bucket(goroutine))?;
    // A number that the verifier does not know: one way for all slots.
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of ways")]
    let way = target.opaque(take_way(target, bucket, published) as u64) as usize;
    let (slot, tag) = (bucket.slots.get(way)?, bucket.tags.get(way)?);
    // SAFETY: whoever has taken the tag is the only one who touches the slot, until it publishes or frees it.
    let slot = unsafe { slot.get() };
    slot.queued_at = queued_at;
    // Not a constant: of constants side by side the compiler makes a call of memset, which writes byte by byte.
    slot.used = target.opaque(0);
    slot.drops = target.opaque(0);
    Some(Claimed { slot, tag, published })
}

/// Takes a slot of `bucket` for what will be published as `published`; [`WAYS`] where all are taken.
///
/// A call of its own in BPF: which one it is, and why, is forgotten when it returns.
#[inline(never)]
fn take_way<T: Target>(target: &T, bucket: &Bucket, published: u64) -> usize {
    // Armed ones are not given to others.
    let taken = published | u64::from(site::ARMED);
    let Bucket { tags, slots, padding: _ } = bucket;
    let is_old = |tag: &Shared<u64>| tag.get() == taken || tag.get() == published && target.swap_tag(tag, published, taken);
    // What this goroutine has left behind (it did not come to its detours) is overwritten, never added to.
    let way = tags.iter().position(is_old).or_else(|| tags.iter().position(|tag| target.swap_tag(tag, 0, taken))).or_else(|| {
        let now = target.now();
        (0..WAYS).find(|&way| {
            let old = tags[way].get();
            // Of the slot, no less than was there when its tag was set ([`give`]).
            #[cfg(not(target_arch = "bpf"))]
            core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
            // SAFETY: valid and aligned; a time that is written meanwhile is one that is not old.
            let queued_at = unsafe { (&raw const (*slots[way].as_ptr()).queued_at).read_volatile() };
            is_stale(old, queued_at, now) && target.swap_tag(&tags[way], old, taken)
        })
    });
    way.unwrap_or(WAYS)
}

/// Frees what `goroutine` has left behind under the number `site`.
#[inline(always)]
pub fn release<T: Target>(target: &T, goroutine: u64, site: u32) {
    let published = goroutine.wrapping_add(site.into());
    let taken = published | u64::from(site::ARMED);
    let Some(bucket) = target.bucket(bucket(goroutine)) else {
        return;
    };
    for tag in &bucket.tags {
        let old = tag.get();
        if old == taken || old == published {
            target.swap_tag(tag, old, 0);
        }
    }
}

/// Whether the goroutine of a queued slot has not come to its detour for long.
#[inline(always)]
fn is_stale(tag: u64, queued_at: u64, now: u64) -> bool {
    tag & u64::from(site::ARMED) == 0 && queued_at != 0 && now.saturating_sub(queued_at) > STALE
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
    use crate::target::fake::{FakeProcess, layouts};

    /// A goroutine; those that share its bucket follow at this distance (the hash takes 32 bits).
    const G: u64 = 0xc0_0000_1000;
    const NEXT: u64 = 1 << 37;
    const SITE: u32 = site::HEADER_FIELDS;

    fn tags(process: &FakeProcess) -> [u64; WAYS] {
        process.bucket(bucket(G)).unwrap().tags.each_ref().map(Shared::get)
    }

    fn queue(process: &FakeProcess, goroutine: u64, now: u64) -> bool {
        claim(process, goroutine, SITE, now).map(Claimed::publish).is_some()
    }

    #[test]
    fn a_slot_is_not_found_before_it_is_published() {
        let process = FakeProcess::new(layouts::GO_1_27);
        let claimed = claim(&process, G, SITE, 1).unwrap();
        assert_eq!(tags(&process)[0], G + u64::from(SITE | site::ARMED));
        claimed.publish();
        assert_eq!(tags(&process)[0], G + u64::from(SITE));
        claim(&process, G, SITE, 1).unwrap().abandon();
        assert_eq!(tags(&process), [0; WAYS]);
    }

    #[test]
    fn what_a_goroutine_has_left_behind_is_its_own() {
        let process = FakeProcess::new(layouts::GO_1_27);
        for left in [G + u64::from(SITE), G + u64::from(SITE | site::ARMED)] {
            process.bucket(bucket(G)).unwrap().tags[2].set(left);
            assert!(queue(&process, G, 1));
            assert_eq!(tags(&process), [0, 0, G + u64::from(SITE), 0]);
            process.bucket(bucket(G)).unwrap().tags[2].set(left);
            release(&process, G, SITE);
            assert_eq!(tags(&process), [0; WAYS]);
        }
    }

    /// Queued ones once they are [`STALE`]; armed ones never.
    #[test]
    fn what_others_have_left_behind_is_taken_over() {
        let process = FakeProcess::new(layouts::GO_1_27);
        for other in 1..=WAYS as u64 {
            assert!(queue(&process, G + other * NEXT, other));
        }
        process.now.set(STALE);
        assert!(!queue(&process, G, STALE), "nobody has left anything behind");
        let first = &process.bucket(bucket(G)).unwrap().tags[0];
        first.set(first.get() | u64::from(site::ARMED));
        process.now.set(STALE + 10);
        // One whose detour follows at once takes it over as well.
        assert!(queue(&process, G, 0));
        let [first, second, ..] = tags(&process);
        assert_eq!((first, second), (G + NEXT + u64::from(SITE | site::ARMED), G + u64::from(SITE)));
    }

    #[test]
    fn digits_are_those_of_the_bytes() {
        for bytes in [[0, 0, 0, 0], [0x12, 0x34, 0x56, 0x78], [0x9a, 0xbc, 0xde, 0xf0], [0xff, 0x0a, 0xa0, 0x99]] {
            let text = format!("{:08x}", u32::from_be_bytes(bytes));
            assert_eq!(hexadecimal(bytes).to_le_bytes(), text.as_bytes());
        }
    }
}
