//! The detours that do what a slot says: the stores of its commands, or an early return.

use std::mem::offset_of;

use bpf::slots::{Slot, meant_for};
use iced_x86::IcedError;
use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, al, byte_ptr, cl, dword_ptr, ecx, ptr, qword_ptr, r8, r8d, r9, r9d, r14, rax, rbp, rbx, rcx, rdi,
    rdx, rsi, rsp,
};

use super::{R8, R9, RDI, RSI, TAG, field, keep, meant, offset, take_back};

/// Performs the commands of the slot at RDX, if it is meant for this call, and frees the tag at RAX.
pub(super) fn obey(asm: &mut CodeAssembler, stack_high: i32) -> Result<(), IcedError> {
    let (mut free, mut next, mut written) = (asm.create_label(), asm.create_label(), asm.create_label());
    asm.mov(rcx, qword_ptr(r14 + stack_high))?;
    asm.sub(rcx, rsp)?;
    asm.cmp(meant(meant_for::DEPTH), rcx)?;
    asm.jne(free)?;
    keep(asm, &[(TAG, rax), (RSI, rsi), (RDI, rdi), (R8, r8), (R9, r9)])?;
    asm.mov(r9, field(offset_of!(Slot, length)))?;
    asm.add(rdx, offset(offset_of!(Slot, words)))?;
    asm.set_label(&mut next)?;
    asm.test(r9d, r9d)?;
    asm.je(written)?;
    asm.mov(rdi, qword_ptr(rdx))?;
    asm.mov(ecx, dword_ptr(rdx + 8))?;
    asm.lea(rsi, ptr(rdx + 16))?;
    copy(asm)?;
    // Commands begin at multiples of eight.
    asm.lea(rdx, ptr(rsi + 7))?;
    asm.and(rdx, -8)?;
    asm.dec(r9d)?;
    asm.jmp(next)?;
    asm.set_label(&mut written)?;
    take_back(asm, &[(R9, r9), (R8, r8), (RDI, rdi), (RSI, rsi), (TAG, rax)])?;
    asm.set_label(&mut free)?;
    asm.mov(qword_ptr(rax), 0)
}

/// Returns the two words of the slot at RDX, if it is meant for this call, in RAX and RBX; or goes on with them at the address that is the third,
/// where that is not 0. Frees the tag at RAX. The frame pointer has been pushed, and nothing else.
pub(super) fn return_at_once(asm: &mut CodeAssembler, stack_high: i32, done: CodeLabel) -> Result<(), IcedError> {
    let (mut free, mut returns) = (asm.create_label(), asm.create_label());
    asm.mov(rcx, qword_ptr(r14 + stack_high))?;
    asm.sub(rcx, rsp)?;
    asm.cmp(meant(meant_for::DEPTH), rcx)?;
    asm.jne(free)?;
    asm.mov(rcx, field(offset_of!(Slot, words)))?;
    asm.mov(rbx, field(offset_of!(Slot, words) + 8))?;
    asm.mov(rdx, field(offset_of!(Slot, words) + 16))?;
    asm.mov(qword_ptr(rax), 0)?;
    asm.mov(rax, rcx)?;
    asm.pop(rbp)?;
    // At a function's start and behind its return, nothing is expected of the other registers, nor of the flags (Go's `abi-internal.md`).
    asm.test(rdx, rdx)?;
    asm.je(returns)?;
    asm.jmp(rdx)?;
    asm.set_label(&mut returns)?;
    asm.ret()?;
    asm.set_label(&mut free)?;
    asm.mov(qword_ptr(rax), 0)?;
    asm.jmp(done)
}

/// ECX bytes from RSI to RDI, eight at a time as far as they go; both stand behind the last one then.
pub(super) fn copy(asm: &mut CodeAssembler) -> Result<(), IcedError> {
    let (mut words, mut tail, mut bytes, mut end) =
        (asm.create_label(), asm.create_label(), asm.create_label(), asm.create_label());
    asm.mov(r8d, ecx)?;
    asm.shr(r8d, 3)?;
    asm.set_label(&mut words)?;
    asm.je(tail)?;
    asm.mov(rax, qword_ptr(rsi))?;
    asm.mov(qword_ptr(rdi), rax)?;
    asm.add(rsi, 8)?;
    asm.add(rdi, 8)?;
    asm.dec(r8d)?;
    asm.jmp(words)?;
    asm.set_label(&mut tail)?;
    asm.and(ecx, 7)?;
    asm.set_label(&mut bytes)?;
    asm.je(end)?;
    asm.mov(al, byte_ptr(rsi))?;
    asm.mov(byte_ptr(rdi), al)?;
    asm.inc(rsi)?;
    asm.inc(rdi)?;
    asm.dec(cl)?;
    asm.jmp(bytes)?;
    asm.set_label(&mut end)?;
    // A label wants an instruction.
    asm.nop()
}
