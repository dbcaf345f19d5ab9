//! What is remembered of outgoing requests, and of the texts that came with served ones.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap};
use bpf::slots::SLOT_WORDS;
use bpf::trace::carried::{Carried, NOTHING_CARRIED};
use bpf::trace::client::PassedOn;

/// What outgoing requests carry, by the address of the request's header map.
#[map(name = "PASSED_ON")]
static PASSED_ON: LruHashMap<u64, PassedOn> = LruHashMap::with_max_entries(4_096, 0);
/// The texts that came with requests, by the id of the span. Allocated before: kernels before 6.1 warn of tracing programs that
/// allocate while they run.
#[map(name = "CARRIED")]
static CARRIED: HashMap<u64, Carried> = HashMap::with_max_entries(512, 0);

/// All zero; here, because it is too large for the stack.
static NEW_CARRIED: Carried = NOTHING_CARRIED;

#[inline(always)]
pub(super) fn pass_on(map: u64, passed_on: &PassedOn) {
    // Full: the oldest is forgotten.
    let _never = PASSED_ON.insert(&map, passed_on, 0);
}

#[inline(always)]
pub(super) fn passing_on(map: u64) -> Option<&'static mut PassedOn> {
    // SAFETY: an evicted entry stays valid memory for this program; what two processors write to it at once are numbers.
    PASSED_ON.get_ptr_mut(&map).map(|passed_on| unsafe { &mut *passed_on })
}

#[inline(always)]
pub(super) fn passed_on(map: u64) {
    let _absent = PASSED_ON.remove(&map);
}

#[inline(always)]
pub(super) fn carry(key: u64) -> Option<&'static mut Carried> {
    let _full = CARRIED.insert(&key, &NEW_CARRIED, 0);
    // SAFETY: the number is random and only this probe knows it yet; a removed entry stays valid memory for this program.
    CARRIED.get_ptr_mut(&key).map(|carried| unsafe { &mut *carried })
}

#[inline(always)]
pub(super) fn carried(key: u64) -> Option<&'static Carried> {
    // SAFETY: nobody writes to it once its number is known; a removed entry stays valid memory for this program.
    CARRIED.get_ptr(&key).map(|carried| unsafe { &*carried })
}

#[inline(always)]
pub(super) fn forget_carried(key: u64) {
    let _absent = CARRIED.remove(&key);
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
