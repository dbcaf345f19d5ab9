//! Memory for one probe at a time.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use bpf::config::Setting;
use bpf::missed::{Done, Missed};
use bpf::scratch::{PER_PROCESSOR, Scratch};
use bpf::shared::{Shared, Taken};

use super::Hit;
use super::slots::swap_tag;

/// One, and whether somebody has it.
#[repr(C)]
struct Place {
    taken: Shared<u64>,
    /// Fills the cache line.
    padding: [u64; 7],
    scratch: Taken<Scratch>,
}

/// As many as the launcher says: a power of two, [`PER_PROCESSOR`] for each processor.
#[map(name = "SCRATCH")]
static SCRATCH: Array<Place> = Array::with_max_entries(1, 0);
/// The number of the last one.
#[unsafe(no_mangle)]
static LAST_SCRATCH: Setting<u32> = Setting::new(0);

/// Places that are tried: those of this processor, and of the next ones. (Numbers of processors may have gaps.)
const TRIED: u32 = 4 * PER_PROCESSOR;

/// Nothing was free.
const NONE: u64 = u64::MAX;

/// Takes a place that is nobody else's, and returns its number; [`NONE`] where all are taken.
///
/// A global function, which the verifier follows once, and not again for each call: it knows of its result only that it is a number.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_scratch() -> u64 {
    // SAFETY: no arguments, no preconditions.
    let first = unsafe { bpf_get_smp_processor_id() } as u32 * PER_PROCESSOR;
    for attempt in 0..TRIED {
        let number = (first + attempt) & LAST_SCRATCH.get();
        // SAFETY: the tag is a shared word; nothing else of the place is looked at.
        if let Some(place) = SCRATCH.get_ptr(number).map(|place| unsafe { &*place })
            && swap_tag(&place.taken, 0, 1)
        {
            return number.into();
        }
    }
    NONE
}

/// Runs `work` with one that is nobody else's. A BPF program stays on its processor, but others may run there in between.
#[inline(always)]
pub(super) fn with(hit: &Hit, work: impl FnOnce(&mut Scratch) -> Done) -> Done {
    // SAFETY: as above.
    let Some(place) = SCRATCH.get_ptr(take_scratch() as u32).map(|place| unsafe { &*place }) else {
        return Err(Missed::NoRoom);
    };
    // SAFETY: the place has been taken: nobody else touches its memory until it is given back below.
    let scratch = unsafe { place.scratch.get() };
    scratch.random.seed_once(hit);
    let done = work(scratch);
    // An atomic instruction: whoever takes it next, on another processor, sees what was written to it before.
    swap_tag(&place.taken, 1, 0);
    done
}
