//! What is remembered of outgoing requests, and of the texts that came with served ones.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap};
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
