//! One probe: where it is, what it means, what it costs.

use serde::Serialize;

use crate::binary::{Cost, FileOffset, VirtAddr};

/// One probe.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// The function that is probed.
    pub function: String,
    /// What the hit means.
    pub event: &'static str,
    /// Which BPF program runs there (the name of its multi-uprobe form).
    pub program: &'static str,
    /// The instruction, in the program's address space before relocation.
    pub address: VirtAddr,
    /// The instruction, in the file.
    pub offset: FileOffset,
    /// What kind of instruction it is.
    pub instruction: Instruction,
    /// What a hit costs.
    pub cost: Cost,
    /// What the BPF program gets as `bpf_get_attach_cookie`.
    #[serde(skip)]
    pub cookie: u32,
}

/// The probed instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// `PUSHQ BP` behind the stack check: one hit per call.
    PushFrame,
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
    /// The first instruction of a function that ends the program, whatever it is.
    First,
}

impl std::fmt::Display for Instruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::PushFrame => "PUSHQ BP",
            Self::Call => "CALL",
            Self::ConditionalJump => "JCC",
            Self::Jump => "JMP",
            Self::Nop => "NOP",
            Self::Return => "RET",
            Self::First => "first",
        })
    }
}
