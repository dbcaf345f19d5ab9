//! Where a function can be made to go through a thunk: the instructions that a jump to it replaces, amd64.
//!
//! ```text
//! direct CALL            its displacement leads to the thunk             probe; JMP callee
//! PUSHQ BP, frame        JMP over what stands behind MOVQ SP, BP         POPQ BP; probe; PUSHQ BP; MOVQ SP, BP; frame; JMP back
//!                        JMP over what stands behind PUSHQ BP            probe; frame; JMP back
//! stack check, PUSHQ BP  JMP over the stack check, if there is no frame  stack check; probe; JMP back
//! no PUSHQ BP            JMP over the first instructions                 probe; instructions; JMP back
//! end                    JMP over `ADDQ $n, SP; POPQ BP; RET`            ADDQ; POPQ BP; probe; RET
//! a few instructions     JMP over the function                           probe; instructions; probe; RET
//! ```
//! Where the thunk runs, the program counter is in no Go function. So nothing is moved there that calls (the return address would
//! be in no Go function either), that may fault (Go would throw instead of panicking) or that addresses something relative to
//! itself; and no jump may lead between the instructions that are replaced, only to the first. The padding behind a
//! function may be replaced with its last instruction.

pub(in super::super) mod arm64;
mod moving;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Register};
use serde::Serialize;

use super::super::VirtAddr;
use super::detour::JUMP;
use moving::Moving;

/// Instructions that are replaced by a jump to a thunk, or by a call of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The first of them.
    pub address: VirtAddr,
    /// All of them, as in the file.
    #[serde(rename = "length", serialize_with = "length")]
    pub bytes: Vec<u8>,
    /// What the thunk does.
    pub turn: Turn,
    /// The stack pointer at the probed instruction, minus that in the thunk when the probe's body runs.
    #[serde(skip)]
    pub stack: u32,
}

impl Window {
    /// The address behind the last instruction.
    #[must_use]
    pub fn end(&self) -> VirtAddr {
        VirtAddr(self.address.0.saturating_add(self.bytes.len() as u64))
    }

    /// Whether the two are the same instructions.
    #[must_use]
    pub fn is_at(&self, other: &Self) -> bool {
        self.address == other.address && self.bytes == other.bytes
    }

    /// Whether the two have bytes in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.address < other.end() && other.address < self.end()
    }
}

fn length<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(bytes.len() as u64)
}

/// What a thunk does besides running the body of a probe. Of two probes of one window, one may be hit before the instructions and the
/// other behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// The body, then the function that the replaced instruction calls.
    Call {
        /// Its address in the file.
        target: VirtAddr,
    },
    /// The body, then the replaced instructions, then what follows them.
    Before,
    /// The same behind `PUSHQ BP; MOVQ SP, BP`, which the thunk undoes for the body and does again.
    BehindFrame,
    /// The replaced instructions, then the body, then what follows them; where the last of them is a `RET`, the body before that.
    After,
}

/// A function's code, decoded.
pub(in super::super) struct Windows<'c> {
    instructions: Vec<Instruction>,
    /// With the padding behind it.
    code: &'c [u8],
    start: u64,
    /// Where its jumps lead, sorted.
    targets: Vec<u64>,
    /// It has jumps of which that is not known.
    has_unknown: bool,
    moving: Moving,
}

/// A function of fewer instructions before its `RET` may be replaced as a whole.
const FEW: usize = 8;

/// Why there is no window.
type Refused = &'static str;

const NO_ROOM: Refused = "the instructions there cannot be moved, or are too short for a jump";
const ENTERED: Refused = "the function jumps between the instructions there";
const UNKNOWN: Refused = "the function jumps to an unknown place, perhaps between the instructions there";
const AGAIN: Refused = "the function goes back to its first instruction";
const NO_INSTRUCTION: Refused = "there is no such instruction";

