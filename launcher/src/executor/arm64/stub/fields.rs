//! The detours on the way of a request's header fields, by HTTP/2: the text in a slot is handed to the connection's buffer with the
//! first of them that is no pseudo-header. Arguments are in R0 and up.

use std::mem::offset_of;

use bpf::slots::{SLOT_WORDS, Slot, drops, meant_for, site};

use super::{A, B, C, D, E, G, SLOT, TAG, TAG_AT, field, free, meant, offset};
use crate::arm64::instructions::{
    CLEAR_EXCLUSIVE, RET, add, add_number, compare, compare_number, constant, copy, load, load_byte, load_exclusive, load_four,
    load_half, load_next, load_next_byte, store, store_exclusive, store_next, store_next_byte, subtract, subtract_number,
};
use crate::arm64::{Assembler, Branch, Condition, Label, Register, ZERO};

/// Arguments, by their numbers.
const R: [Register; 7] = [Register(0), Register(1), Register(2), Register(3), Register(4), Register(5), Register(6)];

const EQUAL: Branch = Branch::If(Condition::Equal);
const DIFFERENT: Branch = Branch::If(Condition::NotEqual);

/// Arms the tag that was found, which has this number: from here on nobody gives it to anybody else. Goes to `lost` where it was just
/// given away.
pub(super) fn arm(code: &mut Assembler, number: u32, lost: Label) {
    let (again, other, armed) = (code.label(), code.label(), code.label());
    code.push(add_number(B, G, number | site::ARMED));
    code.place(again);
    code.extend([load_exclusive(A, TAG_AT), compare(A, TAG)]);
    code.branch(DIFFERENT, other);
    code.push(store_exclusive(A, B, TAG_AT));
    code.branch(Branch::IfNotZero(A), again);
    code.branch(Branch::Always, armed);
    code.place(other);
    code.push(CLEAR_EXCLUSIVE);
    code.branch(Branch::Always, lost);
    code.place(armed);
}

/// `WriteField(f HeaderField)`, the encoder in R0, the name in R1 and R2: arms the slot at the first field behind the
/// pseudo-headers, which come first (RFC 9113 §8.3).
pub(super) fn at_field(code: &mut Assembler, number: u32, done: Label) {
    let [encoder, name, length, ..] = R;
    code.extend([meant(A, meant_for::ENCODER), compare(A, encoder)]);
    code.branch(DIFFERENT, done);
    code.branch(Branch::IfZero(length), done);
    code.extend([load_byte(A, name), compare_number(A, b':'.into())]);
    code.branch(EQUAL, done);
    arm(code, number, done);
}

/// The same function: goes to `left_out` for a field that the slot says is a copy of what came, for which its text has another one. Names
/// are of small letters (RFC 9113 §8.2).
pub(super) fn at_copied(code: &mut Assembler, left_out: Label) {
    let [encoder, name, length, ..] = R;
    let (others, longer, end) = (code.label(), code.label(), code.label());
    code.push(field(A, offset_of!(Slot, drops)));
    code.branch(Branch::IfZero(A), end);
    code.extend([meant(B, meant_for::ENCODER), compare(B, encoder)]);
    code.branch(DIFFERENT, end);
    code.branch(Branch::IfBitIsZero(A, drops::TRACE_PARENT.trailing_zeros()), others);
    code.push(compare_number(length, 11));
    code.branch(DIFFERENT, others);
    code.load_constant(C, u64::from_le_bytes(*b"tracepar"));
    code.extend([load(B, name, 0), compare(B, C)]);
    code.branch(EQUAL, left_out);
    code.place(others);
    code.branch(Branch::IfBitIsZero(A, drops::B3.trailing_zeros()), end);
    code.push(compare_number(length, 2));
    code.branch(DIFFERENT, longer);
    code.load_constant(C, u16::from_le_bytes(*b"b3").into());
    code.extend([load_half(B, name), compare(B, C)]);
    code.branch(EQUAL, left_out);
    code.place(longer);
    code.push(compare_number(length, 10));
    code.branch(Branch::If(Condition::Lower), end);
    code.load_constant(C, u32::from_le_bytes(*b"x-b3").into());
    code.extend([load_four(B, name), compare(B, C)]);
    code.branch(EQUAL, left_out);
    code.place(end);
}

/// Returns from the function to its caller, without an error: it has done nothing yet.
pub(super) fn leave(code: &mut Assembler) {
    code.extend([copy(R[0], ZERO), copy(R[1], ZERO), RET]);
}

/// `Write(p []byte)`, the buffer in R0, the slice in R1, R2 and R3: appends the bytes to the text in the slot, once, and
/// makes the slice that, so that the buffer takes both.
pub(super) fn at_write(code: &mut Assembler, done: Label) {
    let [buffer, data, length, capacity, ..] = R;
    code.push(field(A, offset_of!(Slot, used)));
    code.branch(Branch::IfNotZero(A), done);
    code.extend([meant(A, meant_for::BUFFER), compare(A, buffer)]);
    code.branch(DIFFERENT, done);
    code.load_constant(A, (SLOT_WORDS * 8) as u64);
    code.extend([field(B, offset_of!(Slot, length)), subtract(A, A, B)]);
    code.branch(Branch::If(Condition::Lower), done);
    code.push(compare(length, A));
    code.branch(Branch::If(Condition::Higher), done);
    code.extend([
        constant(A, 1),
        store(A, SLOT, offset(offset_of!(Slot, used))),
        copy(E, data),
        add_number(data, SLOT, offset(offset_of!(Slot, words))),
        add(D, data, B, 0),
        copy(A, length),
        add(length, length, B, 0),
        copy(capacity, length),
    ]);
    append(code);
}

/// `writeHeaders(…, hdrs []byte)`, the connection in R0, the slice in R4, R5 and R6: frees the tag. A text that has not been written
/// (there was no field to come before, or too long a one) comes behind, if there is room.
pub(super) fn at_headers(code: &mut Assembler) {
    let [connection, _, _, _, data, length, capacity] = R;
    let given_back = code.label();
    code.push(field(A, offset_of!(Slot, used)));
    code.branch(Branch::IfNotZero(A), given_back);
    code.extend([meant(A, meant_for::CONNECTION), compare(A, connection)]);
    code.branch(DIFFERENT, given_back);
    code.extend([field(A, offset_of!(Slot, length)), subtract(B, capacity, length), compare(B, A)]);
    code.branch(Branch::If(Condition::Less), given_back);
    code.extend([add(D, data, length, 0), add_number(E, SLOT, offset(offset_of!(Slot, words))), add(length, length, A, 0)]);
    append(code);
    code.place(given_back);
    free(code);
}

/// Copies A bytes from E to D, eight at a time as far as they go.
fn append(code: &mut Assembler) {
    let (words, bytes, end) = (code.label(), code.label(), code.label());
    code.place(words);
    code.push(compare_number(A, 8));
    code.branch(Branch::If(Condition::Lower), bytes);
    code.extend([load_next(B, E), store_next(B, D), subtract_number(A, A, 8)]);
    code.branch(Branch::Always, words);
    code.place(bytes);
    code.branch(Branch::IfZero(A), end);
    code.extend([load_next_byte(B, E), store_next_byte(B, D), subtract_number(A, A, 1)]);
    code.branch(Branch::Always, bytes);
    code.place(end);
}
