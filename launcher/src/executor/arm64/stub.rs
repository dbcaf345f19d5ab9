//! The machine code of the detours (arm64).
//!
//! Each detour: if the current goroutine (R28) has a slot that is meant for this call here, do with it what is to be done; execute the
//! instruction that the branch has replaced, which makes the function's frame; branch back behind it.
//!
//! It calls nothing and takes no stack. At a function's start R16, R17, R19 to R25 and R27 hold nothing, nor do the flags: they are scratch
//! ("permanent scratch registers", "not preserved across calls", `cmd/compile/abi-internal.md`, arm64, the same from Go 1.21 to
//! 1.27), and the instruction that is replaced reads none of what a stack check may have left there (`binary/code/detour/arm64.rs`). So
//! nothing is saved.
//!
//! While it runs, the program counter is in no Go function: the runtime does not preempt it (`wantAsyncPreempt`, `isAsyncSafePoint`,
//! `runtime/preempt.go`), so stacks do not move and no collection ends.
//!
//! A slot was filled by its goroutine itself, so nothing stands between seeing the tag and reading it. Others may take it over until it is
//! armed: what arms it is a compare-and-swap. It is given back behind all that was done with it (`STLR`).

mod fields;

use std::mem::offset_of;

use bpf::slots::{Bucket, HASH_FACTOR, HASH_RESULT, HASH_SHIFT, Slot, WAYS, site};

use crate::arm64::instructions::{
    add, add_number, compare, constant, load, load_two, multiply_add, multiply_half, shift_right, shift_right_half, store_release,
};
use crate::arm64::{Assembler, Branch, Condition, Label, OutOfReach, Register, ZERO};
use crate::executor::{Detour, Moment};

/// The code cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StubError {
    /// A branch does not reach.
    #[error("no machine code for the detours (no branch reaches {0:#x})")]
    OutOfReach(u64),
    /// The stores of BPF are not made here.
    #[error("no machine code for detours by the depth of the stack")]
    NotMade,
}

impl From<OutOfReach> for StubError {
    fn from(OutOfReach(address): OutOfReach) -> Self {
        Self::OutOfReach(address)
    }
}

/// The goroutine.
const G: Register = Register(28);
/// For the moment.
const A: Register = Register(16);
const B: Register = Register(17);
const C: Register = Register(24);
const D: Register = Register(25);
const E: Register = Register(27);
/// The goroutine's bucket.
const BUCKET: Register = Register(19);
/// The tag that is looked for, …
const TAG: Register = Register(20);
/// … and where it was found: its address, …
const TAG_AT: Register = Register(21);
/// … its slot, …
const SLOT: Register = Register(22);
/// … and which one it is in the bucket.
const WAY: Register = Register(23);

/// An upper bound of a detour's size.
pub const MOST_BYTES: usize = 640;
/// Four of them are `UDF $0`: what must not be executed.
pub(super) const TRAP: u8 = 0;

/// What takes the place of the detour's instruction: a branch to its code.
pub(super) fn branch(detour: &Detour, entry: u64) -> Result<Vec<u8>, StubError> {
    let word = Branch::Always.word(detour.address, entry).ok_or(StubError::OutOfReach(entry))?;
    Ok(word.to_le_bytes().to_vec())
}

/// The code of one detour, which begins at `entry`.
pub(super) fn assemble(detour: &Detour, slots: u64, entry: u64) -> Result<Vec<u8>, StubError> {
    let mut code = Assembler::new(entry);
    let done = code.label();
    let (queued, armed) = (detour.site, detour.site | site::ARMED);
    bucket(&mut code, slots);
    match detour.moment {
        Moment::Depth | Moment::Return => return Err(StubError::NotMade),
        Moment::Field => {
            let (first, left_out) = (code.label(), code.label());
            find(&mut code, armed, first);
            fields::at_copied(&mut code, left_out);
            code.branch(Branch::Always, done);
            code.place(first);
            find(&mut code, queued, done);
            fields::at_field(&mut code, queued, done);
            fields::at_copied(&mut code, left_out);
            code.branch(Branch::Always, done);
            code.place(left_out);
            fields::leave(&mut code);
        }
        Moment::Buffer => {
            find(&mut code, armed, done);
            fields::at_write(&mut code, done);
        }
        Moment::Frame => {
            find(&mut code, armed, done);
            free(&mut code);
        }
        Moment::Headers => {
            let go_on = code.label();
            find(&mut code, queued, go_on);
            fields::arm(&mut code, queued, go_on);
            code.place(go_on);
            find(&mut code, armed, done);
            fields::at_headers(&mut code);
        }
    }
    code.place(done);
    code.extend(detour.bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)));
    code.leave(Branch::Always, detour.address + detour.bytes.len() as u64)?;
    Ok(code.assemble()?)
}

/// An offset within the slots, as instructions take it.
const fn offset(bytes: usize) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "below the size of a bucket")]
    let bytes = bytes as u32;
    bytes
}

/// What a number is shifted by to multiply it with a size.
const fn shift(size: usize) -> u32 {
    assert!(size.is_power_of_two(), "a size of what has numbers");
    size.trailing_zeros()
}

// What loads and additions take.
const _: () = assert!(offset_of!(Slot, words) < 1 << 12 && offset_of!(Bucket, slots) < 1 << 12 && size_of::<Bucket>() < 1 << 16);

/// Computes where the goroutine's bucket is ([`bpf::slots::bucket`]).
fn bucket(code: &mut Assembler, slots: u64) {
    code.push(shift_right(A, G, HASH_SHIFT));
    code.load_constant(B, HASH_FACTOR.into());
    code.extend([multiply_half(A, A, B), shift_right_half(A, A, HASH_RESULT)]);
    code.load_constant(B, size_of::<Bucket>() as u64);
    code.load_constant(BUCKET, slots);
    code.push(multiply_add(BUCKET, A, B, BUCKET));
}

/// Looks for the current goroutine's tag with this number; where there is none, goes to `missing`.
fn find(code: &mut Assembler, number: u32, missing: Label) {
    let found = code.label();
    code.push(add_number(TAG, G, number));
    for (way, tag) in (0..).zip([A, B].into_iter().cycle()).take(WAYS) {
        if tag == A {
            code.push(load_two(A, B, BUCKET, 8 * u32::from(way)));
        }
        code.extend([constant(WAY, way), compare(tag, TAG)]);
        code.branch(Branch::If(Condition::Equal), found);
    }
    code.branch(Branch::Always, missing);
    code.place(found);
    code.extend([
        add(TAG_AT, BUCKET, WAY, shift(size_of::<u64>())),
        add(SLOT, BUCKET, WAY, shift(size_of::<Slot>())),
        add_number(SLOT, SLOT, offset(offset_of!(Bucket, slots))),
    ]);
}

/// Loads a field of the slot.
const fn field(to: Register, place: usize) -> u32 {
    load(to, SLOT, offset(place))
}

/// Loads a place of [`Slot::meant_for`].
const fn meant(to: Register, place: usize) -> u32 {
    field(to, offset_of!(Slot, meant_for) + place * 8)
}

/// Frees the tag.
fn free(code: &mut Assembler) {
    code.push(store_release(ZERO, TAG_AT));
}

#[cfg(test)]
mod tests;
