//! Memory for one probe at a time.

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use bpf::config::Setting;
use bpf::config::operations::Steps;
use bpf::instrumentations::operations;
use bpf::missed::{Done, Missed};
use bpf::scratch::{PER_PROCESSOR, Scratch};
use bpf::shared::{Shared, Taken};

use super::memory::UserMemory;
use super::slots::swap_tag;
use super::{Hit, LOAD_BIAS};

/// One, and whether somebody has it.
#[repr(C)]
struct Place {
    taken: Shared<u64>,
    /// Fills the cache line, with the first word of what follows.
    padding: [u64; 6],
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

/// Follows the steps from `first` on with the scratch memory in this place, which the caller has.
///
/// A global function, as above: all recipes are verified as one, whoever follows them.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn follow_recipe(place: u32, first: u32, count: u32) -> u64 {
    // SAFETY: the tag is not looked at.
    if let Some(place) = SCRATCH.get_ptr(place).map(|place| unsafe { &*place }) {
        // SAFETY: it is the caller's, which does not touch it meanwhile (`follow`).
        let scratch = unsafe { place.scratch.get() };
        operations::follow(&UserMemory, LOAD_BIAS.get(), Steps { first, count }, scratch);
    }
    0
}

/// The scratch memory in this place, which the caller has.
#[inline(always)]
pub(super) fn scratch_in(place: u32) -> Option<&'static mut Scratch> {
    // SAFETY: the tag is not looked at; the memory is the caller's, which does not touch it meanwhile.
    SCRATCH.get_ptr(place).map(|place| unsafe { (*place).scratch.get() })
}

/// Follows these steps with this scratch memory.
#[inline(always)]
pub(super) fn follow(steps: Steps, scratch: &mut Scratch) {
    follow_recipe(elsewhere(scratch), steps.first, steps.count);
}

/// The place of this scratch memory, for a function that changes it.
#[inline(always)]
pub(super) fn elsewhere(scratch: &mut Scratch) -> u32 {
    // SAFETY: it does nothing. The compiler sees that the memory is known elsewhere: what is called with the place changes it.
    unsafe { core::arch::asm!("{0} = {0}", in(reg) core::ptr::from_mut(scratch)) };
    scratch.place as u32
}

/// Runs `work` with one that is nobody else's. A BPF program stays on its processor, but others may run there in between.
#[inline(always)]
pub(super) fn with(hit: &Hit, work: impl FnOnce(&mut Scratch) -> Done) -> Done {
    // SAFETY: as above.
    let number = take_scratch();
    let Some(place) = SCRATCH.get_ptr(number as u32).map(|place| unsafe { &*place }) else {
        return Err(Missed::NoRoom);
    };
    // SAFETY: the place has been taken: nobody else touches its memory until it is given back below.
    let scratch = unsafe { place.scratch.get() };
    scratch.place = number;
    scratch.record.place = number;
    scratch.random.seed_once(hit);
    let done = work(scratch);
    // An atomic instruction: whoever takes it next, on another processor, sees what was written to it before.
    swap_tag(&place.taken, 1, 0);
    done
}
