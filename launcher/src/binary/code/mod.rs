//! Instructions: where in a function a probe costs little and is hit exactly once per call, and which calls it makes.

mod amd64;
mod arm64;
mod detour;
pub(super) mod ends;
mod spills;
pub(super) mod windows;

use serde::Serialize;

pub use detour::{DetourSite, JUMP};
pub use windows::{Turn, Window};

use super::functions::Function;
use super::image::Architecture;
use super::{FileOffset, VirtAddr};

/// What one hit of a probe on an instruction costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// The kernel emulates it: below a microsecond.
    Emulated,
    /// The kernel executes a copy and traps behind it: ten to twenty times as much.
    SingleStep,
    /// The function itself goes through a thunk that runs the body: some ten nanoseconds.
    Detour,
}

/// Which instruction a function's entry probe sits on, and so how its hits are to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// `PUSHQ BP` behind the stack check: one hit per call, `SP` as at the entry, all arguments live.
    PushFrame,
    /// The conditional branch of the stack check: count it only if it is **not** taken (amd64 `JBE`: carry and zero flag
    /// clear; arm64 `B.LS`: carry set and zero clear). When it is taken, the stack grows and the function begins again.
    BranchNotTaken,
    /// The first branch of a function without frame and stack check: one hit per call in either direction.
    Branch,
    /// The first instruction: hit again after the stack has grown (same goroutine, same `SP`).
    FirstInstruction,
    /// The first instruction of a function without stack check that never goes back to it: one hit per call.
    FirstOfLeaf,
}

/// Where to probe the start of a function. The argument registers hold the arguments there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EntrySite {
    /// The instruction.
    pub address: VirtAddr,
    /// The same place in the file.
    pub offset: FileOffset,
    /// How to count hits.
    pub kind: EntryKind,
    /// What a hit costs.
    pub cost: Cost,
}

/// A direct call instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The `CALL` instruction itself.
    pub site: VirtAddr,
    /// The first instruction of what it calls.
    pub target: VirtAddr,
}

impl Call {
    /// Where it returns to.
    #[must_use]
    pub const fn back(&self, architecture: Architecture) -> VirtAddr {
        let length = match architecture {
            Architecture::Amd64 => 5,
            Architecture::Arm64 => 4,
        };
        VirtAddr(self.site.0 + length)
    }
}

/// A place in a function before its file offset is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Site {
    address: u64,
    kind: EntryKind,
    cost: Cost,
}

/// The best entry site of `function`, whose code is `code`; `None` if that is empty or lies outside the file.
pub(super) fn entry_site(
    architecture: Architecture,
    code: &[u8],
    function: &Function,
    file_offset: impl Fn(VirtAddr) -> Option<FileOffset>,
) -> Option<EntrySite> {
    let start = function.entry.0;
    let site = match architecture {
        Architecture::Amd64 => amd64::entry_site(code, start),
        Architecture::Arm64 => arm64::entry_site(code, start),
    };
    let address = VirtAddr(site?.address);
    Some(EntrySite { address, offset: file_offset(address)?, kind: site?.kind, cost: site?.cost })
}

/// The instructions behind the function's entry probe at `entry` that a jump may replace; `None` where there are none.
pub(super) fn detour_site(architecture: Architecture, code: &[u8], start: VirtAddr, entry: VirtAddr) -> Option<DetourSite> {
    match architecture {
        Architecture::Amd64 => detour::site(code, start.0, entry.0),
        Architecture::Arm64 => detour::arm64::site(code, start.0, entry.0),
    }
}

/// Where the arguments with these numbers are on the stack, from the stack pointer at the function's calls; `None` where that is not
/// plain. `entry` is as above. What `panics` is none of these calls.
pub(super) fn spilled_arguments<const N: usize>(
    architecture: Architecture,
    code: &[u8],
    (start, entry): (VirtAddr, VirtAddr),
    numbers: [usize; N],
    panics: impl Fn(VirtAddr) -> bool,
) -> Option<[u32; N]> {
    match architecture {
        Architecture::Amd64 => spills::of(code, (start.0, entry.0), numbers, &|address| panics(VirtAddr(address))),
        Architecture::Arm64 => spills::arm64::of(code, (start.0, entry.0), numbers),
    }
}

/// The direct calls in `code`, in the order of addresses.
pub(super) fn calls(architecture: Architecture, code: &[u8], start: VirtAddr) -> Box<dyn Iterator<Item = Call> + '_> {
    match architecture {
        Architecture::Amd64 => Box::new(amd64::calls(code, start.0)),
        Architecture::Arm64 => Box::new(arm64::calls(code, start.0)),
    }
}

/// Calls in `code` of functions whose address is put into a register right before, in the order of addresses. None are looked for on
/// amd64.
pub(super) fn register_calls(architecture: Architecture, code: &[u8], start: VirtAddr) -> Box<dyn Iterator<Item = Call> + '_> {
    match architecture {
        Architecture::Amd64 => Box::new(std::iter::empty()),
        Architecture::Arm64 => Box::new(arm64::register_calls(code, start.0)),
    }
}

/// What a probe on the first instruction of `bytes` costs; `None` if that is no instruction.
#[must_use]
pub fn cost(architecture: Architecture, bytes: &[u8]) -> Option<Cost> {
    match architecture {
        Architecture::Amd64 => amd64::cost_of_first(bytes),
        Architecture::Arm64 => arm64::cost_of_first(bytes),
    }
}

/// The first of `calls` to `then` that stands behind the first one to `first`.
#[must_use]
pub fn first_call_after(calls: impl IntoIterator<Item = Call>, first: VirtAddr, then: VirtAddr) -> Option<Call> {
    let mut calls = calls.into_iter().skip_while(|call| call.target != first);
    calls.next()?;
    calls.find(|call| call.target == then)
}
