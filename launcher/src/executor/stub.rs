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

use bpf::slots::{BUCKETS, Bucket, HASH_SHIFT, MAX_SITES, Slot, WAYS, command, meant_for};
use iced_x86::IcedError;
use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, al, byte_ptr, cl, dword_ptr, eax, ecx, ptr, qword_ptr, r8, r8d, r9, r9d, r14, rax, rbx, rcx, rdi,
    rdx, rsi, rsp,
};

use super::{Detour, Moment};

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
pub(super) const MOST_BYTES: usize = 640;

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
    save(&mut asm)?;
    find(&mut asm, places.slots, detour.site, done, |asm| apply(asm, detour.moment, places.stack_high, done))?;
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

/// Looks for the tag of the current goroutine and this site; `found` gets its address in RAX and its slot's in RDX, and goes on to
/// `done`, which follows.
fn find(
    asm: &mut CodeAssembler,
    slots: u64,
    site: u32,
    done: CodeLabel,
    found: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    asm.mov(rax, r14)?;
    asm.shr(rax, HASH_SHIFT)?;
    asm.and(eax, BUCKETS - 1)?;
    asm.imul_3(eax, eax, offset(size_of::<Bucket>()))?;
    asm.mov(rcx, slots)?;
    asm.add(rcx, rax)?;
    asm.lea(rdx, ptr(r14 + (site & (MAX_SITES - 1)).cast_signed()))?;
    let mut hits: Vec<CodeLabel> = Vec::new();
    for way in 0..WAYS {
        let hit = asm.create_label();
        asm.cmp(qword_ptr(rcx + offset(way * 8)), rdx)?;
        asm.je(hit)?;
        hits.push(hit);
    }
    asm.jmp(done)?;
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

/// Performs what the slot at RDX says, if it is meant for this call, and frees the tag at RAX.
fn apply(asm: &mut CodeAssembler, moment: Moment, stack_high: i32, done: CodeLabel) -> Result<(), IcedError> {
    let (mut free, mut next, mut written) = (asm.create_label(), asm.create_label(), asm.create_label());
    let mut refused = asm.create_label();
    is_meant(asm, moment, stack_high, free, done)?;
    for (place, register) in [(TAG, rax), (RSI, rsi), (RDI, rdi), (R8, r8), (R9, r9)] {
        asm.mov(qword_ptr(rsp + place), register)?;
    }
    asm.mov(r9d, dword_ptr(rdx + offset(offset_of!(Slot, commands))))?;
    asm.add(rdx, offset(offset_of!(Slot, words)))?;
    asm.set_label(&mut next)?;
    asm.test(r9d, r9d)?;
    asm.je(written)?;
    asm.mov(ecx, dword_ptr(rdx + 8))?;
    asm.lea(rsi, ptr(rdx + 16))?;
    destination(asm, moment, refused)?;
    copy(asm)?;
    // Commands begin at multiples of eight.
    asm.lea(rdx, ptr(rsi + 7))?;
    asm.and(rdx, -8)?;
    asm.dec(r9d)?;
    asm.jmp(next)?;
    asm.set_label(&mut refused)?;
    if moment == Moment::Field {
        // No room: the slot stays for a later field.
        restore_rest(asm)?;
        asm.jmp(done)?;
    } else {
        asm.nop()?;
    }
    asm.set_label(&mut written)?;
    restore_rest(asm)?;
    asm.mov(rax, qword_ptr(rsp + TAG))?;
    asm.set_label(&mut free)?;
    asm.mov(qword_ptr(rax), 0)
}

fn restore_rest(asm: &mut CodeAssembler) -> Result<(), IcedError> {
    for (place, register) in [(R9, r9), (R8, r8), (RDI, rdi), (RSI, rsi)] {
        asm.mov(register, qword_ptr(rsp + place))?;
    }
    Ok(())
}

/// Goes on if the slot at RDX is meant for this call; else frees it (`free`) or leaves it (`done`).
fn is_meant(asm: &mut CodeAssembler, moment: Moment, stack_high: i32, free: CodeLabel, done: CodeLabel) -> Result<(), IcedError> {
    let place = |number: usize| offset(offset_of!(Slot, meant_for) + number * 8);
    match moment {
        Moment::Depth => {
            asm.mov(rcx, qword_ptr(r14 + stack_high))?;
            asm.sub(rcx, rsp)?;
            asm.cmp(qword_ptr(rdx + place(meant_for::DEPTH)), rcx)?;
            asm.jne(free)
        }
        Moment::Field => {
            asm.mov(rcx, qword_ptr(rsp + RAX))?;
            asm.cmp(qword_ptr(rdx + place(meant_for::ENCODER)), rcx)?;
            asm.jne(free)?;
            // `HeaderField.Name`: RBX and RCX. Pseudo-headers come first (RFC 9113 §8.3).
            asm.cmp(qword_ptr(rsp + RCX), 0)?;
            asm.je(done)?;
            asm.cmp(byte_ptr(rbx), i32::from(b':'))?;
            asm.je(done)
        }
        Moment::Headers => {
            asm.mov(rcx, qword_ptr(rsp + RAX))?;
            asm.cmp(qword_ptr(rdx + place(meant_for::CONNECTION)), rcx)?;
            asm.jne(free)
        }
    }
}

/// Where the ECX bytes of the command at RDX go: into RDI. A command without bytes leaves ECX at 0; one that cannot be obeyed
/// ends all of them (`refused`).
///
/// A slice is the one whose header is in memory; where it has been handed to `writeHeaders`, that in the saved registers.
fn destination(asm: &mut CodeAssembler, moment: Moment, refused: CodeLabel) -> Result<(), IcedError> {
    let (mut append, mut known) = (asm.create_label(), asm.create_label());
    asm.mov(rdi, qword_ptr(rdx))?;
    asm.mov(eax, dword_ptr(rdx + 12))?;
    asm.cmp(eax, command::STORE.cast_signed())?;
    asm.je(known)?;
    let [address, length, capacity] = match moment {
        Moment::Depth | Moment::Field => [qword_ptr(rdi), qword_ptr(rdi + 8), qword_ptr(rdi + 16)],
        Moment::Headers => [qword_ptr(rsp + RSI), qword_ptr(rsp + R8), qword_ptr(rsp + R9)],
    };
    asm.cmp(eax, command::REQUIRE.cast_signed())?;
    asm.jne(append)?;
    asm.mov(rax, capacity)?;
    asm.sub(rax, length)?;
    asm.cmp(rax, rcx)?;
    asm.jl(refused)?;
    asm.xor(ecx, ecx)?;
    asm.jmp(known)?;
    asm.set_label(&mut append)?;
    asm.mov(rax, address)?;
    asm.add(rax, length)?;
    asm.add(length, rcx)?;
    asm.mov(rdi, rax)?;
    asm.set_label(&mut known)?;
    // A label wants an instruction.
    asm.nop()
}

/// ECX bytes from RSI to RDI, eight at a time as far as they go; both stand behind the last one then.
fn copy(asm: &mut CodeAssembler) -> Result<(), IcedError> {
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

#[cfg(test)]
mod tests;
