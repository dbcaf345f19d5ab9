//! What is remembered of outgoing requests, and of the texts that came with served ones.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap};
use bpf::trace::client::Injection;
use bpf::trace::extracted::{Extracted, NOTHING_EXTRACTED};

/// What is to be injected into outgoing requests, by the address of the header map.
#[map(name = "INJECTIONS")]
static INJECTIONS: LruHashMap<u64, Injection> = LruHashMap::with_max_entries(4_096, 0);
/// The texts that came with requests, by the id of the span. Allocated before: kernels before 6.1 warn of tracing programs that
/// allocate while they run.
#[map(name = "EXTRACTED")]
static EXTRACTED: HashMap<u64, Extracted> = HashMap::with_max_entries(512, 0);

/// All zero; here, because it is too large for the stack.
static NEW_EXTRACTED: Extracted = NOTHING_EXTRACTED;

#[inline(always)]
pub(super) fn set_injection(map: u64, injection: &Injection) {
    // Full: the oldest is forgotten.
    let _never = INJECTIONS.insert(&map, injection, 0);
}

#[inline(always)]
pub(super) fn injection(map: u64) -> Option<&'static mut Injection> {
    // SAFETY: an evicted entry stays valid memory for this program; what two processors write to it at once are numbers.
    INJECTIONS.get_ptr_mut(&map).map(|injection| unsafe { &mut *injection })
}

#[inline(always)]
pub(super) fn forget_injection(map: u64) {
    let _absent = INJECTIONS.remove(&map);
}

#[inline(always)]
pub(super) fn new_extracted(key: u64) -> Option<&'static mut Extracted> {
    let _full = EXTRACTED.insert(&key, &NEW_EXTRACTED, 0);
    // SAFETY: the number is random and only this probe knows it yet; a removed entry stays valid memory for this program.
    EXTRACTED.get_ptr_mut(&key).map(|extracted| unsafe { &mut *extracted })
}

#[inline(always)]
pub(super) fn extracted(key: u64) -> Option<&'static Extracted> {
    // SAFETY: nobody writes to it once its number is known; a removed entry stays valid memory for this program.
    EXTRACTED.get_ptr(&key).map(|extracted| unsafe { &*extracted })
}

#[inline(always)]
pub(super) fn forget_extracted(key: u64) {
    let _absent = EXTRACTED.remove(&key);
}
