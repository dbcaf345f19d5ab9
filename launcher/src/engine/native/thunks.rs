//! A plan into machine code: a thunk for each place where functions are made to take a detour, and what leads there.
//!
//! ```text
//! direct call   CALL thunk     thunk: hits; JMP callee
//! start         JMP thunk      thunk: hits; replaced instructions; JMP back     (of a stack check: these first; behind a frame
//!                              it is undone for the hits, and made again)
//! end           JMP thunk      thunk: replaced instructions; hits; RET
//! hit           PUSHQ $number; CALL common; LEAQ 8(SP), SP                      amd64
//!               MOVD R30, R17; MOVD $number, R16; BL common; MOVD R17, R30      arm64
//! ```
//! A hit changes neither registers nor flags: `common` saves and restores them. Addresses are those of the process.

use std::collections::BTreeMap;

use bpf::config::Cookie;
use iced_x86::IcedError;

use super::patches::{Patch, PatchError, Taken, disjoint, patch};
use crate::binary::{Turn, VirtAddr, Window};
use crate::probes::plan::Plan;
use crate::probes::probe::{Body, Probe};
use crate::probes::site::Site;

#[cfg(not(target_arch = "aarch64"))]
pub(super) mod amd64;
#[cfg(any(test, target_arch = "aarch64"))]
pub(super) mod arm64;

#[cfg(not(target_arch = "aarch64"))]
pub(super) use amd64 as machine;
#[cfg(target_arch = "aarch64")]
pub(super) use arm64 as machine;

/// Thunks begin at multiples of this.
const ALIGNMENT: usize = 32;

/// Assembled thunks.
#[derive(Clone, Debug, Default)]
pub struct Thunks {
    /// The code, for the address that it was made for.
    pub code: Vec<u8>,
    /// What is to be replaced in the program, in the order of thunks. No two of these overlap.
    pub patches: Vec<Patch>,
    /// What hits mean, by their numbers: the order is that of [`Plan::sites`].
    pub sites: Vec<SiteEntry>,
}

/// What a hit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteEntry {
    /// The body that runs.
    pub body: Body,
    /// What it is told.
    pub cookie: Cookie,
    /// The instruction that is observed. When `common` is called, the program's registers are those of before this instruction, all but
    /// the stack pointer.
    pub address: u64,
    /// What is to be added to the stack pointer to get that of before this instruction: to the one that the thunk has before it pushes
    /// the number of the hit, which is 16 more than where `common` begins. 8 where the call, or BP, has been pushed.
    pub stack: u32,
}

/// Code that is to run where a thunk has done its work, in place of the instructions that are replaced: a detour of the write
/// executor at the same place, which executes these itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Then {
    /// Where the instructions are that both replace.
    pub window: u64,
    /// Where the code begins.
    pub code: u64,
}

/// There are no thunks for a plan.
#[derive(Debug, thiserror::Error)]
pub enum ThunkError {
    /// The plan is one for another engine.
    #[error("nothing is planned to be replaced at {address} in {function}")]
    NoWindow {
        /// The function.
        function: String,
        /// The instruction.
        address: VirtAddr,
    },
    /// The program's instructions cannot be replaced.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// More sites than numbers.
    #[error("{0} sites are too many")]
    TooMany(usize),
    /// The assembler refuses.
    #[error("no machine code for the thunk at {address:#x} ({source})")]
    Code {
        /// Where the thunk would be.
        address: u64,
        /// Why.
        #[source]
        source: CodeError,
    },
}

/// There is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The assembler says why.
    #[error(transparent)]
    Assembler(#[from] IcedError),
    /// A branch of the thunk does not reach.
    #[error("no branch reaches {0:#x}")]
    OutOfReach(u64),
    /// More hits than numbers.
    #[error("{0} is no number of a hit")]
    NoNumber(u32),
}

/// Where things are, or will be.
#[derive(Clone, Copy, Debug)]
struct Places {
    load_bias: u64,
    common: u64,
}

/// The sites of one window, in the order of the plan.
struct Shared<'p> {
    window: &'p Window,
    function: &'p str,
    /// The numbers of those that are hit before the instructions, or before the call.
    before: Vec<u32>,
    /// Of those that are hit behind them.
    behind: Vec<u32>,
}

impl<'p> Shared<'p> {
    fn new(window: &'p Window, function: &'p str) -> Self {
        Self { window, function, before: Vec::new(), behind: Vec::new() }
    }

    fn add(&mut self, hit: u32, turn: Turn) {
        match turn {
            Turn::Call { target: _ } | Turn::Before | Turn::BehindFrame => self.before.push(hit),
            Turn::After => self.behind.push(hit),
        }
    }

