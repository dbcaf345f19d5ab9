//! Where a function can be made to take a detour: the instructions behind `PUSHQ BP` that a jump can replace. (amd64; `arm64` is below.)
//!
//! In a function with a frame these are `SUBQ $frame, SP` and a move to the stack, else `MOVQ SP, BP` and what follows it. They run
//! once per call, behind the probe at `PUSHQ BP` and before all that the function does. A debugger puts its breakpoint of a function at the
//! `SUBQ` (the end of the prologue in DWARF): there it may take the place of a jump's first byte, but of no other.

pub(super) mod arm64;

use serde::Serialize;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register};

use super::super::VirtAddr;

/// Bytes of the jump that replaces them (`JMP rel32`).
pub const JUMP: usize = 5;

/// Instructions that a jump to a detour may replace, and that the detour executes instead of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetourSite {
    /// The first of them.
    pub address: VirtAddr,
    /// All of them: they mean the same at any address.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// The instructions behind the one-byte `PUSHQ BP` at `push`; `None` where there are too few that may be moved, or where
/// the function jumps between them.
pub(super) fn site(code: &[u8], start: u64, push: u64) -> Option<DetourSite> {
    let begin = usize::try_from(push.checked_sub(start)?).ok()?;
    // PUSHQ BP.
    if code.get(begin) != Some(&0x55) {
        return None;
    }
    let behind_frame = code.get(begin + 1..)?.starts_with(&SETS_FRAME);
    let at_frame = if behind_frame { from(code, start, push + 1 + SETS_FRAME.len() as u64, true) } else { None };
    at_frame.or_else(|| from(code, start, push + 1, false))
}

/// `MOVQ SP, BP`.
const SETS_FRAME: [u8; 3] = [0x48, 0x89, 0xe5];

/// The instructions from `first` on. `is_strict`: of memory they touch the stack alone, which is always there; and nobody jumps to them.
fn from(code: &[u8], start: u64, first: u64, is_strict: bool) -> Option<DetourSite> {
    let behind = code.get(usize::try_from(first.checked_sub(start)?).ok()?..)?;
    let mut length = 0;
    for instruction in Decoder::with_ip(64, behind, first, DecoderOptions::NONE).into_iter().take(JUMP) {
        if !may_be_moved(&instruction) || (is_strict && !touches_stack_only(&instruction)) {
            return None;
        }
        length += instruction.len();
        if length >= JUMP {
            break;
        }
    }
    let place = first..first + length as u64;
    let is_entered = Decoder::with_ip(64, code, start, DecoderOptions::NONE)
        .into_iter()
        .filter(|instruction| {
            matches!(instruction.flow_control(), FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch)
        })
        .any(|branch| place.contains(&branch.near_branch_target()));
    if length < JUMP || is_entered {
        return None;
    }
    Some(DetourSite { address: VirtAddr(first), bytes: behind.get(..length)?.to_vec() })
}

/// Whether its operand in memory, if it has one, is on the stack.
fn touches_stack_only(instruction: &Instruction) -> bool {
    let is_on_stack =
        matches!(instruction.memory_base(), Register::RSP | Register::RBP) && instruction.memory_index() == Register::None;
    let has_memory = instruction.op_kinds().any(|kind| kind == OpKind::Memory);
    !has_memory || is_on_stack || instruction.code() == Code::Lea_r64_m
}

/// Whether the instruction does the same elsewhere: it goes on to the next one and addresses nothing relative to itself.
fn may_be_moved(instruction: &Instruction) -> bool {
    let is_plain = instruction.flow_control() == FlowControl::Next && !instruction.is_invalid();
    // Calls are not plain; REP, LOCK and the like do not occur here and are not worth a thought.
    let moves_stack = matches!(instruction.op0_register(), Register::RSP) && !is_frame(instruction);
    is_plain && !instruction.is_ip_rel_memory_operand() && !moves_stack && instruction.code() != Code::Syscall
}

/// `SUBQ $frame, SP` or `ADDQ $-128, SP`.
fn is_frame(instruction: &Instruction) -> bool {
    matches!(instruction.code(), Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32 | Code::Add_rm64_imm8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CMPQ SP, 16(R14); JBE; PUSHQ BP; then `rest`.
    fn function(rest: &[u8]) -> (Vec<u8>, u64) {
        let mut code = vec![0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55];
        code.extend_from_slice(rest);
        (code, 0x1000)
    }

    #[test]
    fn the_frame_is_what_a_detour_replaces() {
        // MOVQ SP, BP; SUBQ $0x80, SP.
        let (code, start) = function(&[0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0x80, 0, 0, 0, 0x90]);
        let found = site(&code, start, 0x1006).unwrap();
        assert_eq!((found.address, found.bytes.len()), (VirtAddr(0x100a), 7));
        // MOVQ SP, BP; SUBQ $0x18, SP; MOVQ AX, 8(SP).
        let (code, start) = function(&[0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x44, 0x24, 8, 0x90]);
        let found = site(&code, start, 0x1006).unwrap();
        assert_eq!((found.address, found.bytes.len()), (VirtAddr(0x100a), 9));
        // MOVQ SP, BP; SUBQ $0x18, SP; MOVQ (AX), CX, which may fault.
        let (code, start) = function(&[0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x18, 0x48, 0x8b, 0x08, 0x90]);
        let found = site(&code, start, 0x1006).unwrap();
        assert_eq!((found.address, found.bytes.len()), (VirtAddr(0x1007), 7));
    }

    #[test]
    fn calls_relative_addresses_and_loops_are_refused() {
        // MOVQ SP, BP; CALL.
        let (code, start) = function(&[0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0]);
        assert_eq!(site(&code, start, 0x1006), None);
        // MOVQ SP, BP; LEAQ 0(RIP), CX.
        let (code, start) = function(&[0x48, 0x89, 0xe5, 0x48, 0x8d, 0x0d, 0, 0, 0, 0]);
        assert_eq!(site(&code, start, 0x1006), None);
        // MOVQ SP, BP; SUBQ $0x18, SP; JMP to the SUBQ.
        let (code, start) = function(&[0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x18, 0xeb, 0xfa]);
        assert_eq!(site(&code, start, 0x1006), None);
        // Not at a PUSHQ BP; and nothing behind it.
        assert_eq!(site(&code, start, 0x1005), None);
        assert_eq!(site(&code[..7], start, 0x1006), None);
    }
}
