//! What is remembered of contexts and goroutines, and a loop that may look at it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_for_each_map_elem, bpf_loop, bpf_map_delete_elem};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use bpf::config::parents::{ContextType, EMPTY_PARENTS, MAX_CONTEXT_TYPES, ParentsConfig};
use bpf::records::SpanIdentity;
use bpf::target::{Lookup, Step};
use bpf::trace::parents::{Origin, is_over};

use super::memory::UserMemory;

/// The spans of requests that are being served, by the data pointers of their contexts.
#[map(name = "CONTEXTS")]
static CONTEXTS: LruHashMap<u64, SpanIdentity> = LruHashMap::with_max_entries(8_192, 0);
/// The program's types of contexts, by the addresses of their descriptors; set by the launcher.
#[map(name = "CONTEXT_TYPES")]
static CONTEXT_TYPES: HashMap<u64, ContextType> = HashMap::with_max_entries(MAX_CONTEXT_TYPES, 0);
/// What goroutines have from their creators, by the address of their `runtime.g`.
#[map(name = "ORIGINS")]
static ORIGINS: LruHashMap<u64, Origin> = LruHashMap::with_max_entries(8_192, 0);
/// The state of [`tidy_origins`].
#[map(name = "TIDIED")]
static TIDIED: Array<Tidied> = Array::with_max_entries(1, 0);

/// It stands in a map, whose contents the verifier does not follow. What two processors do to it at the same time does no
/// harm: both look, or one looks at less.
#[repr(C)]
struct Tidied {
    /// When it was looked last.
    last: u64,
    /// 1 where there may be something to look at.
    any: u64,
    /// How many are looked at this time.
    left: u64,
}

/// What finding a parent needs to know, set by the launcher.
#[unsafe(no_mangle)]
static PARENTS: ParentsConfig = EMPTY_PARENTS;

/// How often origins are looked at, in nanoseconds.
const TIDY_INTERVAL: u64 = 1_000_000_000;
/// How many of them, at most: each costs two reads of the program's memory.
const TIDY_MOST: u64 = 256;

impl Lookup for UserMemory {
    #[inline(always)]
    fn context_span(&self, context: u64) -> Option<&SpanIdentity> {
        // SAFETY: an evicted entry stays valid memory for this program.
        CONTEXTS.get_ptr(&context).map(|span| unsafe { &*span })
    }

    #[inline(always)]
    fn context_type(&self, address: u64) -> Option<&ContextType> {
        // SAFETY: only the launcher writes to the map, before the program runs.
        CONTEXT_TYPES.get_ptr(&address).map(|found| unsafe { &*found })
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        // SAFETY: the callback gets `state` back as its context and is done with it when the helper returns.
        unsafe { bpf_loop(limit, turn::<S> as *mut c_void, core::ptr::from_mut(state).cast(), 0) };
    }
}

/// One turn of `bpf_loop`; a result of 1 ends it.
unsafe extern "C" fn turn<S: Step>(_index: u32, state: *mut S) -> i64 {
    // SAFETY: `repeat` passes a valid, exclusive reference.
    i64::from(!unsafe { &mut *state }.step(&UserMemory))
}

#[inline(always)]
pub(super) fn parents() -> &'static ParentsConfig {
    &PARENTS
}

#[inline(always)]
pub(super) fn remember_context(context: u64, span: &SpanIdentity) {
    // Full: the oldest is forgotten.
    let _never = CONTEXTS.insert(&context, span, 0);
}

#[inline(always)]
pub(super) fn forget_context(context: u64) {
    let _absent = CONTEXTS.remove(&context);
}

#[inline(always)]
pub(super) fn origin(address: u64) -> Option<&'static Origin> {
    // SAFETY: an evicted entry stays valid memory for this program.
    ORIGINS.get_ptr(&address).map(|origin| unsafe { &*origin })
}

#[inline(always)]
pub(super) fn set_origin(address: u64, goid: u64, span: &SpanIdentity) {
    let mut origin = Origin { goid, span: SpanIdentity::NONE };
    span.copy_to(&mut origin.span);
    // Full: the oldest is forgotten.
    let _never = ORIGINS.insert(&address, &origin, 0);
    if let Some(tidied) = TIDIED.get_ptr_mut(0) {
        // SAFETY: valid and aligned.
        unsafe { (*tidied).any = 1 };
    }
}

/// Forgets origins of goroutines that are no more, once a second and a part of them at a time.
#[inline(always)]
pub(super) fn tidy_origins(now: u64) {
    // SAFETY: valid and aligned.
    let Some(tidied) = TIDIED.get_ptr_mut(0).map(|tidied| unsafe { &mut *tidied }) else {
        return;
    };
    if tidied.any == 0 || now.wrapping_sub(tidied.last) < TIDY_INTERVAL {
        return;
    }
    tidied.last = now;
    tidied.left = TIDY_MOST;
    let map = core::ptr::from_ref(&ORIGINS).cast_mut().cast();
    // The kernel wants an address on the stack.
    let mut context: &mut Tidied = tidied;
    // SAFETY: the callback gets the map's entries and `context`, and is done with them when the helper returns.
    unsafe { bpf_for_each_map_elem(map, tidy as *mut c_void, core::ptr::from_mut(&mut context).cast(), 0) };
    // Something may be left, alive or not looked at.
    context.any = u64::from(context.left != TIDY_MOST);
}

/// One origin; a result of 1 ends the look.
unsafe extern "C" fn tidy(map: *mut c_void, address: *const u64, origin: *const Origin, tidied: *mut &mut Tidied) -> i64 {
    // SAFETY: the kernel passes the map, a key and a value of it, and what `tidy_origins` gave.
    unsafe {
        (*tidied).left = (*tidied).left.wrapping_sub(1);
        if is_over(&UserMemory, &PARENTS, *address, &*origin) {
            bpf_map_delete_elem(map, address.cast());
        }
        i64::from((*tidied).left == 0)
    }
}