impl<'c> Windows<'c> {
    /// Decodes the first `length` bytes of `code`, which begins at `start`; the others are padding. `tables` tells where jumps lead of
    /// which instructions do not say so themselves, and is asked where there are any.
    pub(in super::super) fn read(
        code: &'c [u8],
        length: usize,
        start: u64,
        is_assembly: bool,
        tables: impl FnOnce() -> Option<Vec<u64>>,
    ) -> Self {
        let own = code.get(..length).unwrap_or(code);
        let instructions: Vec<Instruction> = Decoder::with_ip(64, own, start, DecoderOptions::NONE).into_iter().collect();
        let is_jump =
            |one: &&Instruction| matches!(one.flow_control(), FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch);
        let mut targets: Vec<u64> = instructions.iter().filter(is_jump).map(Instruction::near_branch_target).collect();
        let is_indirect = |one: &Instruction| one.flow_control() == FlowControl::IndirectBranch;
        let mut has_unknown = false;
        if instructions.iter().any(is_indirect) {
            match tables() {
                Some(more) => targets.extend(more),
                None => has_unknown = true,
            }
        }
        targets.sort_unstable();
        Self { instructions, code, start, targets, has_unknown, moving: Moving::new(is_assembly) }
    }

    /// The direct call at `call`.
    pub(in super::super) fn call(&self, call: VirtAddr) -> Result<Window, Refused> {
        let index = self.index_of(call.0)?;
        let instruction = self.instructions.get(index).ok_or(NO_INSTRUCTION)?;
        if instruction.code() != Code::Call_rel32_64 || instruction.len() != JUMP {
            return Err("it is no direct call");
        }
        let target = VirtAddr(instruction.near_branch_target());
        // The thunk is called: the return address lies on the stack.
        self.window(index, index, Turn::Call { target }, 8)
    }

    /// What is passed once for each call of a function with `PUSHQ BP` at `push`, with all arguments in their places.
    pub(in super::super) fn frame(&mut self, push: VirtAddr) -> Result<Window, Refused> {
        let push = self.index_of(push.0)?;
        self.behind_frame(push)
            .or_else(|_no_frame| self.behind_push(push))
            .or_else(|why| self.stack_check(push).map_err(|_no_stack_check| why))
    }

    /// `SUBQ $frame, SP` behind `MOVQ SP, BP`, and what follows it. A debugger puts its breakpoint of the function at the first of these
    /// (the end of the prologue in DWARF), where it takes the place of the jump's first byte; in the middle of a jump it would make it
    /// lead anywhere.
    fn behind_frame(&mut self, push: usize) -> Result<Window, Refused> {
        let sets_frame = |one: &Instruction| {
            one.code() == Code::Mov_rm64_r64 && one.op0_register() == Register::RBP && one.op1_register() == Register::RSP
        };
        if self.has_unknown || !self.instructions.get(push + 1).is_some_and(sets_frame) {
            return Err(NO_ROOM);
        }
        let first = push + 2;
        let last = self.enough(first, |moving, one| moving.is_plain(one) || moving::is_frame(one))?;
        let window = self.window(first, last, Turn::BehindFrame, 0)?;
        // Whoever jumps there has a frame already.
        if self.targets.binary_search(&window.address.0).is_ok() { Err(ENTERED) } else { Ok(window) }
    }

    /// `MOVQ SP, BP; SUBQ $frame, SP` behind `PUSHQ BP`, or what stands there.
    fn behind_push(&mut self, push: usize) -> Result<Window, Refused> {
        if self.instructions.get(push).is_none_or(|one| one.len() != 1 || !moving::is_push_of_frame(one)) {
            return Err(NO_ROOM);
        }
        let first = push + 1;
        let last = self.enough(first, |moving, one| moving.is_plain(one) || moving::is_frame(one))?;
        let is_usual = last == first + 1 && self.instructions.get(last).is_some_and(moving::is_frame);
        if self.has_unknown && !is_usual {
            return Err(UNKNOWN);
        }
        self.window(first, last, Turn::Before, 8)
    }

    /// All that stands before `PUSHQ BP`: the stack check, which runs again when the stack has grown. The body runs behind it.
    fn stack_check(&mut self, push: usize) -> Result<Window, Refused> {
        let last = push.checked_sub(1).ok_or(NO_ROOM)?;
        let check = self.instructions.get(..push).ok_or(NO_INSTRUCTION)?;
        let has_check = check.iter().any(moving::reads_stack_guard);
        if !has_check || !check.iter().all(|one| self.moving.is_plain(one) || moving::is_check(one)) {
            return Err(NO_ROOM);
        }
        self.window(0, last, Turn::After, 0)
    }

