//! The memory in which the program finds what it is to write.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use bpf::shared::Shared;
use bpf::slots::{BUCKETS, Bucket, SLOT_WORDS};
use bpf::trace::stand_in::{STAND_INS, StandIn};

/// What the program is to write; it has this mapped.
#[map(name = "SLOTS")]
static SLOTS: Array<Bucket> = Array::with_max_entries(BUCKETS, MMAPABLE);
/// `BPF_F_MMAPABLE`.
const MMAPABLE: u32 = 1 << 10;

/// What stands in for spans of ours; the program has this mapped, too.
#[map(name = "STAND_INS")]
static STAND_INS_MAP: Array<StandIn> = Array::with_max_entries(STAND_INS + 1, MMAPABLE);

#[inline(always)]
pub(super) fn stand_in(number: u32) -> Option<&'static StandIn> {
    // SAFETY: valid and aligned; its words are read and written one by one.
    STAND_INS_MAP.get_ptr(number).map(|stand_in| unsafe { &*stand_in })
}

#[inline(always)]
pub(super) fn bucket(number: u32) -> Option<&'static Bucket> {
    // SAFETY: a slot is written to by whoever has its tag, and tags are taken by an atomic instruction.
    SLOTS.get_ptr(number).map(|bucket| unsafe { &*bucket })
}

/// Stores `new` where `tag` is `old`, atomically, and says whether it was.
#[inline(always)]
pub(super) fn swap_tag(tag: &Shared<u64>, old: u64, new: u64) -> bool {
    let found: u64;
    // SAFETY: the tag is valid and aligned for 8 bytes; the instruction stores to it only where it is the old one.
    unsafe {
        core::arch::asm!(
            "r0 = cmpxchg_64({tag} + 0, r0, {new})",
            tag = in(reg) tag.as_ptr(),
            new = in(reg) new,
            inout("r0") old => found,
        );
    }
    found == old
}

/// Copies within the kernel's memory, to where the compiler does not know; not zero where the kernel does not allow it (lockdown
/// "confidentiality").
#[inline(always)]
pub(super) fn append<const N: usize>(words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
    // No text is so long that anything is cut: the verifier wants to see that.
    let (at, length) = (at.min((SLOT_WORDS * 8 - N) as u64), length.min(N as u64) as u32);
    let words = core::ptr::from_mut(words).cast::<u8>();
    // SAFETY: `at + N` bytes lie within the words, and `length` is at most `N`, the size of the text.
    unsafe { bpf_probe_read_kernel(words.add(at as usize).cast::<c_void>(), length, text.as_ptr().cast()) as u64 }
}
