//! Where a function ends, and where its results are then: for each `RET` the cheap instructions that stand before it.
//!
//! A probe on `RET` itself must be single-stepped on amd64. So the analysis walks back from each `RET` over plain
//! instructions, until on every way into them there is an instruction that the kernel emulates. From there to the `RET`
//! nothing can go another way, so each counted hit there is one return; what lies between is evaluated symbolically, and
//! says where each result is to be found at the site. What is not understood stays on its `RET`.
//!
//! The classes, and how they were proven with real programs, are those of [`EndClass`].

mod amd64;
mod arm64;
mod deferred;
mod flow;
mod merge;
mod moves;
mod tail;
mod values;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::super::functions::Function;
use super::super::image::Architecture;
use super::super::{BinaryError, FileOffset, VirtAddr};
use super::Cost;

pub(in super::super) use flow::jump_targets;
pub use merge::merge_end_sites;
pub use tail::TailResult;

/// Go's internal ABI passes at most nine integer results in registers (`cmd/compile/abi-internal.md`).
pub const MAX_RESULT_WORDS: usize = 9;

/// How the end of a function is seen, from the cheapest to the dearest.
///
/// A panic that unwinds the function is not a hit, unless it begins between site and `RET`: in the callee of
/// [`Self::LastCall`], [`Self::DeferReturn`] or [`Self::OpenCodedDefer`], or by a nil pointer in the line ([`EndSite::may_panic`]).
/// The function had come to its end all the same. Of these three also: a result that the deferred function itself changes (a
/// named result) is seen before the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndClass {
    /// An instruction of the function, behind which none but plain ones follow: a jump, `NOP`, `PUSH` or a call that keeps
    /// registers. Results in registers, on the stack, or constant.
    Emulated,
    /// A direct call is the last thing that the function does; results on the stack, or constant.
    LastCall,
    /// The last of the open-coded defers is called, through a register: the start of the deferred function, where it returns to
    /// this one.
    OpenCodedDefer,
    /// `CALL runtime.deferreturn` is the last thing; also the way out after a recovered panic.
    DeferReturn,
    /// The `RET` itself.
    Return,
}

/// The probed instruction of an end site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndInstruction {
    /// A conditional jump.
    ConditionalJump,
    /// A jump.
    Jump,
    /// A one-byte `NOP`.
    Nop,
    /// `PUSHQ`.
    Push,
    /// A direct call.
    Call,
    /// `RET`.
    Return,
}

/// The condition of an x86 conditional jump, as the low four bits of its opcode say it: "Intel SDM" volume 2, `Jcc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Condition(u8);

impl Condition {
    /// The condition of these four bits.
    #[must_use]
    pub const fn new(bits: u8) -> Self {
        Self(bits & 15)
    }

    /// The four bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The opposite.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// Return addresses of which one must be on top of the stack for a hit to count: from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Guard {
    /// The lowest.
    pub first: VirtAddr,
    /// The highest.
    pub last: VirtAddr,
}

/// What a result's place is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// A register at the site. Registers are numbered as the processor numbers them: on amd64 RAX, RCX, RDX, RBX, RSP,
    /// RBP, RSI, RDI, R8 to R15; on arm64 R0 and up.
    Register(u8),
    /// Nothing: a number.
    Zero,
    /// The load bias: an address in the program's file.
    Image,
}

/// The most loads from memory between a [`Base`] and a result.
pub const MAX_LOADS: usize = 3;

/// Where one result word is when the probe is hit, before the probed instruction has run.
///
/// The value is `base + offset`; then, for each of `loads`, the word at that address plus the number; then its low `bits`.
/// So a stack slot is `RSP + offset` with one load of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ResultLocation {
    /// What is counted from.
    pub base: Base,
    /// What is added.
    pub offset: i64,
    /// What is added behind each load; the first `None` ends them.
    pub loads: [Option<i32>; MAX_LOADS],
    /// How many of the low bits count; the rest is zero.
    pub bits: u8,
}

impl ResultLocation {
    /// A register, a number or an address.
    const fn direct(base: Base, offset: i64) -> Self {
        Self { base, offset, loads: [None; MAX_LOADS], bits: 64 }
    }

    /// Whether the load bias of a position-independent program must be known.
    fn needs_load_bias(&self) -> bool {
        self.base == Base::Image
    }
}

