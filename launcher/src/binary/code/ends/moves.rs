//! What single instructions of amd64 move, and the arithmetic of locations.

use iced_x86::{Code, Instruction, OpKind, Register};

use super::{Base, MAX_LOADS, ResultLocation};

/// All bits of a word.
pub(super) const WORD: u8 = 64;

/// A value between site and `RET`; `None` where nothing is known of it.
pub(super) type Value = Option<ResultLocation>;

/// How many bits a move takes from its source and puts into a whole register or word, the rest zero.
pub(super) fn moved_bits(instruction: &Instruction) -> Option<u8> {
    let code = instruction.code();
    let is = |codes: &[Code]| codes.contains(&code);
    if is(&[Code::Mov_r64_rm64, Code::Mov_rm64_r64, Code::Mov_rm64_imm32, Code::Mov_r64_imm64]) {
        return Some(WORD);
    }
    let narrow = [Code::Mov_rm32_r32, Code::Mov_rm32_imm32];
    if is(&[Code::Mov_r32_rm32, Code::Mov_r32_imm32]) || (is(&narrow) && instruction.op0_kind() == OpKind::Register) {
        return Some(32);
    }
    if is(&[Code::Movzx_r32_rm16, Code::Movzx_r64_rm16]) {
        return Some(16);
    }
    is(&[Code::Movzx_r32_rm8, Code::Movzx_r64_rm8]).then_some(8)
}

/// How many words of memory a store of X15 sets to zero: it is zero in all Go code (`cmd/compile/abi-internal.md`).
pub(super) fn zeroed_words(instruction: &Instruction) -> Option<i64> {
    let zero = instruction.op0_kind() == OpKind::Memory && instruction.op1_register() == Register::XMM15;
    let code = instruction.code();
    let one = matches!(code, Code::Movq_rm64_xmm | Code::Movq_xmmm64_xmm | Code::Movsd_xmmm64_xmm);
    let two = matches!(code, Code::Movups_xmmm128_xmm | Code::Movdqu_xmmm128_xmm);
    (zero && (one || two)).then_some(if one { 1 } else { 2 })
}

/// The low `bits` of a value.
pub(super) fn low_bits(value: ResultLocation, bits: u8) -> ResultLocation {
    if value.base == Base::Zero && value.loads == [None; MAX_LOADS] && bits < WORD {
        return ResultLocation { offset: value.offset & ((1 << bits) - 1), ..value };
    }
    ResultLocation { bits: value.bits.min(bits), ..value }
}

/// A value plus a constant, where that can be said.
pub(super) fn plus(value: ResultLocation, amount: i64) -> Value {
    if amount == 0 {
        return Some(value);
    }
    (value.bits == WORD).then_some(())?;
    let mut sum = value;
    match sum.loads.iter_mut().rev().flatten().next() {
        Some(last) => *last = last.checked_add(i32::try_from(amount).ok()?)?,
        None => sum.offset = sum.offset.wrapping_add(amount),
    }
    Some(sum)
}

/// The memory at an address.
pub(super) fn loaded(address: ResultLocation, bits: u8) -> Value {
    (address.bits == WORD).then_some(())?;
    let mut value = ResultLocation { bits, ..address };
    *value.loads.iter_mut().find(|load| load.is_none())? = Some(0);
    Some(value)
}
