//! Where an engine observes a point: an instruction, what it costs to observe it, and how results are read there.

use bpf::config::EndRecipe;
use serde::Serialize;

use super::left_out::LeftOut;
use crate::binary::{Cost, FileOffset, Function, GoBinary, VirtAddr, Window};

/// How an engine finds the places for what is observed.
pub trait Placement: std::fmt::Debug {
    /// The start of a function.
    ///
    /// # Errors
    /// Where nothing is found that is passed exactly once per call.
    fn entry(&self, binary: &GoBinary<'_>, function: &Function) -> Result<Site, LeftOut>;

    /// The start of a function that does not return.
    ///
    /// # Errors
    /// Where its code is not understood.
    fn exit(&self, binary: &GoBinary<'_>, function: &Function) -> Result<Site, LeftOut>;

    /// The direct call at `call` in a function.
    ///
    /// # Errors
    /// Where the address lies outside the file's code.
    fn call(&self, binary: &GoBinary<'_>, function: &Function, call: VirtAddr) -> Result<Site, LeftOut>;

    /// All ends of a function, with how its results are read there.
    ///
    /// # Errors
    /// Where the ends are not understood.
    fn ends(&self, binary: &GoBinary<'_>, function: &Function, ends: Ends) -> Result<Vec<Site>, LeftOut>;

    /// Whether a probe writes to the process's memory itself. Else the process does, where the plan has detours.
    fn stores(&self) -> bool;

    /// Whether a `RET` is observed at no higher cost than any other instruction: then nothing else is looked for.
    fn returns_are_cheap(&self) -> bool;
}

/// What is wanted of the ends of a function.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// How many result words are read.
    pub results: usize,
    /// What results point to is read, so not before the function has stored to memory for the last time.
    pub reads_memory: bool,
    /// Not before its deferred functions have run, which may change them.
    pub is_final: bool,
    /// Not before it has called all that it calls, deferred functions too.
    pub is_whole: bool,
    /// Behind this instruction, where it begins: of two probes on one instruction the kernel does not say which is hit first.
    pub behind: Option<VirtAddr>,
    /// Address in the process minus address in the file. Where it is not known, what needs it is not used.
    pub load_bias: Option<u64>,
}

/// One place.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// The instruction, in the program's address space before relocation.
    pub address: VirtAddr,
    /// The instruction, in the file.
    pub offset: FileOffset,
    /// What kind of instruction it is.
    pub instruction: Instruction,
    /// What a hit costs.
    pub cost: Cost,
    /// How an end is read; more than one where the place may stand for several ends. Empty for all but ends.
    #[serde(skip)]
    pub recipes: Vec<EndRecipe>,
    /// The number of the first of these ([`bpf::config::Cookie::recipe`]), dealt out by the plan.
    #[serde(skip)]
    pub recipe: u32,
    /// What is replaced in the program, by an engine that does so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Window>,
}

/// The probed instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// `PUSHQ BP` behind the stack check: one hit per call.
    PushFrame,
    /// What makes the frame, behind the stack check, on arm64: one hit per call.
    Frame,
    /// A direct call in the middle of the function.
    Call,
    /// A conditional jump.
    ConditionalJump,
    /// A jump.
    Jump,
    /// A one-byte `NOP`.
    Nop,
    /// The return itself.
    Return,
    /// The first instruction, whatever it is: of a function that ends the program, or of one without a frame.
    First,
}

impl std::fmt::Display for Instruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::PushFrame => "PUSHQ BP",
            Self::Frame => "frame",
            Self::Call => "CALL",
            Self::ConditionalJump => "JCC",
            Self::Jump => "JMP",
            Self::Nop => "NOP",
            Self::Return => "RET",
            Self::First => "first",
        })
    }
}
