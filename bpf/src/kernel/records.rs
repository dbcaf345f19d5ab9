//! The ring buffer, and the counters of what no record comes of.

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_ringbuf_output};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use bpf::missed::{COUNTED, Done, Missed};
use bpf::records::{RING_BYTES, RecordBuffer};
use bpf::trace::operation;
use bpf::trace::unsampled::{BUCKETS, Durations, bucket};

/// A backlog of this many bytes wakes the launcher at once; a smaller one waits for its timer.
const WAKE_AT_BYTES: u64 = (RING_BYTES / 8) as u64;
/// `BPF_RB_AVAIL_DATA` of `bpf_ringbuf_query`.
const AVAILABLE_DATA: u64 = 0;

#[map(name = "RECORDS")]
static RECORDS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
/// What nothing came of, by [`Missed`].
#[map(name = "MISSED")]
static MISSED: Array<u64> = Array::with_max_entries(COUNTED, 0);
/// Operations that were not sampled, by kind.
#[map(name = "UNSAMPLED")]
static UNSAMPLED: PerCpuArray<Durations> = PerCpuArray::with_max_entries(operation::kind::COUNT, 0);

/// Counts one of this kind; there is no counter for nothing to do.
#[inline(always)]
pub(super) fn count(kind: u32) {
    if let Some(count) = MISSED.get_ptr_mut(kind) {
        add(count, 1);
    }
}

/// Counts an operation of this kind that was not sampled.
///
/// A call of its own: which bucket it is is forgotten when it returns.
#[inline(never)]
pub(super) fn count_unsampled(kind: u32, duration: u64) {
    let Some(durations) = UNSAMPLED.get_ptr_mut(kind) else {
        return;
    };
    // SAFETY: the value is valid; only addresses within it are made.
    let (sum, counts) = unsafe { (&raw mut (*durations).sum, &raw mut (*durations).counts) };
    add(sum, duration);
    // SAFETY: there are as many counts as buckets.
    add(unsafe { counts.cast::<u64>().add(bucket(duration) as usize & (BUCKETS - 1)) }, 1);
}

/// Adds to a word of a map.
#[inline(always)]
fn add(word: *mut u64, amount: u64) {
    // SAFETY: the word is valid and aligned for 8 bytes; the instruction only adds to it, atomically.
    unsafe { core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) word, in(reg) amount) };
}

/// Copies the first bytes of a record to `text`.
#[inline(always)]
pub(super) fn take_text<const N: usize>(record: &RecordBuffer, text: &mut [u8; N]) {
    const { assert!(N <= size_of::<RecordBuffer>() - 8) };
    // SAFETY: both have so many bytes. Of a copy the compiler would make a loop over bytes.
    let _never = unsafe { bpf_probe_read_kernel(text.as_mut_ptr().cast(), N as u32, record.bytes.as_ptr().cast()) };
}

#[inline(always)]
pub(super) fn output(record: &RecordBuffer, look: bool) -> Done {
    let flags = if look && RECORDS.query(AVAILABLE_DATA) > WAKE_AT_BYTES { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
    // As many bytes as there are, at most: the verifier wants to see that.
    let size = record.length.min(size_of_val(&record.bytes) as u64);
    let ring = core::ptr::from_ref(&RECORDS).cast_mut().cast();
    // SAFETY: the map is a ring buffer, and `size` bytes of the record are valid.
    let result = unsafe { bpf_ringbuf_output(ring, record.bytes.as_ptr().cast_mut().cast(), size, u64::from(flags)) };
    if result == 0 { Ok(()) } else { Err(Missed::RingFull) }
}
