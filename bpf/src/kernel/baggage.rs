//! Global functions for baggage that the program sets, which the verifier follows once, and not again for each call.

use bpf::scratch::Scratch;
use bpf::trace::baggage;

use super::LOAD_BIAS;
use super::memory::UserMemory;
use super::parents::parents;
use super::scratch::{elsewhere, scratch_in};

/// Looks for baggage in a context, with the scratch memory in this place, which the caller has.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_set_baggage(place: u32, table: u64, data: u64) -> u64 {
    if let Some(scratch) = scratch_in(place) {
        baggage::find(&UserMemory, parents(), LOAD_BIAS.get(), scratch, [table, data]);
    }
    0
}

/// Remembers what was found, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn remember_set_baggage(place: u32) -> u64 {
    if let Some(scratch) = scratch_in(place) {
        baggage::remember(&UserMemory, parents(), scratch);
    }
    0
}

/// Forgets it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn forget_set_baggage(span_id: u64, texts: u64) -> u64 {
    baggage::forget(&UserMemory, span_id.to_ne_bytes(), texts);
    0
}

#[inline(always)]
pub(super) fn find(scratch: &mut Scratch, [table, data]: [u64; 2]) {
    find_set_baggage(elsewhere(scratch), table, data);
}

#[inline(always)]
pub(super) fn remember(scratch: &mut Scratch) {
    remember_set_baggage(elsewhere(scratch));
}

#[inline(always)]
pub(super) fn forget(span_id: [u8; 8], texts: u64) {
    forget_set_baggage(u64::from_ne_bytes(span_id), texts);
}