/// One place where an end of a function is seen.
///
/// Each `RET` has one or more; its hits are, added up, the hits of its sites that count. Several sites may share an
/// address: a jump that leads to two `RET`s, a deferred function that several ways out call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndSite {
    /// The `RET`s it stands for: one, unless [`merge_end_sites`] made one site of several.
    pub returns: Vec<VirtAddr>,
    /// The probed instruction. For [`EndClass::OpenCodedDefer`] it lies in another function.
    pub address: VirtAddr,
    /// The same place in the file.
    pub offset: FileOffset,
    /// How the end is seen.
    pub class: EndClass,
    /// What is probed.
    pub instruction: EndInstruction,
    /// What a hit costs. Where it is [`Cost::SingleStep`], a frequent return is better not probed.
    pub cost: Cost,
    /// The hit counts only if this holds in the saved flags.
    pub condition: Option<Condition>,
    /// The hit counts only if the word on top of the stack is one of these, plus the load bias.
    pub guard: Option<Guard>,
    /// Whether a panic may begin between the site and the `RET`: in a function called there, or by a nil pointer.
    pub may_panic: bool,
    /// Whether the function stores to memory between the site and the `RET`: what its results point to may not be complete there.
    pub has_stored: bool,
    /// Where the results are, in the order of Go's ABI.
    pub results: Vec<ResultLocation>,
    /// Deferred calls with the same number may share a range of return addresses, see `deferred::number_runs`.
    #[serde(skip)]
    run: usize,
}

impl EndSite {
    /// Whether the load bias of a position-independent program must be known to use the site.
    #[must_use]
    pub fn needs_load_bias(&self) -> bool {
        self.guard.is_some() || self.results.iter().any(ResultLocation::needs_load_bias)
    }
}

/// What the analysis asks of the program around a function. All addresses are those of the file.
pub(in super::super) trait Surroundings {
    /// The name of the function that contains `address`, and where it begins.
    fn function_at(&self, address: VirtAddr) -> Option<Function>;
    /// The word at `address`, relocated.
    fn word(&self, address: VirtAddr) -> Option<u64>;
    /// The `PUSHQ` behind the stack check of the function that begins at `entry`, if it is hit once per call.
    fn push_frame(&self, entry: VirtAddr) -> Option<VirtAddr>;
    /// Where `address` lies in the file.
    fn file_offset(&self, address: VirtAddr) -> Option<FileOffset>;
}

/// An end site before its file offset is known.
#[derive(Clone, Debug)]
struct Found {
    ret: u64,
    address: u64,
    class: EndClass,
    instruction: EndInstruction,
    cost: Cost,
    condition: Option<Condition>,
    guard: Option<u64>,
    run: usize,
    may_panic: bool,
    has_stored: bool,
    results: Vec<ResultLocation>,
}

/// The end sites of `function`, whose code is `code`, with its first `results` result words.
pub(in super::super) fn end_sites(
    architecture: Architecture,
    code: &[u8],
    function: &Function,
    results: usize,
    surroundings: &impl Surroundings,
) -> Result<Vec<EndSite>, BinaryError> {
    sites(function, results, surroundings, |start| match architecture {
        Architecture::Amd64 => amd64::end_sites(code, start, results, surroundings),
        Architecture::Arm64 => arm64::end_sites(code, start, results),
    })
}

/// The `RET`s of `function` themselves.
pub(in super::super) fn return_sites(
    architecture: Architecture,
    code: &[u8],
    function: &Function,
    results: usize,
    surroundings: &impl Surroundings,
) -> Result<Vec<EndSite>, BinaryError> {
    sites(function, results, surroundings, |start| match architecture {
        Architecture::Amd64 => amd64::return_sites(code, start, results, surroundings),
        Architecture::Arm64 => arm64::end_sites(code, start, results),
    })
}

/// Where the first `results` result words of `function`, whose code is `code`, are when `callee` has returned, which it calls last
/// on every way out; `None` where it does not, or that is not plain.
pub(in super::super) fn tail(
    architecture: Architecture,
    code: &[u8],
    function: &Function,
    callee: VirtAddr,
    results: usize,
    surroundings: &impl Surroundings,
) -> Option<Vec<TailResult>> {
    match architecture {
        Architecture::Amd64 => tail::tail(code, function.entry.0, callee, results, surroundings),
        // A return is emulated there.
        Architecture::Arm64 => None,
    }
}

fn sites(
    function: &Function,
    results: usize,
    surroundings: &impl Surroundings,
    find: impl FnOnce(u64) -> Result<Vec<Found>, &'static str>,
) -> Result<Vec<EndSite>, BinaryError> {
    let refused = |why| BinaryError::UnknownEnd { function: function.name.clone(), why };
    if results > MAX_RESULT_WORDS {
        return Err(refused("it returns more words than fit into registers"));
    }
    let mut sites = Vec::new();
    for found in find(function.entry.0).map_err(refused)? {
        let address = VirtAddr(found.address);
        let offset = surroundings.file_offset(address).ok_or_else(|| refused("a site does not lie in the file"))?;
        sites.push(EndSite {
            returns: vec![VirtAddr(found.ret)],
            address,
            offset,
            class: found.class,
            instruction: found.instruction,
            cost: found.cost,
            condition: found.condition,
            guard: found.guard.map(|only| Guard { first: VirtAddr(only), last: VirtAddr(only) }),
            may_panic: found.may_panic,
            has_stored: found.has_stored,
            results: found.results,
            run: found.run,
        });
    }
    Ok(sites)
}
