//! The way out for a record: into the ring, with a note in the frame by which it is given up where the hit is left in between.

use core::sync::atomic::Ordering;

use bpf::missed::{Done, Missed};
use bpf::records::RecordBuffer;

use super::entry::Frame;
use super::machine::wake_one;
use super::{control, ring};

/// Hands a record to the launcher. `frame` stands above, and is that of the hit which has made it.
#[inline(always)]
pub(super) fn output(frame: *mut Frame, record: &RecordBuffer) -> Done {
    let length = (record.length as usize).min(record.bytes.len());
    let bytes = record.bytes.get(..length).ok_or(Missed::RingFull)?;
    let reserved = ring().reserve(length).ok_or(Missed::RingFull)?;
    // SAFETY: the frame stands above, and is this hit's. The size first: by the header the record is given up.
    unsafe {
        (&raw mut (*frame).record_size).write_volatile(length as u64);
        (&raw mut (*frame).record).write_volatile(reserved.address());
    }
    #[cfg(feature = "planted")]
    super::planted::reserved();
    let is_half_full = reserved.is_half_full;
    reserved.commit(bytes);
    // SAFETY: as above.
    unsafe { (&raw mut (*frame).record).write_volatile(0) };
    if is_half_full {
        wake();
    }
    Ok(())
}

/// Wakes the launcher, which waits for the word by futex(2): the one system call of this code. Every program in Go makes it.
#[cold]
#[inline(never)]
fn wake() {
    let word = &control().half_full;
    word.fetch_add(1, Ordering::Release);
    wake_one(word.as_ptr());
}
