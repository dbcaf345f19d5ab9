//! How large the maps are that depend on the plan and on the machine. The others have their sizes in `bpf/src/kernel`.

use aya::EbpfLoader;
use bpf::scratch::PER_PROCESSOR;
use nix::unistd::{SysconfVar, sysconf};

use crate::executor::Moment;
use crate::probes::plan::Plan;

/// Processors for which there is scratch memory; beyond that, they share: a place takes 20 KiB.
const MAX_PROCESSORS: u32 = 128;

/// For so many there is in any case: some may come later.
const MIN_PROCESSORS: u32 = 8;

/// How many processors are online; 1 where the system does not say. (More are possible on many machines, and never come.)
pub(super) fn processors() -> u32 {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    online.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}

/// Sizes of maps, in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Probes that may run at once; a power of two.
    scratch: u32,
    /// Recipes for ends.
    recipes: u32,
    /// Goroutines that are remembered; `None` for as many as the object says.
    goroutines: Option<u32>,
    /// Something is injected.
    injects: bool,
    /// Spans have something that stands in for them.
    has_stand_ins: bool,
    /// Parents are looked for.
    has_parents: bool,
    /// Operations of tables, and the steps of their recipes.
    operations: [u32; 2],
    /// What is remembered of them.
    kept: Kept,
}

/// What is remembered of operations of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// There are none, or annotations alone.
    Nothing,
    /// Those that are open.
    Frames,
    /// Objects with which some go on, too.
    FramesAndObjects,
}

impl Sizes {
    /// Those for this plan, on a machine with so many processors.
    pub(super) fn new(plan: &Plan, processors: u32) -> Self {
        Self {
            scratch: processors.clamp(MIN_PROCESSORS, MAX_PROCESSORS).next_power_of_two() * PER_PROCESSOR,
            recipes: u32::try_from(plan.recipes.len()).unwrap_or(u32::MAX).max(1),
            goroutines: plan.goroutines,
            injects: plan.detours().next().is_some(),
            has_stand_ins: plan.detours().any(|detour| detour.moment == Moment::Return),
            has_parents: plan
                .parents
                .as_ref()
                .is_some_and(|parents| !parents.probes.is_empty() || !parents.context_types.is_empty()),
            operations: [&plan.operations.recipes.len(), &plan.operations.steps.len()]
                .map(|count| u32::try_from(*count).unwrap_or(u32::MAX)),
            kept: match (plan.operations.has_frames(), plan.operations.has_objects()) {
                (false, _) => Kept::Nothing,
                (true, false) => Kept::Frames,
                (true, true) => Kept::FramesAndObjects,
            },
        }
    }

    /// The number of the last place of scratch memory.
    pub(super) fn last_scratch(&self) -> u32 {
        self.scratch - 1
    }

    /// Tells the loader. Maps that nothing is put into have one entry: room takes a millisecond.
    pub(super) fn apply(&self, loader: &mut EbpfLoader<'_>) {
        let Self { scratch, recipes, goroutines, injects, has_stand_ins, has_parents, operations, kept } = *self;
        let [operations, steps] = operations;
        loader.map_max_entries("OPERATIONS", operations.max(1)).map_max_entries("STEPS", steps.max(1));
        if kept == Kept::Nothing {
            loader.map_max_entries("FRAMES", 1).map_max_entries("KNOWN", 1);
        }
        if kept != Kept::FramesAndObjects {
            loader.map_max_entries("OBJECTS", 1);
        }
        loader.map_max_entries("SCRATCH", scratch).map_max_entries("RECIPES", recipes);
        if let Some(goroutines) = goroutines {
            loader.map_max_entries("GOROUTINES", goroutines);
        }
        if !injects {
            for name in ["EXTRACTED", "INJECTIONS", "SLOTS", "WAITING"] {
                loader.map_max_entries(name, 1);
            }
        }
        if !has_stand_ins {
            loader.map_max_entries("STAND_INS", 1);
        }
        if !has_parents {
            for name in ["ANSWERED", "CONTEXTS", "CONTEXT_TYPES", "CREATORS"] {
                loader.map_max_entries(name, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_memory_is_a_power_of_two_and_enough_for_each_processor() {
        let scratch = |processors| Sizes::new(&Plan::default(), processors).scratch;
        assert_eq!([0, 1, 2, 3, 8, 96, 4_000].map(scratch), [16, 16, 16, 16, 16, 256, 256]);
        assert!(processors() >= 1);
    }
}
