//! What is remembered of goroutines, and the count of their routes.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_for_each_map_elem;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap};
use bpf::target::Visit;
use bpf::trace::Goroutine;

use super::Hit;

/// What is remembered of each goroutine, by the address of its `runtime.g`.
#[map(name = "GOROUTINES")]
static GOROUTINES: LruHashMap<u64, Goroutine> = LruHashMap::with_max_entries(8_192, 0);
/// Requests whose route a mux has found: those in which it is not noted, and those in which it is.
#[map(name = "ROUTES")]
static ROUTES: Array<u64> = Array::with_max_entries(2, 0);

/// All zero; here, because it is too large for the stack.
static NEW_GOROUTINE: Goroutine = bpf::trace::NEW_GOROUTINE;

#[inline(always)]
pub(super) fn goroutine(address: u64) -> Option<&'static mut Goroutine> {
    // SAFETY: only the goroutine's own thread touches its entry. One that is evicted meanwhile stays valid memory, and the seal
    // of what two write to it says so.
    GOROUTINES.get_ptr_mut(&address).map(|goroutine| unsafe { &mut *goroutine })
}

#[inline(always)]
pub(super) fn goroutine_or_new(hit: &Hit, address: u64) -> Option<&'static mut Goroutine> {
    if let Some(known) = goroutine(address) {
        return Some(known);
    }
    let _full = GOROUTINES.insert(&address, &NEW_GOROUTINE, 0);
    let new = goroutine(address)?;
    new.holder = address;
    new.random.seed(hit);
    Some(new)
}

#[inline(always)]
pub(super) fn each<V: Visit>() {
    let map = core::ptr::from_ref(&GOROUTINES).cast_mut().cast();
    // SAFETY: the callback gets the map's entries, needs no context, and is done when the helper returns.
    unsafe { bpf_for_each_map_elem(map, visit::<V> as *mut c_void, core::ptr::null_mut(), 0) };
}

/// One of them.
unsafe extern "C" fn visit<V: Visit>(
    _map: *mut c_void,
    _address: *const u64,
    goroutine: *const Goroutine,
    _: *mut c_void,
) -> i64 {
    // SAFETY: the kernel passes a value of the map. No visit looks at registers.
    V::visit(&Hit(core::ptr::null_mut()), unsafe { &*goroutine });
    0
}

#[inline(always)]
pub(super) fn count_route(in_request: bool) {
    if let Some(count) = ROUTES.get_ptr_mut(u32::from(in_request)) {
        // SAFETY: valid and aligned. What two processors count at once may be counted once: the launcher wants to know which of
        // the two is zero.
        unsafe { *count += 1 };
    }
}