    /// The first instructions of a function. Where it `may_run_again`, a stack check may be among them, after which it begins anew.
    pub(in super::super) fn first(&mut self, may_run_again: bool) -> Result<Window, Refused> {
        if self.has_unknown {
            return Err(UNKNOWN);
        }
        if !may_run_again && self.targets.binary_search(&self.start).is_ok() {
            return Err(AGAIN);
        }
        if let Some(whole) = self.whole(Turn::Before) {
            return Ok(whole);
        }
        let last = self
            .enough(0, |moving, one| moving.is_plain(one) || moving::is_jump(one) || (may_run_again && moving::is_check(one)))?;
        self.window(0, last, Turn::Before, 0)
    }

    /// The end of a function, up to the `RET` at `ret`.
    pub(in super::super) fn end(&mut self, ret: VirtAddr) -> Result<Window, Refused> {
        let last = self.index_of(ret.0)?;
        if self.instructions.get(last).is_none_or(|one| one.code() != Code::Retnq) {
            return Err("it returns otherwise than by RET");
        }
        if self.has_unknown {
            return Err(UNKNOWN);
        }
        if let Some(whole) = self.whole(Turn::After) {
            return Ok(whole);
        }
        self.end_of_frame(last).or_else(|why| self.window(last, last, Turn::After, 0).map_err(|_no_padding| why))
    }

    /// What gives up the frame before the `RET` with this index, and perhaps `NOP`s; without a frame, what makes the results.
    fn end_of_frame(&mut self, ret: usize) -> Result<Window, Refused> {
        let mut first = ret;
        while self.length(first, ret) < JUMP {
            first = first.checked_sub(1).ok_or(NO_ROOM)?;
            let instruction = self.instructions.get(first).ok_or(NO_INSTRUCTION)?;
            if !moving::ends_frame(instruction) && !moving::is_jump(instruction) && !self.moving.is_plain(instruction) {
                return Err(NO_ROOM);
            }
        }
        self.window(first, ret, Turn::After, 0)
    }

    /// A function of a few plain instructions and a `RET`: its start and its end are one.
    fn whole(&mut self, turn: Turn) -> Option<Window> {
        let (ret, before) = self.instructions.split_last()?;
        let is_line = ret.code() == Code::Retnq && before.len() < FEW && before.iter().all(|one| self.moving.is_plain(one));
        is_line.then(|| self.window(0, before.len(), turn, 0).ok()).flatten()
    }

    /// The last of as many instructions from `first` on as a jump replaces, all of which may be moved.
    fn enough(&mut self, first: usize, may_be_moved: impl Fn(&mut Moving, &Instruction) -> bool) -> Result<usize, Refused> {
        let mut length = 0;
        for (index, instruction) in self.instructions.iter().enumerate().skip(first).take(JUMP) {
            if !may_be_moved(&mut self.moving, instruction) {
                return Err(NO_ROOM);
            }
            length += instruction.len();
            if length >= JUMP {
                return Ok(index);
            }
        }
        Err(NO_ROOM)
    }

    /// The instructions from `first` to `last`, unless a jump of the function leads between them.
    fn window(&self, first: usize, last: usize, turn: Turn, stack: u32) -> Result<Window, Refused> {
        let (first, last) = (self.instructions.get(first), self.instructions.get(last));
        let (first, end) = first.zip(last).map(|(first, last)| (first.ip(), last.next_ip())).ok_or(NO_INSTRUCTION)?;
        let next = self.targets.partition_point(|target| *target <= first);
        if self.targets.get(next).is_some_and(|target| *target < end) {
            return Err(ENTERED);
        }
        let index = |address: u64| usize::try_from(address.wrapping_sub(self.start)).unwrap_or(usize::MAX);
        let is_last = self.instructions.last().is_some_and(|last| last.next_ip() == end);
        let end = if is_last { end.max(first.saturating_add(JUMP as u64)) } else { end };
        let bytes = self.code.get(index(first)..index(end)).filter(|bytes| bytes.len() >= JUMP).ok_or(NO_ROOM)?;
        Ok(Window { address: VirtAddr(first), bytes: bytes.to_vec(), turn, stack })
    }

    fn length(&self, first: usize, last: usize) -> usize {
        self.instructions.get(first..=last).unwrap_or_default().iter().map(Instruction::len).sum()
    }

    fn index_of(&self, address: u64) -> Result<usize, Refused> {
        self.instructions.binary_search_by_key(&address, Instruction::ip).map_err(|_between| NO_INSTRUCTION)
    }
}

#[cfg(test)]
mod tests;
