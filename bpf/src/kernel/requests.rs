//! What is to be injected into outgoing requests, and the texts that were extracted from served ones.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap};
use bpf::shared::Shared;
use bpf::trace::extracted::Extracted;
use bpf::trace::injection::Injection;
use bpf::trace::waiting;

/// What is to be injected into outgoing requests, by the address of the header map, or of the array of header fields. As many as may wait at
/// once for their header to be written.
#[map(name = "INJECTIONS")]
static INJECTIONS: LruHashMap<u64, Injection> = LruHashMap::with_max_entries(1_984, 0);
/// How many requests of a header map wait.
#[map(name = "WAITING")]
static WAITING: Array<Shared<u64>> = Array::with_max_entries(waiting::WORDS, 0);
/// The texts that came with requests, by the id of the span. The oldest go where there are too many, or whose requests have ended
/// unseen.
#[map(name = "EXTRACTED")]
static EXTRACTED: LruHashMap<u64, Extracted> = LruHashMap::with_max_entries(512, 0);

#[inline(always)]
pub(super) fn set_injection(address: u64, injection: &Injection) {
    // Full: the oldest is forgotten.
    let _never = INJECTIONS.insert(&address, injection, 0);
}

#[inline(always)]
pub(super) fn injection(address: u64) -> Option<&'static Injection> {
    // SAFETY: an evicted entry stays valid memory, whose words are read and written one by one.
    INJECTIONS.get_ptr(&address).map(|injection| unsafe { &*injection })
}

#[inline(always)]
pub(super) fn forget_injection(address: u64) {
    let _absent = INJECTIONS.remove(&address);
}

#[inline(always)]
pub(super) fn waiting(number: u32) -> Option<&'static Shared<u64>> {
    // SAFETY: valid, aligned and initialised; all changes are of the whole word.
    WAITING.get_ptr(number).map(|word| unsafe { &*word })
}

#[inline(always)]
pub(super) fn set_extracted(key: u64, extracted: &Extracted) {
    // Full: the oldest is forgotten.
    let _never = EXTRACTED.insert(&key, extracted, 0);
}

#[inline(always)]
pub(super) fn extracted(key: u64) -> Option<&'static Extracted> {
    // SAFETY: an evicted or removed entry stays valid memory, of bytes. The kernel may give it to another request meanwhile: who copies
    // the texts looks at their number afterwards (`Extracted::is_of`).
    EXTRACTED.get_ptr(&key).map(|extracted| unsafe { &*extracted })
}

#[inline(always)]
pub(super) fn forget_extracted(key: u64) {
    let _absent = EXTRACTED.remove(&key);
}
