//! What is remembered of goroutines, and the count of their routes.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_for_each_map_elem;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap};
use bpf::target::Visit;
use bpf::trace::goroutine::{Goroutine, NEW_GOROUTINE};

use super::Hit;

/// What is remembered of each goroutine, by the address of its `runtime.g`.
#[map(name = "GOROUTINES")]
static GOROUTINES: LruHashMap<u64, Goroutine> = LruHashMap::with_max_entries(8_192, 0);
/// Requests whose route a mux has found: those in which it is not noted, and those in which it is.
#[map(name = "ROUTES")]
static ROUTES: Array<u64> = Array::with_max_entries(2, 0);

/// All zero; here, because it is too large for the stack.
static NEW: Goroutine = NEW_GOROUTINE;

#[inline(always)]
pub(super) fn goroutine(address: u64) -> Option<&'static Goroutine> {
    // SAFETY: one that is evicted meanwhile stays valid memory, whose words are read and written one by one.
    GOROUTINES.get_ptr(&address).map(|goroutine| unsafe { &*goroutine })
}

/// A call of its own: whether it was new is forgotten when it returns.
#[inline(never)]
pub(super) fn goroutine_or_new(address: u64) -> Option<&'static Goroutine> {
    if let Some(known) = goroutine(address) {
        // Another one that had this memory has written to it when it was its own no more.
        if !known.is_held_by(address) {
            known.give_to(address);
        }
        return Some(known);
    }
    let _full = GOROUTINES.insert(&address, &NEW, 0);
    let new = goroutine(address)?;
    new.give_to(address);
    Some(new)
}

#[inline(always)]
pub(super) fn each<V: Visit>(visit: &V) {
    let map = core::ptr::from_ref(&GOROUTINES).cast_mut().cast();
    // The kernel wants an address on the stack.
    let mut context: &V = visit;
    // SAFETY: the callback gets the map's entries and `context`, and is done with them when the helper returns.
    unsafe { bpf_for_each_map_elem(map, visit_one::<V> as *mut c_void, core::ptr::from_mut(&mut context).cast(), 0) };
}

/// One of them.
unsafe extern "C" fn visit_one<V: Visit>(_: *mut c_void, _: *const u64, goroutine: *const Goroutine, visit: *const &V) -> i64 {
    // SAFETY: the kernel passes a value of the map, and what `each` gave. No visit looks at registers.
    unsafe { (*visit).visit(&Hit(core::ptr::null_mut()), &*goroutine) };
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
