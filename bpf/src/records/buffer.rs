//! A record while it is made: in memory that belongs to one probe, and handed to the ring buffer at once, with its exact size.

use bytemuck::Pod;

use crate::go::string::GoString;
use crate::missed::Done;
use crate::records::{RecordHeader, taken};
use crate::target::{Lookup, Memory, Step};

/// The longest text that a record takes. A power of two.
pub const MAX_TEXT: usize = 8_192;
/// Bytes of the longest record, less its last text. A power of two.
const MAX_BEFORE: usize = 8_192;
/// Bytes for what comes behind that text: heads of values, and numbers.
const MAX_BEHIND: usize = 1_024;
/// Bytes of a record at most.
const MAX: usize = MAX_BEFORE + MAX_TEXT + MAX_BEHIND;

/// Room for any record.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct RecordBuffer {
    /// Bytes of the record so far. In memory, so that the verifier does not follow each length.
    pub length: u64,
    /// The number of the scratch memory that it stands in.
    pub place: u64,
    /// The record.
    pub bytes: [u8; MAX],
}

impl RecordBuffer {
    /// Nothing yet.
    #[expect(clippy::large_stack_arrays, reason = "in a map, or in a box")]
    pub const EMPTY: Self = Self { length: 0, place: 0, bytes: [0; MAX] };

    /// The head, whose fields are all to be set.
    #[inline(always)]
    pub fn head<H: Pod>(&mut self) -> &mut H {
        const { assert!(size_of::<H>() <= MAX_TEXT && align_of::<H>() <= 8) };
        // SAFETY: within the bytes, aligned as they are behind words of a struct that is aligned by 8, initialised, and any
        // bytes are a valid head (`Pod`). The reference lives as long as that to the buffer.
        unsafe { &mut *self.bytes.as_mut_ptr().cast() }
    }

    /// Appends a string of the process, cut at `capacity` bytes. Its length; 0 where there is none or it cannot be read.
    ///
    /// A call of its own in BPF: what it branches on is forgotten when it returns.
    #[inline(never)]
    pub fn append<M: Memory>(&mut self, memory: &M, string: GoString, capacity: u32) -> u32 {
        // A length beyond 31 bits is no string.
        #[expect(clippy::cast_possible_truncation, reason = "what does not fit is 0")]
        let length = if string.length >> 31 == 0 { string.length as u32 } else { 0 };
        let cut = taken(length, capacity);
        let mut read = memory.opaque(0);
        if cut != 0 && memory.read_text(string.address, cut, self) {
            self.length += u64::from(cut);
            read += u64::from(length);
        }
        #[expect(clippy::cast_possible_truncation, reason = "made of 32 bits")]
        let read = memory.opaque(read) as u32;
        read
    }

    /// Whether one more text of any length finds room.
    #[inline(always)]
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.length <= MAX_BEFORE as u64
    }

    /// Whether one more text of any length finds room behind a word, where all that was appended are words.
    #[inline(always)]
    #[must_use]
    pub const fn has_room_for_value(&self) -> bool {
        self.length < MAX_BEFORE as u64
    }

    /// Appends a word. Where there is no room it takes the place of the last one: no list of values is so long.
    #[inline(always)]
    pub fn push_word(&mut self, word: u64) {
        let at = self.length;
        self.set_word(at, word);
        self.length = at + 8;
    }

    /// Appends a byte, likewise.
    #[inline(always)]
    pub fn push_byte(&mut self, byte: u8) {
        #[expect(clippy::cast_possible_truncation, reason = "at most the size of the bytes")]
        let at = self.length.min((MAX - 1) as u64) as usize;
        // SAFETY: within the record.
        unsafe { self.bytes.as_mut_ptr().add(at).write(byte) }
        self.length += 1;
    }

    /// Sets the word that begins at the byte `at`, a multiple of eight.
    #[inline(always)]
    pub fn set_word(&mut self, at: u64, word: u64) {
        #[expect(clippy::cast_possible_truncation, reason = "at most the size of the bytes")]
        let at = at.min((MAX - 8) as u64) as usize;
        // SAFETY: eight bytes from there on lie within the record.
        unsafe { self.bytes.as_mut_ptr().add(at).cast::<u64>().write_unaligned(word) }
    }

    /// Hands the record to the launcher: its head has this kind, and the strings that were appended follow. `look` says whether to
    /// look if the launcher must be woken: now and then is enough.
    ///
    /// # Errors
    /// Where the ring buffer is full.
    #[inline(always)]
    pub fn submit<L: Lookup>(&mut self, target: &L, kind: u32, look: bool) -> Done {
        #[expect(clippy::cast_possible_truncation, reason = "at most the size of the bytes")]
        let size = self.length as u32;
        *self.head() = RecordHeader { kind, size };
        target.output(self, look)
    }
}

/// The loop over the strings of a record.
#[derive(Debug)]
pub struct Append<'a, const N: usize> {
    /// Where they go, behind the head.
    pub record: &'a mut RecordBuffer,
    /// The strings, where they lie in the process. Their lengths become those in the record.
    pub strings: &'a mut [GoString; N],
    /// At most as many bytes of each.
    pub capacities: &'static [u32; N],
    /// The next one.
    pub next: u64,
}

impl<const N: usize> Step for Append<'_, N> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { record, strings, capacities, next } = self;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of strings")]
        let index = *next as usize;
        *next += 1;
        let (Some(string), Some(capacity)) = (strings.get_mut(index), capacities.get(index)) else {
            return false;
        };
        if string.length != 0 {
            string.length = record.append(lookup, *string, *capacity).into();
        }
        true
    }
}
