//! Global functions of the OpenTelemetry API's probes, which the verifier follows once, and not again for each call.

use bpf::go::string::GoString;
use bpf::instrumentations::otel_api;
use bpf::records::RecordBuffer;
use bpf::trace::wrapped;

use super::memory::UserMemory;
use super::parents::parents;
use super::scratch::scratch_in;

/// Appends a text to the record in this place of scratch memory, which the caller has.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn append_one_item(place: u32, number: u32, address: u64, length: u64) -> u64 {
    if let Some(scratch) = scratch_in(place) {
        otel_api::append(&UserMemory, number as u16, GoString { address, length }, &mut scratch.record);
    }
    0
}

/// Appends attributes, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn append_all_attributes(place: u32, array: u64, count: u64) -> u64 {
    if let Some(scratch) = scratch_in(place) {
        otel_api::attributes(&UserMemory, array, count, &mut scratch.record);
    }
    0
}

/// The layers of the operations of which an instrumentation with this name makes spans.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_wrapper(address: u64, length: u64) -> u64 {
    wrapped::layers_of(&UserMemory, parents(), GoString { address, length }).into()
}

#[inline(always)]
pub(super) fn append_item(number: u16, string: GoString, record: &mut RecordBuffer) {
    let place = elsewhere(record);
    append_one_item(place, number.into(), string.address, string.length);
}

#[inline(always)]
pub(super) fn append_attributes(array: u64, count: u64, record: &mut RecordBuffer) {
    let place = elsewhere(record);
    append_all_attributes(place, array, count);
}

#[inline(always)]
pub(super) fn wrapped_layers(name: GoString) -> u32 {
    find_wrapper(name.address, name.length) as u32
}

/// The place of a record, which is known elsewhere.
#[inline(always)]
fn elsewhere(record: &mut RecordBuffer) -> u32 {
    // SAFETY: it does nothing. The compiler sees that the memory is known elsewhere: what is called below changes it.
    unsafe { core::arch::asm!("{0} = {0}", in(reg) core::ptr::from_mut(record)) };
    record.place as u32
}
