//! Ends of functions into the recipes by which a probe's body reads a hit there, whichever engine runs it.

use bpf::config::{ALWAYS, EndRecipe, MAX_RESULTS, NO_RESULT, ResultLocation as Location, Setting, base};

use crate::binary::{Base, EndSite, ResultLocation};

/// How a probe's body reads a hit at `end`. Results beyond [`MAX_RESULTS`] are left out.
#[must_use]
pub fn recipe(end: &EndSite) -> EndRecipe {
    let mut results = [NO_RESULT; MAX_RESULTS];
    for (slot, result) in results.iter_mut().zip(&end.results) {
        *slot = location(result);
    }
    let guard = end.guard.map(|guard| (guard.first.0, guard.last.0.saturating_sub(guard.first.0)));
    let (guard_first, guard_size) = guard.unwrap_or_default();
    EndRecipe {
        condition: Setting::new(end.condition.map_or(ALWAYS, |condition| condition.bits().into())),
        guarded: Setting::new(guard.is_some().into()),
        guard_first: Setting::new(guard_first),
        guard_size: Setting::new(guard_size),
        more: Setting::new(0),
        results,
    }
}

fn location(result: &ResultLocation) -> Location {
    let mut location = Location {
        base: Setting::new(match result.base {
            Base::Register(number) => number.into(),
            Base::Zero => base::ZERO,
            Base::Image => base::IMAGE,
        }),
        offset: Setting::new(result.offset.cast_unsigned()),
        mask: Setting::new(u64::MAX >> (64 - u32::from(result.bits.clamp(1, 64)))),
        ..NO_RESULT
    };
    let mut count = 0;
    for (slot, load) in location.load_offsets.iter_mut().zip(result.loads.iter().flatten()) {
        *slot = Setting::new(i64::from(*load).cast_unsigned());
        count += 1;
    }
    location.loads = Setting::new(count);
    location
}

const _: () = assert!(crate::binary::MAX_LOADS == bpf::config::MAX_LOADS, "both sides follow as many pointers");
