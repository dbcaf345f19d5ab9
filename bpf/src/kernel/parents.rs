//! What is remembered of contexts and goroutines, and a loop that may look at it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_for_each_map_elem, bpf_loop, bpf_map_delete_elem};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use bpf::config::parents::{ContextType, EMPTY_PARENTS, MAX_CONTEXT_TYPES, ParentsConfig};
use bpf::records::SpanIdentity;
use bpf::target::{Lookup, Step};
use bpf::trace::answered;
use bpf::trace::parents::{Look, Origin, Tidying};
use bpf::trace::sealed::Sealed;

use super::memory::UserMemory;

/// The spans of requests that are being served, by the data pointers of their contexts.
#[map(name = "CONTEXTS")]
static CONTEXTS: LruHashMap<u64, Sealed> = LruHashMap::with_max_entries(8_192, 0);
/// The spans of requests that have been answered.
#[map(name = "ANSWERED")]
static ANSWERED: Array<answered::Bucket> = Array::with_max_entries(answered::BUCKETS, 0);
/// The program's types of contexts, by the addresses of their descriptors; set by the launcher.
#[map(name = "CONTEXT_TYPES")]
static CONTEXT_TYPES: HashMap<u64, ContextType> = HashMap::with_max_entries(MAX_CONTEXT_TYPES, 0);
/// What goroutines have from their creators, by the address of their `runtime.g`.
#[map(name = "ORIGINS")]
static ORIGINS: LruHashMap<u64, Origin> = LruHashMap::with_max_entries(8_192, 0);
/// The state of the look for origins of goroutines that are no more.
#[map(name = "TIDYING")]
static TIDYING: Array<Tidying> = Array::with_max_entries(1, 0);

/// What finding a parent needs to know, set by the launcher.
#[unsafe(no_mangle)]
static PARENTS: ParentsConfig = EMPTY_PARENTS;

impl Lookup for UserMemory {
    #[inline(always)]
    fn context_span(&self, context: u64) -> Option<&Sealed> {
        // SAFETY: an evicted entry stays valid memory for this program, and its seal says whose it is.
        CONTEXTS.get_ptr(&context).map(|span| unsafe { &*span })
    }

    #[inline(always)]
    fn answered(&self, bucket: u32) -> Option<&mut answered::Bucket> {
        // SAFETY: valid and aligned; what two processors write to it at once has no valid seal.
        ANSWERED.get_ptr_mut(bucket).map(|answered| unsafe { &mut *answered })
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
    let _never = CONTEXTS.insert(&context, &Sealed::new(span, context), 0);
}

#[inline(always)]
pub(super) fn forget_context(context: u64) {
    let _absent = CONTEXTS.remove(&context);
}

#[inline(always)]
pub(super) fn origin(address: u64) -> Option<&'static Origin> {
    // SAFETY: an evicted entry stays valid memory for this program, and its seal says whose it is.
    ORIGINS.get_ptr(&address).map(|origin| unsafe { &*origin })
}

#[inline(always)]
pub(super) fn set_origin(address: u64, origin: &Origin) {
    // Full: the oldest is forgotten.
    let _never = ORIGINS.insert(&address, origin, 0);
}

#[inline(always)]
pub(super) fn tidying() -> Option<&'static mut Tidying> {
    // SAFETY: valid and aligned; what two processors do to it at once does no harm.
    TIDYING.get_ptr_mut(0).map(|tidying| unsafe { &mut *tidying })
}

#[inline(always)]
pub(super) fn each_origin(tidying: &mut Tidying) {
    let map = core::ptr::from_ref(&ORIGINS).cast_mut().cast();
    // The kernel wants an address on the stack.
    let mut context: &mut Tidying = tidying;
    // SAFETY: the callback gets the map's entries and `context`, and is done with them when the helper returns.
    unsafe { bpf_for_each_map_elem(map, look as *mut c_void, core::ptr::from_mut(&mut context).cast(), 0) };
}

/// One origin; a result of 1 ends the look.
unsafe extern "C" fn look(map: *mut c_void, address: *const u64, origin: *const Origin, tidying: *mut &mut Tidying) -> i64 {
    // SAFETY: the kernel passes the map, a key and a value of it, and what `each_origin` gave.
    unsafe {
        match (*tidying).look(&UserMemory, &PARENTS, *address, &*origin) {
            Look::Keep => 0,
            Look::Forget => {
                bpf_map_delete_elem(map, address.cast());
                0
            }
            Look::Stop => 1,
        }
    }
}