    /// Whether the window of another site is this one.
    fn is(&self, window: &Window) -> bool {
        let is_call = |window: &Window| matches!(window.turn, Turn::Call { target: _ });
        self.window.is_at(window) && is_call(self.window) == is_call(window)
    }
}

/// More bytes than the thunks of a plan have.
#[must_use]
pub fn most_bytes(plan: &Plan) -> usize {
    // A hit has at most 15 bytes, a jump back 5, and a short jump that was moved has 6 for 2.
    plan.sites().map(|(_, site)| ALIGNMENT + 32 + 3 * site.patch.as_ref().map_or(0, |window| window.bytes.len())).sum()
}

/// Assembles the thunks for a program that is moved by `load_bias` and will have them at `code`. `common` is what saves all registers
/// and runs a body: a function that is called with the number of the hit behind its return address.
///
/// # Errors
/// Where a site has no window, two of them or a detour of the write executor overlap, or a jump does not reach.
pub fn assemble(plan: &Plan, load_bias: u64, code: u64, common: u64) -> Result<Thunks, ThunkError> {
    assemble_before(plan, load_bias, code, common, &[])
}

/// The same, where detours of the write executor share instructions with thunks: [`shared`] says which. Their code runs behind the
/// hits; they are not to be placed again.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_before(plan: &Plan, load_bias: u64, code: u64, common: u64, then: &[Then]) -> Result<Thunks, ThunkError> {
    let places = Places { load_bias, common };
    let windows = windows(plan)?;
    let is_continued = |address: VirtAddr| then.iter().any(|one| one.window == address.0.wrapping_add(load_bias));
    disjoint(windows.iter().map(|one| (one.function, one.window)), plan.detours(), is_continued)?;
    let sites = plan.sites().map(|(probe, site)| entry(probe, site, load_bias)).collect();
    let mut thunks = Thunks { sites, ..Thunks::default() };
    for shared in &windows {
        let address = shared.window.address.0.wrapping_add(load_bias);
        let begin = code.wrapping_add(thunks.code.len() as u64);
        let then = then.iter().find(|one| one.window == address).map(|one| one.code);
        let assembled = machine::thunk(shared, places, then, begin);
        thunks.code.extend(assembled.map_err(|source| ThunkError::Code { address: begin, source })?);
        thunks.code.resize(thunks.code.len().next_multiple_of(ALIGNMENT), machine::TRAP);
        thunks.patches.push(patch(shared.window, address, begin)?);
    }
    Ok(thunks)
}

/// The detours of the write executor whose instructions a thunk replaces as well: the addresses of these in the process.
#[must_use]
pub fn shared(plan: &Plan, load_bias: u64) -> Vec<u64> {
    let is_window =
        |address: VirtAddr| plan.sites().any(|(_, site)| site.patch.as_ref().is_some_and(|window| window.address == address));
    let addresses = plan.detours().map(|detour| detour.place.address).filter(|address| is_window(*address));
    addresses.map(|address| address.0.wrapping_add(load_bias)).collect()
}

/// The windows of a plan, in its order, each with all of its hits.
fn windows(plan: &Plan) -> Result<Vec<Shared<'_>>, ThunkError> {
    let mut found: Vec<Shared<'_>> = Vec::new();
    let mut places: BTreeMap<VirtAddr, usize> = BTreeMap::new();
    for (number, (probe, site)) in plan.sites().enumerate() {
        let function = probe.function.as_str();
        let Some(window) = &site.patch else {
            return Err(ThunkError::NoWindow { function: function.to_owned(), address: site.address });
        };
        let hit = i32::try_from(number).map_err(|_too_large| ThunkError::TooMany(number))?.cast_unsigned();
        let place = *places.entry(window.address).or_insert(found.len());
        if place == found.len() {
            found.push(Shared::new(window, function));
        }
        match found.get_mut(place) {
            Some(there) if there.is(window) => there.add(hit, window.turn),
            Some(there) => {
                let (there, new) = (Taken::of_probe(there.function, there.window), Taken::of_probe(function, window));
                return Err(PatchError::Overlap(there, new).into());
            }
            None => return Err(ThunkError::TooMany(number)),
        }
    }
    Ok(found)
}

fn entry(probe: &Probe, site: &Site, load_bias: u64) -> SiteEntry {
    SiteEntry {
        body: probe.event.body,
        cookie: Cookie { event: probe.event.number, recipe: site.recipe },
        address: site.address.0.wrapping_add(load_bias),
        stack: site.patch.as_ref().map_or(0, |window| window.stack),
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
