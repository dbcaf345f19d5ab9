//! Where a function keeps its first arguments on the stack, so that a probe at one of its calls finds them.
//!
//! Arguments that outlive a call go to the places that the caller has left for them behind the return address
//! (<https://go.dev/s/regabi>, "spill space"), right behind the function's prologue.

pub(super) mod arm64;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// Instructions that are looked at behind `PUSHQ BP`.
const MAX_INSTRUCTIONS: usize = 12;
/// The same where the program panics.
const MAX_PANICKING: usize = 4;
/// The saved BP and the return address lie between the frame and the places of the arguments.
const BEHIND_FRAME: u64 = 16;

/// The registers of arguments that are words, in their order.
const ARGUMENTS: [Register; 4] = [Register::RAX, Register::RBX, Register::RCX, Register::RDI];

/// Offsets from the stack pointer, wherever the function calls another one, of its arguments with these numbers, all before them being words.
/// `None` where it is not plain that it puts them there. A function that `panics`, such as `runtime.panicIndex`, is none that it calls.
pub(super) fn of<const N: usize>(
    code: &[u8],
    (start, push): (u64, u64),
    numbers: [usize; N],
    panics: &impl Fn(u64) -> bool,
) -> Option<[u32; N]> {
    let begin = usize::try_from(push.checked_sub(start)?).ok()?;
    let behind = code.get(begin + 1..)?;
    let registers = numbers.map(|number| ARGUMENTS.get(number).copied().unwrap_or(Register::None));
    let (mut frame, mut stored) = (None, [false; N]);
    for instruction in Decoder::with_ip(64, behind, push + 1, DecoderOptions::NONE).into_iter().take(MAX_INSTRUCTIONS) {
        let is_check = instruction.flow_control() == FlowControl::ConditionalBranch;
        if is_check && leads_to_panic(code, start, &instruction, panics) {
            continue;
        }
        if instruction.flow_control() != FlowControl::Next {
            break;
        }
        if let Some(size) = frame_size(&instruction) {
            frame = Some(size);
        } else if let Some(frame) = frame {
            for ((register, number), stored) in registers.into_iter().zip(numbers).zip(&mut stored) {
                *stored |= is_store(&instruction, register, frame + BEHIND_FRAME + 8 * number as u64);
            }
        }
        if stored == [true; N] {
            let first = u32::try_from(frame? + BEHIND_FRAME).ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "below four")]
            return Some(numbers.map(|number| first + 8 * number as u32));
        }
        if registers.into_iter().any(|register| writes(&instruction, register)) {
            break;
        }
    }
    None
}

/// Whether a jump leads to the call of a function that panics.
fn leads_to_panic(code: &[u8], start: u64, jump: &Instruction, panics: &impl Fn(u64) -> bool) -> bool {
    let target = jump.near_branch_target();
    let at = target.checked_sub(start).and_then(|at| usize::try_from(at).ok());
    let Some(there) = at.and_then(|at| code.get(at..)) else {
        return false;
    };
    let there = Decoder::with_ip(64, there, target, DecoderOptions::NONE).into_iter().take(MAX_PANICKING);
    let call = there.into_iter().find(|instruction| instruction.flow_control() != FlowControl::Next);
    call.is_some_and(|call| call.flow_control() == FlowControl::Call && panics(call.near_branch_target()))
}

/// `SUBQ $frame, SP` or `ADDQ $-128, SP`.
fn frame_size(instruction: &Instruction) -> Option<u64> {
    if instruction.op0_register() != Register::RSP || instruction.op1_kind() == OpKind::Register {
        return None;
    }
    let subtracts = matches!(instruction.code(), Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32);
    let adds = instruction.code() == Code::Add_rm64_imm8;
    let immediate = || instruction.immediate(1);
    subtracts.then(immediate).or_else(|| adds.then(|| immediate().wrapping_neg()))
}

