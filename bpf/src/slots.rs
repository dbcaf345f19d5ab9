//! What is to be written into the program: the memory that BPF fills, and that the program itself, which has it mapped,
//! empties a few instructions later (the launcher's `executor`).
//!
//! A goroutine's slot for a detour lies in the bucket that its `g` hashes to, under a tag that is the address of that `g` plus
//! the number of the slot. The program may write to all of this: it is read by nobody but its own detours, and BPF only compares tags.

/// Buckets: entries of the map.
pub const BUCKETS: u32 = 16;
/// Slots in each: goroutines that may stand between a probe and its detour at once, by bucket.
pub const WAYS: usize = 4;
/// Slots that a goroutine may have: their numbers are below what each `g` is aligned to (it has 384 to 512 bytes, a multiple
/// of 32; `runtime/sizeclasses.go`).
pub const MAX_SITES: u32 = 32;
/// Words of commands in a slot.
pub const SLOT_WORDS: usize = 125;
/// Bits of the address of a `g` that are the same for all: they lie in a span of objects of at least 384 bytes.
pub const HASH_SHIFT: u32 = 6;

/// What one goroutine is to write.
///
/// `commands` commands, each an address (`u64`), a number of bytes (`u32`), one of [`command`] (`u32`), and the bytes, padded
/// to 8.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// What shows that the detour is the one it is meant for ([`meant_for`]); what was meant for another call is not obeyed.
    pub meant_for: [u64; 2],
    /// Number of commands.
    pub commands: u64,
    /// The commands.
    pub words: [u64; SLOT_WORDS],
}

/// Places in [`Slot::meant_for`].
pub mod meant_for {
    /// Bytes between the stack pointer at the detour and the upper end of the goroutine's stack, which stay the same when
    /// the stack is moved.
    pub const DEPTH: usize = 0;
    /// The first argument of `(*hpack.Encoder).WriteField`.
    pub const ENCODER: usize = 0;
    /// The first argument of `(*ClientConn).writeHeaders`.
    pub const CONNECTION: usize = 1;
}

/// What a command does.
pub mod command {
    /// Stores the bytes at the address.
    pub const STORE: u32 = 0;
    /// Goes on only if there is room for so many bytes behind the slice whose header is at the address. Has no bytes.
    pub const REQUIRE: u32 = 1;
    /// Appends the bytes to that slice; the room must have been required.
    pub const APPEND: u32 = 2;
}

/// Slots of goroutines with the same hash.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// The address of each slot's `g`, plus the number of the detour that it is meant for; 0 where the slot is free.
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
    slots: [Slot { meant_for: [0; 2], commands: 0, words: [0; SLOT_WORDS] }; WAYS],
};

const _: () = assert!(size_of::<Slot>() == 1_024 && size_of::<Bucket>() == 4_160);

/// Memory that the program is lent: buckets behind the others. It lies in no heap of the program's.
pub const LENT_BUCKETS: u32 = 16;
/// Bytes of each piece of it: the headers of one HTTP/2 request.
pub const LENT_BYTES: usize = 512;
/// Pieces.
pub const LENT_PIECES: usize = 128;

const _: () = assert!(LENT_PIECES * LENT_BYTES <= LENT_BUCKETS as usize * size_of::<Bucket>());

/// Who has which piece.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Lent {
    /// Where the first piece is mapped in the program; 0 where there is none.
    pub address: u64,
    /// Pieces given out so far, and again.
    pub given: u64,
    /// The address of the slice that got each piece; 0 where nobody has had it.
    pub owners: [u64; LENT_PIECES],
}

/// Nothing is lent.
pub const NOTHING_LENT: Lent = Lent { address: 0, given: 0, owners: [0; LENT_PIECES] };

/// The bucket of a goroutine.
#[must_use]
#[inline(always)]
pub const fn bucket(goroutine: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
    let bucket = (goroutine >> HASH_SHIFT) as u32 & (BUCKETS - 1);
    bucket
}
