//! The machine code of the detours (x86-64).
//!
//! Each detour: save what it uses below the stack pointer; if the current goroutine (R14) has a slot that is meant for
//! this call here (depth of the stack, and site), perform its stores; free the slot; restore; execute the instructions that the
//! jump has replaced; jump back behind them.
//!
//! It neither calls nor moves the stack pointer. Behind a stack check, Go leaves several hundred bytes below the stack
//! pointer (`internal/abi.StackSmall`, `runtime/stack.go`), and signal handlers run on a stack of their own (Go sets
//! `SA_ONSTACK`). While it runs, the instruction pointer is in no Go function: the runtime does not preempt it
//! (`wantAsyncPreempt`, `isAsyncSafePoint`, `runtime/preempt.go`), so stacks do not move and no collection ends.

use std::mem::offset_of;

use bpf::slots::{Bucket, HASH_FACTOR, HASH_RESULT, HASH_SHIFT, Slot, WAYS, site};
use iced_x86::IcedError;
use iced_x86::code_asm::{
    AsmMemoryOperand, AsmRegister64, CodeAssembler, CodeLabel, al, eax, ptr, qword_ptr, r14, rax, rcx, rdx, rsp,
};

use crate::executor::{Detour, Moment};
use commands::{obey, return_at_once};
use fields::{arm, at_copied, at_field, at_headers, at_write, leave};

mod commands;
mod fields;

/// The code cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("no machine code for the detours ({0})")]
pub struct StubError(#[from] IcedError);

/// What the code has to find in the program.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Where the slots are mapped.
    pub slots: u64,
    /// Offset of `runtime.g.stack.hi`.
    pub stack_high: i32,
}

/// Assembled detours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// The code, for the address it was made for.
    pub code: Vec<u8>,
    /// The address of each detour's first instruction, in the order of the detours.
    pub entries: Vec<u64>,
}

// What is saved where, below the stack pointer.
const RAX: i32 = -8;
const FLAGS: i32 = -16;
const RCX: i32 = -24;
const RDX: i32 = -32;
const RSI: i32 = -40;
const RDI: i32 = -48;
const R8: i32 = -56;
const R9: i32 = -64;
const TAG: i32 = -72;

/// An upper bound of a detour's size.
pub const MOST_BYTES: usize = 832;

impl Stub {
    /// Assembles the detours for a program that will have the code at `address`.
    ///
    /// # Errors
    /// Where a jump does not reach (the code must lie within 2 GiB of the program's).
    pub fn assemble(detours: &[Detour], places: Places, address: u64) -> Result<Self, StubError> {
        let (mut code, mut entries) = (Vec::new(), Vec::new());
        for detour in detours {
            let entry = address + code.len() as u64;
            entries.push(entry);
            code.extend(assemble(detour, places, entry)?);
            // The next one begins at a cache line.
            code.resize(code.len().next_multiple_of(64), INT3);
        }
        Ok(Self { code, entries })
    }

    /// The bytes that take the place of a detour's instructions: a jump to `entry`, and traps where nothing may land.
    #[must_use]
    pub fn jump(detour: &Detour, entry: u64) -> Option<Vec<u8>> {
        let next = detour.address.wrapping_add(JMP_SIZE as u64);
        let distance = i32::try_from(entry.wrapping_sub(next).cast_signed()).ok()?;
        let mut bytes = vec![0xe9];
        bytes.extend_from_slice(&distance.to_le_bytes());
        bytes.resize(detour.bytes.len().max(JMP_SIZE), INT3);
        Some(bytes)
    }
}

/// An offset within the slots, as instructions take it.
const fn offset(bytes: usize) -> i32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "below the size of a bucket")]
    let bytes = bytes as i32;
    bytes
}

/// `JMP rel32`.
const JMP_SIZE: usize = crate::binary::JUMP;
/// A breakpoint: what must not be executed.
const INT3: u8 = 0xcc;

