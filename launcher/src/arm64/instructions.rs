//! The instructions that go on to the next one: each as its word.

use super::{Register, ZERO};

/// `RET (R30)`.
pub(crate) const RET: u32 = 0xd65f_03c0;
/// Gives up what [`load_exclusive`] has begun: `CLREX`.
pub(crate) const CLEAR_EXCLUSIVE: u32 = 0xd503_3f5f;

/// Two registers, the destination (or what is stored) and the first operand (or the address).
const fn two(opcode: u32, to: Register, from: Register) -> u32 {
    opcode | from.0 << 5 | to.0
}

/// The same with a number from the tenth bit on.
const fn with_number(opcode: u32, to: Register, from: Register, number: u32) -> u32 {
    two(opcode, to, from) | number << 10
}

/// The same with another register from the sixteenth bit on.
const fn three(opcode: u32, to: Register, one: Register, other: Register) -> u32 {
    two(opcode, to, one) | other.0 << 16
}

/// Copies a register.
pub(crate) const fn copy(to: Register, from: Register) -> u32 {
    three(0xaa00_0000, to, ZERO, from)
}

/// Loads the word that is `offset` bytes, a multiple of eight, behind an address.
pub(crate) const fn load(to: Register, base: Register, offset: u32) -> u32 {
    with_number(0xf940_0000, to, base, offset / 8)
}

/// Loads two words from there on.
pub(crate) const fn load_two(to: Register, next: Register, base: Register, offset: u32) -> u32 {
    two(0xa940_0000, to, base) | next.0 << 10 | (offset / 8) << 15
}

/// Loads the four bytes at an address.
pub(crate) const fn load_four(to: Register, base: Register) -> u32 {
    two(0xb940_0000, to, base)
}

/// Loads the two bytes at an address.
pub(crate) const fn load_half(to: Register, base: Register) -> u32 {
    two(0x7940_0000, to, base)
}

/// Loads the byte at an address.
pub(crate) const fn load_byte(to: Register, base: Register) -> u32 {
    two(0x3940_0000, to, base)
}

/// Stores a word, as [`load`] loads it.
pub(crate) const fn store(what: Register, base: Register, offset: u32) -> u32 {
    with_number(0xf900_0000, what, base, offset / 8)
}

/// Loads the word at an address, and moves the address on behind it.
pub(crate) const fn load_next(to: Register, base: Register) -> u32 {
    two(0xf840_8400, to, base)
}

/// Stores a word, and moves the address on.
pub(crate) const fn store_next(what: Register, base: Register) -> u32 {
    two(0xf800_8400, what, base)
}

/// Loads the byte at an address, and moves the address on.
pub(crate) const fn load_next_byte(to: Register, base: Register) -> u32 {
    two(0x3840_1400, to, base)
}

/// Stores a byte, and moves the address on.
pub(crate) const fn store_next_byte(what: Register, base: Register) -> u32 {
    two(0x3800_1400, what, base)
}

/// Stores a word behind all that was loaded and stored before (`STLR`).
pub(crate) const fn store_release(what: Register, base: Register) -> u32 {
    two(0xc89f_fc00, what, base)
}

/// Loads a word before all that is loaded and stored behind; a [`store_exclusive`] says whether it has changed since (`LDAXR`).
pub(crate) const fn load_exclusive(to: Register, base: Register) -> u32 {
    two(0xc85f_fc00, to, base)
}

/// Stores a word behind all that was loaded and stored before, and zero in `status`, unless the word may have changed (`STLXR`).
pub(crate) const fn store_exclusive(status: Register, what: Register, base: Register) -> u32 {
    three(0xc800_fc00, what, base, status)
}

/// Adds a number below 4096.
pub(crate) const fn add_number(to: Register, from: Register, number: u32) -> u32 {
    with_number(0x9100_0000, to, from, number)
}

/// Subtracts a number below 4096.
pub(crate) const fn subtract_number(to: Register, from: Register, number: u32) -> u32 {
    with_number(0xd100_0000, to, from, number)
}

/// Compares with a number below 4096.
pub(crate) const fn compare_number(one: Register, number: u32) -> u32 {
    with_number(0xf100_0000, ZERO, one, number)
}

/// Adds two registers, of which the other is shifted to the left.
pub(crate) const fn add(to: Register, one: Register, other: Register, shift: u32) -> u32 {
    three(0x8b00_0000, to, one, other) | shift << 10
}

/// Subtracts, and compares.
pub(crate) const fn subtract(to: Register, one: Register, other: Register) -> u32 {
    three(0xeb00_0000, to, one, other)
}

/// Compares.
pub(crate) const fn compare(one: Register, other: Register) -> u32 {
    subtract(ZERO, one, other)
}

/// Shifts to the right.
pub(crate) const fn shift_right(to: Register, from: Register, bits: u32) -> u32 {
    two(0xd340_fc00, to, from) | bits << 16
}

/// Shifts the lower 32 bits to the right; the others are zero then.
pub(crate) const fn shift_right_half(to: Register, from: Register, bits: u32) -> u32 {
    two(0x5300_7c00, to, from) | bits << 16
}

/// The lower 32 bits of the product of two registers.
pub(crate) const fn multiply_half(to: Register, one: Register, other: Register) -> u32 {
    three(0x1b00_7c00, to, one, other)
}

/// `one * other + sum`.
pub(crate) const fn multiply_add(to: Register, one: Register, other: Register, sum: Register) -> u32 {
    three(0x9b00_0000, to, one, other) | sum.0 << 10
}

/// `MOVZ`: sixteen bits, and nothing but zeros around them.
pub(crate) const fn constant(to: Register, bits: u16) -> u32 {
    0xd280_0000 | (bits as u32) << 5 | to.0
}
