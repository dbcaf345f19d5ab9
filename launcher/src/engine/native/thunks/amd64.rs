//! The instructions of a thunk, and what leads to it. x86-64.

use iced_x86::code_asm::{CodeAssembler, ptr, rbp, rsp};
use iced_x86::{BlockEncoderOptions, Decoder, DecoderOptions, FlowControl, IcedError, Instruction};

use super::super::patches::Branch;
use super::{CodeError, Places, Shared};
use crate::binary::{JUMP, Turn, Window};

/// A breakpoint: what must not be executed.
pub(in super::super) const TRAP: u8 = 0xcc;

/// `CALL` or `JMP`.
pub(in super::super) fn leading(branch: Branch, address: u64, to: u64) -> Option<Vec<u8>> {
    let opcode = match branch {
        Branch::Call => 0xe8,
        Branch::Jump => 0xe9,
    };
    let next = address.wrapping_add(JUMP as u64);
    let distance = i32::try_from(to.wrapping_sub(next).cast_signed()).ok()?;
    Some([[opcode].as_slice(), &distance.to_le_bytes()].concat())
}

/// The code of one thunk, which begins at `begin`.
pub(super) fn thunk(shared: &Shared<'_>, places: Places, then: Option<u64>, begin: u64) -> Result<Vec<u8>, CodeError> {
    let mut asm = instructions(shared, places, then)?;
    // A jump that does not reach is an error, not a detour over memory.
    Ok(asm.assemble_options(begin, BlockEncoderOptions::DONT_FIX_BRANCHES)?.inner.code_buffer)
}

/// The instructions of one thunk.
fn instructions(shared: &Shared<'_>, places: Places, then: Option<u64>) -> Result<CodeAssembler, IcedError> {
    let Shared { window, function: _, before, behind } = shared;
    let mut asm = CodeAssembler::new(64)?;
    asm.set_prefer_short_branch(false);
    let is_behind_frame = window.turn == Turn::BehindFrame;
    if is_behind_frame {
        asm.pop(rbp)?;
    }
    hit(&mut asm, before, places)?;
    if is_behind_frame {
        asm.push(rbp)?;
        asm.mov(rbp, rsp)?;
    }
    if let Turn::Call { target } = window.turn {
        asm.jmp(target.0.wrapping_add(places.load_bias))?;
        return Ok(asm);
    }
    if let Some(then) = then {
        asm.jmp(then)?;
        return Ok(asm);
    }
    let (moved, returns) = moved(window, places.load_bias);
    run(&mut asm, &moved, &window.bytes)?;
    hit(&mut asm, behind, places)?;
    if returns {
        asm.ret()?;
    } else {
        asm.jmp(window.end().0.wrapping_add(places.load_bias))?;
    }
    Ok(asm)
}

/// The instructions that run elsewhere, but for a `RET` that ends them; and whether one does.
fn moved(window: &Window, load_bias: u64) -> (Vec<Instruction>, bool) {
    let ip = window.address.0.wrapping_add(load_bias);
    let all: Vec<Instruction> = Decoder::with_ip(64, &window.bytes, ip, DecoderOptions::NONE).into_iter().collect();
    match all.iter().position(|one| one.flow_control() == FlowControl::Return) {
        Some(ret) => (all.get(..ret).unwrap_or_default().to_vec(), true),
        None => (all, false),
    }
}

/// Runs the bodies. The number is sign-extended to a word; flags stay.
fn hit(asm: &mut CodeAssembler, hits: &[u32], places: Places) -> Result<(), IcedError> {
    for number in hits {
        asm.push(number.cast_signed())?;
        asm.call(places.common)?;
        asm.lea(rsp, ptr(rsp + 8))?;
    }
    Ok(())
}

/// The moved instructions as they are, but for jumps, whose displacement is another one here.
fn run(asm: &mut CodeAssembler, moved: &[Instruction], bytes: &[u8]) -> Result<(), IcedError> {
    let mut at = 0;
    for instruction in moved {
        let own = bytes.get(at..at + instruction.len()).unwrap_or_default();
        at += instruction.len();
        if instruction.is_jcc_short_or_near() {
            let mut near = *instruction;
            near.as_near_branch();
            asm.add_instruction(near)?;
        } else {
            asm.db(own)?;
        }
    }
    Ok(())
}
