//! What is to be written into the program: the memory that BPF fills, and that the program itself, which has it mapped,
//! empties some instructions later (the launcher's `executor`).
//!
//! A goroutine's slot lies in the bucket that its `g` hashes to, under a tag that is the address of that `g` plus the number of
//! the slot. The program may write to all of this: it is read by nobody but its own detours, and BPF only compares tags.

use crate::shared::{Shared, Taken};

/// Buckets: entries of the map.
pub const BUCKETS: u32 = 16;
/// Slots in each: goroutines that may stand between a probe and its detour at once, by bucket.
pub const WAYS: usize = 4;
/// Words of what is to be written.
pub const SLOT_WORDS: usize = 249;
/// Bits of the address of a `g` that are the same for all, whatever the size of a `g`: a multiple of 32.
pub const HASH_SHIFT: u32 = 5;
/// What the other bits are multiplied with (2^32 divided by the golden ratio), so that the highest bits of the product depend on
/// all of them: the distance from one `g` to the next is 384 to 512 bytes.
pub const HASH_FACTOR: u32 = 0x9e37_79b1;
/// What is left of the product are its highest bits.
pub const HASH_RESULT: u32 = 32 - BUCKETS.trailing_zeros();

/// Numbers of slots, below what each `g` is aligned to (it has 384 to 512 bytes, a multiple of 32; `runtime/sizeclasses.go`).
pub mod site {
    /// For `Header.writeSubset`: commands.
    pub const WRITE_SUBSET: u32 = 0;
    /// For the header fields of an HTTP/2 request: text.
    pub const HEADER_FIELDS: u32 = 1;
    /// For functions of the OpenTelemetry API that store what the probe says: commands.
    pub const SPAN_STORES: u32 = 2;
    /// For `trace.SpanFromContext`: the two words that it returns, and zero.
    pub const CURRENT_SPAN: u32 = 3;
    /// For `baggage.ListFromContext`: two words, and the address of the function that is called with them instead.
    pub const BAGGAGE: u32 = 4;
    /// Added while BPF fills the slot, and again when the goroutine has come to where the text belongs: from there on the slot
    /// is its own until it frees it. In both cases nobody else takes the slot or obeys it.
    pub const ARMED: u32 = 16;
}

/// What one goroutine is to write.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// What shows that the detour is the one it is meant for ([`meant_for`]); what was meant for another call is not obeyed.
    pub meant_for: [u64; 3],
    /// Number of commands, or bytes of text.
    pub length: u64,
    /// 1 where the text has been written, from here; while BPF composes the text, 1 where it has not found room.
    pub used: u64,
    /// When it was filled, in nanoseconds of `CLOCK_BOOTTIME`; 0 where its detour follows at once.
    pub queued_at: u64,
    /// Fields that the program does not write, since the text has them: bits of [`drops`].
    pub drops: u64,
    /// The text; or commands, each an address (`u64`), a number of bytes (`u64`) and the bytes, padded to 8.
    pub words: [u64; SLOT_WORDS],
}

/// Bits of [`Slot::drops`].
pub mod drops {
    /// `traceparent`.
    pub const TRACE_PARENT: u64 = 1;
    /// `b3` and those that begin with `x-b3-`.
    pub const B3: u64 = 2;
}

/// Places in [`Slot::meant_for`].
pub mod meant_for {
    /// Bytes between the stack pointer at the detour and the upper end of the goroutine's stack, which stay the same when
    /// the stack is moved.
    pub const DEPTH: usize = 0;
    /// The first argument of `(*hpack.Encoder).WriteField`.
    pub const ENCODER: usize = 0;
    /// The first argument of `(*bytes.Buffer).Write`.
    pub const BUFFER: usize = 1;
    /// The first argument of `(*ClientConn).writeHeaders`.
    pub const CONNECTION: usize = 2;
}

/// Slots of goroutines with the same hash.
#[repr(C)]
#[derive(Debug)]
pub struct Bucket {
    /// The address of each slot's `g`, plus the slot's number; 0 where the slot is free.
    pub tags: [Shared<u64>; WAYS],
    /// Fills the cache line.
    pub padding: [u64; 8 - WAYS],
    /// The slots; each is that of whoever has swapped its tag.
    pub slots: [Taken<Slot>; WAYS],
}

/// A slot before it is used.
pub const EMPTY_SLOT: Slot = Slot { meant_for: [0; 3], length: 0, used: 0, queued_at: 0, drops: 0, words: [0; SLOT_WORDS] };

/// All slots are free.
pub const EMPTY: Bucket =
    Bucket { tags: [const { Shared::new(0) }; WAYS], padding: [0; 8 - WAYS], slots: [const { Taken::new(EMPTY_SLOT) }; WAYS] };

const _: () = assert!(size_of::<Slot>() == 2_048 && size_of::<Bucket>() == 64 + WAYS * 2_048);

/// The bucket of a goroutine.
#[must_use]
#[inline(always)]
pub const fn bucket(goroutine: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are enough")]
    let address = (goroutine >> HASH_SHIFT) as u32;
    address.wrapping_mul(HASH_FACTOR) >> HASH_RESULT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the size class of a `g`, 64 neighbours are spread over the 16 buckets.
    #[test]
    fn neighbours_are_spread_over_the_buckets() {
        for size in (384..=512).step_by(32) {
            let mut counts = [0; BUCKETS as usize];
            for number in 0..64 {
                counts[bucket(0xc0_0000_2000 + number * size) as usize] += 1;
            }
            // Four in each would be even; `g >> 6` has 32 in two buckets for 512 bytes.
            assert!(counts.iter().all(|count| *count <= 8), "{size}: {counts:?}");
        }
    }
}
