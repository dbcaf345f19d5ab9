//! Memory for one probe at a time.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use bpf::config::Setting;
use bpf::missed::{Done, Missed};
use bpf::scratch::{PER_PROCESSOR, Scratch};
use bpf::shared::{Shared, Taken};

use super::slots::swap_tag;
use super::{Hit, UserMemory};
use bpf::target::Memory as _;

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

/// Places that are tried: those of this processor, and of the next.
const TRIED: u32 = 2 * PER_PROCESSOR;

/// Runs `work` with one that is nobody else's. A BPF program stays on its processor, but others may run there in between.
#[inline(always)]
pub(super) fn with(hit: &Hit, work: impl FnOnce(&mut Scratch) -> Done) -> Done {
    // SAFETY: no arguments, no preconditions.
    let first = unsafe { bpf_get_smp_processor_id() } as u32 * PER_PROCESSOR;
    let mut found = None;
    for number in first..first + TRIED {
        let number = number & LAST_SCRATCH.get();
        // SAFETY: the tag is a shared word; nothing else of the place is looked at.
        if let Some(place) = SCRATCH.get_ptr(number).map(|place| unsafe { &*place })
            && swap_tag(&place.taken, 0, 1)
        {
            found = Some(number);
            break;
        }
    }
    // Whichever it is, what comes behind is verified once.
    let number = UserMemory.opaque(found.ok_or(Missed::NoRoom)?.into()) as u32;
    // SAFETY: as above.
    let Some(place) = SCRATCH.get_ptr(number).map(|place| unsafe { &*place }) else {
        return Err(Missed::NoRoom);
    };
    // SAFETY: the place has been taken: nobody else touches its memory until it is given back below.
    let scratch = unsafe { place.scratch.get() };
    if scratch.random.is_unseeded() {
        scratch.random.seed(hit);
    }
    let done = work(scratch);
    place.taken.set(0);
    done
}
