//! The ring buffer, and the counters of what nothing came of.

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_ringbuf_discard, bpf_ringbuf_submit};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, RingBuf};
use bpf::missed::{COUNTED, Missed};
use bpf::records::RING_BYTES;

/// A backlog of this many bytes wakes the launcher at once; a smaller one waits for its timer.
const WAKE_AT_BYTES: u64 = 512 << 10;
/// `BPF_RB_AVAIL_DATA` of `bpf_ringbuf_query`.
const AVAILABLE_DATA: u64 = 0;

#[map(name = "RECORDS")]
static RECORDS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
/// What nothing came of, by [`Missed`].
#[map(name = "MISSED")]
static MISSED: Array<u64> = Array::with_max_entries(COUNTED, 0);

/// Counts one of this kind; there is no counter for nothing to do.
#[inline(always)]
pub(super) fn count(kind: u32) {
    if let Some(count) = MISSED.get_ptr_mut(kind) {
        // SAFETY: the map value is valid and aligned for 8 bytes; the instruction only adds to it, atomically.
        unsafe { core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) count, in(reg) 1u64) };
    }
}

#[inline(always)]
pub(super) fn reserve<R: 'static>() -> Result<&'static mut R, Missed> {
    let Some(entry) = RECORDS.reserve::<R>(0) else {
        return Err(Missed::RingFull);
    };
    let entry = core::mem::ManuallyDrop::new(entry);
    // SAFETY: records are integers only, and the body fills the fields that the launcher reads.
    Ok(unsafe { &mut *entry.as_ptr().cast_mut() })
}

#[inline(always)]
pub(super) fn submit<R: 'static>(record: &mut R, look: bool) {
    let flags = if look && RECORDS.query(AVAILABLE_DATA) > WAKE_AT_BYTES { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
    // SAFETY: `record` comes from `reserve` and is not used afterwards.
    unsafe { bpf_ringbuf_submit(core::ptr::from_mut(record).cast(), u64::from(flags)) };
}

#[inline(always)]
pub(super) fn discard<R: 'static>(record: &mut R) {
    // SAFETY: as above.
    unsafe { bpf_ringbuf_discard(core::ptr::from_mut(record).cast(), u64::from(BPF_RB_NO_WAKEUP)) };
}
