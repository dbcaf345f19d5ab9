//! What is to be written into the program: the memory that BPF fills, and that the program itself, which has it mapped,
//! empties a few instructions later (the launcher's `executor`).
//!
//! A goroutine's slot lies in the bucket that its `g` hashes to, under a tag that is the address of that `g`. The program
//! may write to all of this: it is read by nobody but its own detours, and BPF only compares tags.

/// Buckets: entries of the map.
pub const BUCKETS: u32 = 16;
/// Slots in each: goroutines that may stand between a probe and its detour at once, by bucket.
pub const WAYS: usize = 4;
/// Words of commands in a slot.
pub const SLOT_WORDS: usize = 126;
/// Bits of the address of a `g` that are the same for all: they lie in a span of objects of at least 384 bytes.
pub const HASH_SHIFT: u32 = 6;

/// What one goroutine is to write.
///
/// `commands` commands, each an address (`u64`), a number of bytes (`u32`, then padding) and the bytes, padded to 8.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Bytes between the stack pointer at the detour and the upper end of the goroutine's stack, which stay the same when
    /// the stack is moved; what was meant for another call is dropped.
    pub depth: u64,
    /// The detour that it is meant for.
    pub site: u32,
    /// Number of commands.
    pub commands: u32,
    /// The commands.
    pub words: [u64; SLOT_WORDS],
}

/// Slots of goroutines with the same hash.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// The address of each slot's `g`; 0 where the slot is free.
    pub tags: [u64; WAYS],
    /// Fills the cache line.
    pub padding: [u64; 8 - WAYS],
    /// The slots.
    pub slots: [Slot; WAYS],
}

/// All slots are free.
pub const EMPTY: Bucket = Bucket {
    tags: [0; WAYS],
    padding: [0; 8 - WAYS],
    slots: [Slot { depth: 0, site: 0, commands: 0, words: [0; SLOT_WORDS] }; WAYS],
};

const _: () = assert!(size_of::<Slot>() == 1_024 && size_of::<Bucket>() == 4_160);

/// The bucket of a goroutine.
#[must_use]
#[inline(always)]
pub const fn bucket(goroutine: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
    let bucket = (goroutine >> HASH_SHIFT) as u32 & (BUCKETS - 1);
    bucket
}
