//! How a hit at the end of a function is read: whether it counts, and where the results are.
//!
//! The launcher makes these, [`crate::go::results`] follows them. They stand in a map, by the numbers that the planner has dealt out.

use core::mem::size_of;

use super::{ReadOnlyData, Setting};

/// Result words that a probe at a function's end can read: all registers of amd64's `ABIInternal`; arm64 has seven more.
pub const MAX_RESULTS: usize = 9;
/// Loads from memory that lead to a result, at most.
pub const MAX_LOADS: usize = 3;

/// Numbers of [`ResultLocation::base`]; below these it is a register.
pub mod base {
    /// Nothing: the offset is the value.
    pub const ZERO: u32 = 16;
    /// The load bias of the program.
    pub const IMAGE: u32 = 17;
    /// How many bases there are.
    pub const COUNT: usize = 18;
}

/// [`EndRecipe::condition`] where every hit counts.
pub const ALWAYS: u32 = 16;

/// Where one result is: `base + offset`, then for each load the word at that address plus a number, then `mask`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ResultLocation {
    /// A register, as the processor numbers it, or one of [`base`].
    pub base: Setting<u32>,
    /// How many loads.
    pub loads: Setting<u32>,
    /// What is added to the base.
    pub offset: Setting<u64>,
    /// What is added behind each load.
    pub load_offsets: [Setting<u64>; MAX_LOADS],
    /// Which bits count.
    pub mask: Setting<u64>,
}

/// How a hit at the end of a function is read; chosen by the site's [`super::Cookie`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EndRecipe {
    /// The condition of an x86 conditional jump (the low four bits of its opcode) that must hold, or [`ALWAYS`].
    pub condition: Setting<u32>,
    /// 1: the word on top of the stack must lie in `guard_first..=guard_last` (plus the load bias).
    pub guarded: Setting<u32>,
    /// The lowest return address that counts.
    pub guard_first: Setting<u64>,
    /// How far above it the highest lies.
    pub guard_size: Setting<u64>,
    /// 1: where a hit does not count by this recipe, it may by the next one in the table, which has the same site.
    pub more: Setting<u64>,
    /// The results; what is not asked for is zero.
    pub results: [ResultLocation; MAX_RESULTS],
}

/// Recipes that one site may have.
pub const MAX_PER_SITE: u32 = 3;

/// A result that is not asked for.
pub const NO_RESULT: ResultLocation = ResultLocation {
    base: Setting::new(base::ZERO),
    loads: Setting::new(0),
    offset: Setting::new(0),
    load_offsets: [Setting::new(0); MAX_LOADS],
    mask: Setting::new(0),
};

/// A recipe by which no hit counts: nothing returns to address zero.
pub const EMPTY_RECIPE: EndRecipe = EndRecipe {
    condition: Setting::new(ALWAYS),
    guarded: Setting::new(1),
    guard_first: Setting::new(0),
    guard_size: Setting::new(0),
    more: Setting::new(0),
    results: [NO_RESULT; MAX_RESULTS],
};

const _: () = {
    assert!(size_of::<ResultLocation>() == 48);
    assert!(size_of::<EndRecipe>() == 32 + MAX_RESULTS * 48);
};

// SAFETY: no padding: pairs of 32-bit settings and ones of 64 bits (see the size assertions).
unsafe impl ReadOnlyData for EndRecipe {}
