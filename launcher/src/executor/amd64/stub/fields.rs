//! The detours on the way of a request's header fields, by HTTP/2: the text in a slot is handed to the connection's buffer with the
//! first of them that is no pseudo-header.

use std::mem::offset_of;

use bpf::slots::{SLOT_WORDS, Slot, drops, meant_for, site};
use iced_x86::IcedError;
use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, byte_ptr, dword_ptr, eax, ebx, ptr, qword_ptr, r8, r9, rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp,
    word_ptr,
};

use super::commands::copy;
use super::{R8, RAX, RCX, RDI, RSI, TAG, field, keep, meant, offset, tag, take_back};

/// Arms the tag at RAX, which has this number: from here on BPF does not give it to anybody else. Ends with the zero flag clear
/// where it was just given away.
pub(super) fn arm(asm: &mut CodeAssembler, number: u32) -> Result<(), IcedError> {
    keep(asm, &[(RSI, rsi)])?;
    asm.mov(rsi, rax)?;
    asm.lea(rax, tag(number))?;
    asm.lea(rcx, tag(number | site::ARMED))?;
    asm.lock().cmpxchg(qword_ptr(rsi), rcx)?;
    take_back(asm, &[(RSI, rsi)])
}

/// `WriteField(f HeaderField)`, the encoder in RAX, the name in RBX and RCX: arms the slot at the first field behind the
/// pseudo-headers, which come first (RFC 9113 §8.3).
pub(super) fn at_field(asm: &mut CodeAssembler, number: u32, done: CodeLabel) -> Result<(), IcedError> {
    asm.mov(rcx, qword_ptr(rsp + RAX))?;
    asm.cmp(meant(meant_for::ENCODER), rcx)?;
    asm.jne(done)?;
    asm.cmp(qword_ptr(rsp + RCX), 0)?;
    asm.je(done)?;
    asm.cmp(byte_ptr(rbx), i32::from(b':'))?;
    asm.je(done)?;
    arm(asm, number)
}

/// The same function: goes to `left_out` for a field that the slot at RDX says is a copy of what came, for which its text has another one.
/// Names are of small letters (RFC 9113 §8.2).
pub(super) fn at_copied(asm: &mut CodeAssembler, left_out: CodeLabel) -> Result<(), IcedError> {
    let (mut others, mut end) = (asm.create_label(), asm.create_label());
    asm.cmp(field(offset_of!(Slot, drops)), 0)?;
    asm.je(end)?;
    asm.mov(rcx, qword_ptr(rsp + RAX))?;
    asm.cmp(meant(meant_for::ENCODER), rcx)?;
    asm.jne(end)?;
    asm.mov(rcx, qword_ptr(rsp + RCX))?;
    asm.test(byte_ptr(rdx + offset(offset_of!(Slot, drops))), drop_bit(drops::TRACE_PARENT))?;
    asm.je(others)?;
    asm.cmp(rcx, 11)?;
    asm.jne(others)?;
    asm.mov(rax, u64::from_le_bytes(*b"tracepar"))?;
    asm.cmp(qword_ptr(rbx), rax)?;
    asm.je(left_out)?;
    asm.set_label(&mut others)?;
    asm.test(byte_ptr(rdx + offset(offset_of!(Slot, drops))), drop_bit(drops::B3))?;
    asm.je(end)?;
    let mut longer = asm.create_label();
    asm.cmp(rcx, 2)?;
    asm.jne(longer)?;
    asm.cmp(word_ptr(rbx), i32::from(u16::from_le_bytes(*b"b3")))?;
    asm.je(left_out)?;
    asm.set_label(&mut longer)?;
    asm.cmp(rcx, 10)?;
    asm.jb(end)?;
    asm.cmp(dword_ptr(rbx), i32::from_le_bytes(*b"x-b3"))?;
    asm.je(left_out)?;
    asm.set_label(&mut end)?;
    // A label wants an instruction.
    asm.nop()
}

/// A bit of [`Slot::drops`], as an instruction takes it.
const fn drop_bit(bit: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "of the lowest")]
    let bit = bit as i32;
    bit
}

/// Returns from the function to its caller, without an error: `PUSHQ BP` is all that it has done.
pub(super) fn leave(asm: &mut CodeAssembler) -> Result<(), IcedError> {
    super::restore(asm)?;
    asm.pop(rbp)?;
    asm.xor(eax, eax)?;
    asm.xor(ebx, ebx)?;
    asm.ret()
}

/// `Write(p []byte)`, the buffer in RAX, the slice in RBX, RCX and RDI: appends the bytes to the text in the slot, once, and
/// makes the slice that, so that the buffer takes both.
pub(super) fn at_write(asm: &mut CodeAssembler, done: CodeLabel) -> Result<(), IcedError> {
    asm.cmp(field(offset_of!(Slot, used)), 0)?;
    asm.jne(done)?;
    asm.mov(rcx, qword_ptr(rsp + RAX))?;
    asm.cmp(meant(meant_for::BUFFER), rcx)?;
    asm.jne(done)?;
    asm.mov(rcx, qword_ptr(rsp + RCX))?;
    asm.mov(eax, offset(SLOT_WORDS * 8))?;
    asm.sub(rax, field(offset_of!(Slot, length)))?;
    asm.jb(done)?;
    asm.cmp(rcx, rax)?;
    asm.ja(done)?;
    asm.mov(field(offset_of!(Slot, used)), 1)?;
    keep(asm, &[(RSI, rsi), (R8, r8)])?;
    asm.mov(rsi, rbx)?;
    asm.lea(rbx, ptr(rdx + offset(offset_of!(Slot, words))))?;
    asm.mov(rdi, field(offset_of!(Slot, length)))?;
    asm.add(qword_ptr(rsp + RCX), rdi)?;
    asm.add(rdi, rbx)?;
    copy(asm)?;
    take_back(asm, &[(R8, r8), (RSI, rsi), (RCX, rdi)])
}

/// `writeHeaders(…, hdrs []byte)`, the connection in RAX, the slice in RSI, R8 and R9: frees the tag at RAX. A text that has not
/// been written (there was no field to come before, or too long a one) comes behind, if there is room.
pub(super) fn at_headers(asm: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut free = asm.create_label();
    keep(asm, &[(TAG, rax)])?;
    asm.cmp(field(offset_of!(Slot, used)), 0)?;
    asm.jne(free)?;
    asm.mov(rcx, qword_ptr(rsp + RAX))?;
    asm.cmp(meant(meant_for::CONNECTION), rcx)?;
    asm.jne(free)?;
    asm.mov(rcx, field(offset_of!(Slot, length)))?;
    asm.mov(rax, r9)?;
    asm.sub(rax, r8)?;
    asm.cmp(rax, rcx)?;
    asm.jl(free)?;
    keep(asm, &[(RSI, rsi), (RDI, rdi), (R8, r8)])?;
    asm.lea(rdi, ptr(rsi + r8))?;
    asm.lea(rsi, ptr(rdx + offset(offset_of!(Slot, words))))?;
    asm.add(qword_ptr(rsp + R8), rcx)?;
    copy(asm)?;
    take_back(asm, &[(R8, r8), (RDI, rdi), (RSI, rsi)])?;
    asm.set_label(&mut free)?;
    take_back(asm, &[(TAG, rax)])?;
    asm.mov(qword_ptr(rax), 0)
}