fn assemble(detour: &Detour, places: Places, entry: u64) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    let mut done = asm.create_label();
    let (queued, armed) = (detour.site, detour.site | site::ARMED);
    save(&mut asm)?;
    match detour.moment {
        Moment::Depth => find(&mut asm, places, queued, done, |asm| obey(asm, places.stack_high))?,
        Moment::Field => {
            let (mut first, mut left_out) = (asm.create_label(), asm.create_label());
            find(&mut asm, places, armed, first, |asm| {
                at_copied(asm, left_out)?;
                asm.jmp(done)
            })?;
            asm.set_label(&mut first)?;
            find(&mut asm, places, queued, done, |asm| {
                at_field(asm, queued, done)?;
                asm.jne(done)?;
                at_copied(asm, left_out)?;
                asm.jmp(done)
            })?;
            asm.set_label(&mut left_out)?;
            leave(&mut asm)?;
        }
        Moment::Buffer => find(&mut asm, places, armed, done, |asm| at_write(asm, done))?,
        Moment::Frame => find(&mut asm, places, armed, done, |asm| asm.mov(qword_ptr(rax), 0))?,
        Moment::Return => find(&mut asm, places, queued, done, |asm| return_at_once(asm, places.stack_high, done))?,
        Moment::Headers => {
            let mut go_on = asm.create_label();
            find(&mut asm, places, queued, go_on, |asm| arm(asm, queued))?;
            asm.set_label(&mut go_on)?;
            find(&mut asm, places, armed, done, at_headers)?;
        }
    }
    asm.set_label(&mut done)?;
    restore(&mut asm)?;
    asm.db(&detour.bytes)?;
    asm.jmp(detour.address + detour.bytes.len() as u64)?;
    asm.assemble(entry)
}

fn save(asm: &mut CodeAssembler) -> Result<(), IcedError> {
    asm.mov(qword_ptr(rsp + RAX), rax)?;
    // Flags into AH, the overflow flag into AL.
    asm.lahf()?;
    asm.seto(al)?;
    asm.mov(qword_ptr(rsp + FLAGS), rax)?;
    asm.mov(qword_ptr(rsp + RCX), rcx)?;
    asm.mov(qword_ptr(rsp + RDX), rdx)
}

fn restore(asm: &mut CodeAssembler) -> Result<(), IcedError> {
    asm.mov(rdx, qword_ptr(rsp + RDX))?;
    asm.mov(rcx, qword_ptr(rsp + RCX))?;
    asm.mov(rax, qword_ptr(rsp + FLAGS))?;
    // 1 + 127 overflows.
    asm.add(al, 127)?;
    asm.sahf()?;
    asm.mov(rax, qword_ptr(rsp + RAX))
}

/// Looks for the current goroutine's tag with this number; `found` gets its address in RAX and its slot's in RDX. Where there is
/// none, goes to `missing`.
fn find(
    asm: &mut CodeAssembler,
    places: Places,
    number: u32,
    missing: CodeLabel,
    found: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    asm.mov(rax, r14)?;
    asm.shr(rax, HASH_SHIFT)?;
    asm.imul_3(eax, eax, HASH_FACTOR.cast_signed())?;
    asm.shr(eax, HASH_RESULT)?;
    asm.imul_3(eax, eax, offset(size_of::<Bucket>()))?;
    asm.mov(rcx, places.slots)?;
    asm.add(rcx, rax)?;
    asm.lea(rdx, tag(number))?;
    let mut hits: Vec<CodeLabel> = Vec::new();
    for way in 0..WAYS {
        let hit = asm.create_label();
        asm.cmp(qword_ptr(rcx + offset(way * 8)), rdx)?;
        asm.je(hit)?;
        hits.push(hit);
    }
    asm.jmp(missing)?;
    let mut at_slot = asm.create_label();
    for (way, hit) in hits.iter_mut().enumerate() {
        asm.set_label(hit)?;
        asm.lea(rax, ptr(rcx + offset(way * 8)))?;
        asm.lea(rdx, ptr(rcx + offset(offset_of!(Bucket, slots) + way * size_of::<Slot>())))?;
        if way + 1 < WAYS {
            asm.jmp(at_slot)?;
        }
    }
    asm.set_label(&mut at_slot)?;
    found(asm)
}

/// The tag with this number of the current goroutine, as the operand of `LEA`.
fn tag(number: u32) -> AsmMemoryOperand {
    ptr(r14 + number.cast_signed())
}

/// A field of the slot at RDX.
fn field(place: usize) -> AsmMemoryOperand {
    qword_ptr(rdx + offset(place))
}

/// A place of [`Slot::meant_for`] of the slot at RDX.
fn meant(place: usize) -> AsmMemoryOperand {
    field(offset_of!(Slot, meant_for) + place * 8)
}

/// Saves registers below the stack pointer.
fn keep(asm: &mut CodeAssembler, registers: &[(i32, AsmRegister64)]) -> Result<(), IcedError> {
    registers.iter().try_for_each(|(place, register)| asm.mov(qword_ptr(rsp + *place), *register))
}

/// Loads registers from there.
fn take_back(asm: &mut CodeAssembler, registers: &[(i32, AsmRegister64)]) -> Result<(), IcedError> {
    registers.iter().try_for_each(|(place, register)| asm.mov(*register, qword_ptr(rsp + *place)))
}

#[cfg(test)]
mod tests;
