//! What leads from the program to thunks, and that no two of these are in each other's way.

use std::fmt;

use super::thunks::machine;
use crate::binary::{Turn, VirtAddr, Window};
use crate::probes::plan::PlannedDetour;

/// How far a branch reaches.
const REACH: &str = if cfg!(target_arch = "aarch64") { "128 MiB" } else { "2 GiB" };

/// Bytes of the program that lead to a thunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where they begin, in the process.
    pub address: u64,
    /// What is there, as in the file.
    pub original: Vec<u8>,
    /// What takes its place, of the same length: `JMP` or `CALL`, and traps where nothing may land.
    pub replacement: Vec<u8>,
}

/// Instructions cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Two want the same ones.
    #[error("detours overlap: of {0} and of {1}; leave one of them out")]
    Overlap(Taken, Taken),
    /// The thunk lies too far away.
    #[error("no jump reaches from {from:#x} to {to:#x}; thunks must lie within {REACH} of the program")]
    OutOfReach {
        /// The jump.
        from: u64,
        /// Where it should lead.
        to: u64,
    },
}

/// Instructions that are replaced, and for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The first of them.
    pub address: VirtAddr,
    /// Behind the last.
    pub end: VirtAddr,
    /// The function.
    pub function: String,
    /// Whether the write executor wants them; else a probe.
    pub is_written: bool,
}

impl Taken {
    pub(super) fn of_probe(function: &str, window: &Window) -> Self {
        Self { address: window.address, end: window.end(), function: function.to_owned(), is_written: false }
    }

    fn of_executor(detour: &PlannedDetour) -> Self {
        let (address, length) = (detour.place.address, detour.place.bytes.len() as u64);
        let end = VirtAddr(address.0.saturating_add(length));
        Self { address, end, function: detour.function.clone(), is_written: true }
    }
}

impl fmt::Display for Taken {
    /// `the probe of net/http.(*Transport).roundTrip at 0x401007`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_written { "the write executor's detour" } else { "the probe" };
        write!(f, "{what} of {} at {}", self.function, self.address)
    }
}

/// Refuses windows that overlap, or that the write executor wants too, unless its detour is continued from the thunk.
pub(super) fn disjoint<'p>(
    windows: impl Iterator<Item = (&'p str, &'p Window)>,
    detours: impl Iterator<Item = &'p PlannedDetour>,
    is_continued: impl Fn(VirtAddr) -> bool,
) -> Result<(), PatchError> {
    let mut taken: Vec<Taken> = Vec::new();
    let mut shared: Vec<&Window> = Vec::new();
    for (function, window) in windows {
        taken.push(Taken::of_probe(function, window));
        if matches!(window.turn, Turn::Before | Turn::BehindFrame) {
            shared.push(window);
        }
    }
    for detour in detours {
        // The same instructions, which the executor's code runs itself.
        let is_same = |window: &&Window| window.address == detour.place.address && window.bytes == detour.place.bytes;
        if !(is_continued(detour.place.address) && shared.iter().any(is_same)) {
            taken.push(Taken::of_executor(detour));
        }
    }
    taken.sort();
    match taken.array_windows().find(|[one, next]| next.address < one.end) {
        Some([one, next]) => Err(PatchError::Overlap(one.clone(), next.clone())),
        None => Ok(()),
    }
}

/// What leads from the window, which is at `address` in the process, to `thunk`.
pub(super) fn patch(window: &Window, address: u64, thunk: u64) -> Result<Patch, PatchError> {
    let branch = match window.turn {
        Turn::Call { target: _ } => Branch::Call,
        Turn::Before | Turn::BehindFrame | Turn::After => Branch::Jump,
    };
    let mut replacement = leading(branch, address, thunk)?;
    replacement.resize(window.bytes.len().max(replacement.len()), machine::TRAP);
    Ok(Patch { address, original: window.bytes.clone(), replacement })
}

/// An instruction that leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// With the return address where a function expects it.
    Call,
    /// And nothing else.
    Jump,
}

/// The branch at `address`, in the process, to `to`.
pub(super) fn leading(branch: Branch, address: u64, to: u64) -> Result<Vec<u8>, PatchError> {
    machine::leading(branch, address, to).ok_or(PatchError::OutOfReach { from: address, to })
}
