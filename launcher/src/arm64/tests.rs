//! Each instruction as GNU's assembler makes it, and where branches lead.

use super::instructions::*;
use super::*;

const R: fn(u32) -> Register = Register;

#[test]
fn instructions_are_those_of_the_assembler() {
    for (made, expected, text) in [
        (copy(R(17), R(30)), 0xaa1e_03f1, "mov x17, x30"),
        (load(R(16), R(28), 16), 0xf940_0b90, "ldr x16, [x28, #16]"),
        (load_two(R(16), R(17), R(19), 16), 0xa941_4670, "ldp x16, x17, [x19, #16]"),
        (load_four(R(17), R(1)), 0xb940_0031, "ldr w17, [x1]"),
        (load_half(R(17), R(1)), 0x7940_0031, "ldrh w17, [x1]"),
        (load_byte(R(16), R(1)), 0x3940_0030, "ldrb w16, [x1]"),
        (store(R(16), R(22), 32), 0xf900_12d0, "str x16, [x22, #32]"),
        (load_next(R(23), R(27)), 0xf840_8777, "ldr x23, [x27], #8"),
        (store_next(R(23), R(25)), 0xf800_8737, "str x23, [x25], #8"),
        (load_next_byte(R(23), R(27)), 0x3840_1777, "ldrb w23, [x27], #1"),
        (store_next_byte(R(23), R(25)), 0x3800_1737, "strb w23, [x25], #1"),
        (store_release(ZERO, R(21)), 0xc89f_febf, "stlr xzr, [x21]"),
        (load_exclusive(R(16), R(21)), 0xc85f_feb0, "ldaxr x16, [x21]"),
        (store_exclusive(R(24), R(17), R(21)), 0xc818_feb1, "stlxr w24, x17, [x21]"),
        (add_number(R(20), R(28), 17), 0x9100_4794, "add x20, x28, #17"),
        (subtract_number(R(16), R(16), 8), 0xd100_2210, "sub x16, x16, #8"),
        (compare_number(R(2), 11), 0xf100_2c5f, "cmp x2, #11"),
        (add(R(22), R(19), R(23), 11), 0x8b17_2e76, "add x22, x19, x23, lsl #11"),
        (subtract(R(24), R(24), R(17)), 0xeb11_0318, "subs x24, x24, x17"),
        (compare(R(16), R(20)), 0xeb14_021f, "cmp x16, x20"),
        (shift_right(R(16), R(28), 5), 0xd345_ff90, "lsr x16, x28, #5"),
        (shift_right_half(R(16), R(16), 28), 0x531c_7e10, "lsr w16, w16, #28"),
        (multiply_half(R(16), R(16), R(17)), 0x1b11_7e10, "mul w16, w16, w17"),
        (multiply_add(R(19), R(16), R(17), R(19)), 0x9b11_4e13, "madd x19, x16, x17, x19"),
        (constant(R(0), 0xffff), 0xd29f_ffe0, "movz x0, #0xffff"),
        (CLEAR_EXCLUSIVE, 0xd503_3f5f, "clrex"),
        (RET, 0xd65f_03c0, "ret"),
    ] {
        assert_eq!(made, expected, "{text}: {made:#x}");
    }
}

#[test]
fn branches_lead_where_they_should() {
    for (branch, to, expected, text) in [
        (Branch::If(Condition::Higher), 8, 0x5400_0048, "b.hi .+8"),
        (Branch::If(Condition::Equal), 8, 0x5400_0040, "b.eq .+8"),
        (Branch::If(Condition::NotEqual), 8, 0x5400_0041, "b.ne .+8"),
        (Branch::If(Condition::Lower), 8, 0x5400_0043, "b.lo .+8"),
        (Branch::If(Condition::Less), -4, 0x54ff_ffeb, "b.lt .-4"),
        (Branch::IfZero(R(16)), 16, 0xb400_0090, "cbz x16, .+16"),
        (Branch::IfNotZero(R(24)), -4, 0xb5ff_fff8, "cbnz x24, .-4"),
        (Branch::IfBitIsZero(R(16), 1), 32, 0x3608_0110, "tbz x16, #1, .+32"),
        (Branch::Always, -8, 0x17ff_fffe, "b .-8"),
        (Branch::Call, 8, 0x9400_0002, "bl .+8"),
    ] {
        assert_eq!(branch.word(0x1000, 0x1000_u64.wrapping_add_signed(to)), Some(expected), "{text}");
    }
    // Distances have 26, 19 and 14 bits.
    for (branch, reach) in [(Branch::Always, 1 << 27), (Branch::IfZero(R(0)), 1 << 20), (Branch::IfBitIsZero(R(0), 0), 1 << 15)] {
        assert!(branch.word(0, reach - 4).is_some() && branch.word(0, reach).is_none());
        assert!(branch.word(reach, 0).is_some() && branch.word(reach + 4, 0).is_none());
    }
    assert_eq!(Branch::Always.word(0, 2), None);
}

fn words(code: &[u8]) -> Vec<u32> {
    code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

#[test]
fn labels_become_distances() {
    let mut code = Assembler::new(0x1000);
    let (back, ahead) = (code.label(), code.label());
    code.place(back);
    code.branch(Branch::IfZero(R(0)), ahead);
    code.branch(Branch::Always, back);
    code.place(ahead);
    code.leave(Branch::Call, 0x1000).unwrap();
    assert_eq!(words(&code.assemble().unwrap()), [0xb400_0040, 0x17ff_ffff, 0x97ff_fffe]);
    // One that never comes.
    let mut code = Assembler::new(0x1000);
    let nowhere = code.label();
    code.branch(Branch::Always, nowhere);
    assert_eq!(code.assemble(), Err(OutOfReach(u64::MAX)));
    assert_eq!(Assembler::new(0).leave(Branch::Always, 1 << 27), Err(OutOfReach(1 << 27)));
}

#[test]
fn constants_take_as_many_instructions_as_they_need() {
    let loaded = |value| {
        let mut code = Assembler::new(0);
        code.load_constant(R(16), value);
        words(&code.assemble().unwrap())
    };
    assert_eq!(loaded(0), [0xd280_0010]);
    assert_eq!(loaded(0x1234), [0xd282_4690]);
    assert_eq!(loaded(0x5678_0000_1234), [0xd282_4690, 0xf2ca_cf10]);
    // movz x16, #0x5678, lsl #32
    assert_eq!(loaded(0x5678_0000_0000), [0xd2ca_cf10]);
    assert_eq!(loaded(u64::MAX).len(), 4);
}