/// `MOVQ register, offset(SP)`.
fn is_store(instruction: &Instruction, register: Register, offset: u64) -> bool {
    instruction.code() == Code::Mov_rm64_r64
        && instruction.op0_kind() == OpKind::Memory
        && instruction.op1_register() == register
        && instruction.memory_base() == Register::RSP
        && instruction.memory_index() == Register::None
        && instruction.memory_displacement64() == offset
}

/// Whether the first operand, which all of the few instructions here write to, is the register or a part of it.
fn writes(instruction: &Instruction, register: Register) -> bool {
    let compares = matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop);
    instruction.op0_kind() == OpKind::Register && instruction.op0_register().full_register() == register && !compares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CMPQ SP, 16(R14); JBE; PUSHQ BP; MOVQ SP, BP; SUBQ $0x70, SP; then `rest`.
    fn spilled(rest: &[&[u8]]) -> Option<[u32; 2]> {
        let prologue: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x70];
        of(&[prologue, &rest.concat()].concat(), (0x1000, 0x1006), [0, 1], &|target| target == 0x2000)
    }

    /// The fourth argument alone.
    #[test]
    fn the_fourth_stands_behind_the_others() {
        let prologue: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x40, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x70];
        let fourth = |rest: &[&[u8]]| of(&[prologue, &rest.concat()].concat(), (0x1000, 0x1006), [3], &|_| false);
        // MOVQ DI, 0x98(SP); at another place; from another register; MOVQ AX, DI before.
        let stored = &[0x48, 0x89, 0xbc, 0x24, 0x98, 0, 0, 0][..];
        assert_eq!(fourth(&[RAX, stored]), Some([0x98]));
        assert_eq!(fourth(&[&[0x48, 0x89, 0xbc, 0x24, 0x90, 0, 0, 0]]), None);
        assert_eq!(fourth(&[&[0x48, 0x89, 0xb4, 0x24, 0x98, 0, 0, 0]]), None);
        assert_eq!(fourth(&[&[0x48, 0x89, 0xc7], stored]), None);
    }

    /// MOVQ AX, 0x80(SP); MOVQ BX, 0x88(SP).
    const RAX: &[u8] = &[0x48, 0x89, 0x84, 0x24, 0x80, 0, 0, 0];
    const RBX: &[u8] = &[0x48, 0x89, 0x9c, 0x24, 0x88, 0, 0, 0];
    /// MOVB $0, 0x33(SP).
    const OTHER: &[u8] = &[0xc6, 0x44, 0x24, 0x33, 0];

    #[test]
    fn behind_the_return_address() {
        assert_eq!(spilled(&[RAX, RBX]), Some([0x80, 0x88]));
        assert_eq!(spilled(&[OTHER, RAX, OTHER, RBX]), Some([0x80, 0x88]));
    }

    /// JBE 0x1021; both stores; RET; then a call.
    #[test]
    fn behind_a_check_that_panics() {
        let checked = |call: &[u8]| spilled(&[&[0x76, 0x11], RAX, RBX, &[0xc3], call]);
        // CALL 0x2000.
        assert_eq!(checked(&[0xe8, 0xda, 0x0f, 0, 0]), Some([0x80, 0x88]));
        // CALL 0x3000; no call at all.
        assert_eq!(checked(&[0xe8, 0xda, 0x1f, 0, 0]), None);
        assert_eq!(checked(&[0xc3]), None);
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        // XORL AX, AX before the store; a call before it; another place; only one of them.
        assert_eq!(spilled(&[&[0x31, 0xc0], RAX, RBX]), None);
        assert_eq!(spilled(&[RAX, &[0xe8, 0, 0, 0, 0], RBX]), None);
        assert_eq!(spilled(&[&[0x48, 0x89, 0x44, 0x24, 0x10], RBX]), None);
        assert_eq!(spilled(&[RAX, &[0x90; 20]]), None);
    }
}
