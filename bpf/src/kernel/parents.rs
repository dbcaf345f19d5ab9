//! What is remembered of contexts and goroutines, and a loop that may look at it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_for_each_map_elem, bpf_loop, bpf_map_delete_elem};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use bpf::config::operations::RecipeStep;
use bpf::config::parents::{ContextType, EMPTY_PARENTS, MAX_CONTEXT_TYPES, ParentsConfig};
use bpf::go::string::GoString;
use bpf::missed::Done;
use bpf::records::RecordBuffer;
use bpf::target::{Lookup, Step};
use bpf::trace::answered;
use bpf::trace::creators::{Look, Sweep};
use bpf::trace::extracted::Extracted;
use bpf::trace::frames::Frame;
use bpf::trace::goroutine::Goroutine;
use bpf::trace::sealed::SealedSpan;
use bpf::trace::stand_in::StandIn;

use super::memory::UserMemory;
use super::{goroutines, operations, otel_api, records, requests, slots};

/// The goroutines that serve requests, by the data pointers of the requests' contexts.
#[map(name = "CONTEXTS")]
static CONTEXTS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(8_192, 0);
/// The spans of requests that have been answered.
#[map(name = "ANSWERED")]
static ANSWERED: Array<answered::Bucket> = Array::with_max_entries(answered::BUCKETS, 0);
/// The program's types of contexts, by the addresses of their descriptors; set by the launcher.
#[map(name = "CONTEXT_TYPES")]
static CONTEXT_TYPES: HashMap<u64, ContextType> = HashMap::with_max_entries(MAX_CONTEXT_TYPES, 0);
/// The spans under which goroutines were created, by the address of their `runtime.g`.
#[map(name = "CREATORS")]
static CREATORS: LruHashMap<u64, SealedSpan> = LruHashMap::with_max_entries(8_192, 0);
/// The state of the look for creators of goroutines that are no more.
#[map(name = "SWEEP")]
static SWEEP: Array<Sweep> = Array::with_max_entries(1, 0);

/// What finding a parent needs to know, set by the launcher.
#[unsafe(no_mangle)]
static PARENTS: ParentsConfig = EMPTY_PARENTS;

impl Lookup for UserMemory {
    #[inline(always)]
    fn goroutine(&self, address: u64) -> Option<&Goroutine> {
        goroutines::goroutine(address)
    }

    #[inline(always)]
    fn context_goroutine(&self, context: u64) -> Option<u64> {
        // SAFETY: valid and aligned; of an evicted entry it is another goroutine, which does not serve this context.
        CONTEXTS.get_ptr(&context).map(|goroutine| unsafe { goroutine.read_volatile() })
    }

    #[inline(always)]
    fn answered(&self, bucket: u32) -> Option<&answered::Bucket> {
        // SAFETY: valid and aligned; what two processors write to it at once has no valid seal.
        ANSWERED.get_ptr(bucket).map(|answered| unsafe { &*answered })
    }

    #[inline(always)]
    fn context_type(&self, address: u64) -> Option<&ContextType> {
        // SAFETY: only the launcher writes to the map, before the program runs.
        CONTEXT_TYPES.get_ptr(&address).map(|found| unsafe { &*found })
    }

    #[inline(always)]
    fn recipe_step(&self, number: u32) -> Option<&RecipeStep> {
        operations::step(number)
    }

    #[inline(always)]
    fn is_known(&self, key: u64, time: u64) -> bool {
        operations::is_known(key, time)
    }

    #[inline(always)]
    fn frame(&self, key: u64) -> Option<&Frame> {
        operations::frame(key)
    }

    #[inline(always)]
    fn stand_in(&self, number: u32) -> Option<&StandIn> {
        slots::stand_in(number)
    }

    #[inline(always)]
    fn output(&self, record: &RecordBuffer, look: bool) -> Done {
        records::output(record, look)
    }

    #[inline(always)]
    fn set_extracted(&self, key: u64, extracted: &Extracted) {
        requests::set_extracted(key, extracted);
    }

    #[inline(always)]
    fn extracted(&self, key: u64) -> Option<&Extracted> {
        requests::extracted(key)
    }

    #[inline(always)]
    fn forget_extracted(&self, key: u64) {
        requests::forget_extracted(key);
    }

    #[inline(always)]
    fn append_item(&self, number: u16, string: GoString, record: &mut RecordBuffer) {
        otel_api::append_item(number, string, record);
    }

    #[inline(always)]
    fn append_attributes(&self, array: u64, count: u64, record: &mut RecordBuffer) {
        otel_api::append_attributes(array, count, record);
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
pub(super) fn remember_context(context: u64, goroutine: u64) {
    // Full: the oldest is forgotten.
    let _never = CONTEXTS.insert(&context, &goroutine, 0);
}

#[inline(always)]
pub(super) fn forget_context(context: u64) {
    let _absent = CONTEXTS.remove(&context);
}

#[inline(always)]
pub(super) fn creator(address: u64) -> Option<&'static SealedSpan> {
    // SAFETY: an evicted entry stays valid memory, and its seal says whose it is.
    CREATORS.get_ptr(&address).map(|creator| unsafe { &*creator })
}

#[inline(always)]
pub(super) fn set_creator(address: u64, creator: &SealedSpan) {
    // Full: the oldest is forgotten.
    let _never = CREATORS.insert(&address, creator, 0);
}

#[inline(always)]
pub(super) fn sweep() -> Option<&'static Sweep> {
    // SAFETY: valid and aligned; what two processors do to it at once does no harm.
    SWEEP.get_ptr(0).map(|sweep| unsafe { &*sweep })
}

#[inline(always)]
pub(super) fn each_creator(sweep: &Sweep) {
    let map = core::ptr::from_ref(&CREATORS).cast_mut().cast();
    // The kernel wants an address on the stack.
    let mut context: &Sweep = sweep;
    // SAFETY: the callback gets the map's entries and `context`, and is done with them when the helper returns.
    unsafe { bpf_for_each_map_elem(map, look as *mut c_void, core::ptr::from_mut(&mut context).cast(), 0) };
}

/// One creator; a result of 1 ends the look.
unsafe extern "C" fn look(map: *mut c_void, address: *const u64, creator: *const SealedSpan, sweep: *const &Sweep) -> i64 {
    // SAFETY: the kernel passes the map, a key and a value of it, and what `each_creator` gave.
    unsafe {
        match (*sweep).look(&UserMemory, &PARENTS, *address, &*creator) {
            Look::Keep => 0,
            Look::Forget => {
                bpf_map_delete_elem(map, address.cast());
                0
            }
            Look::Stop => 1,
        }
    }
}
