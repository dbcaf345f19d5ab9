//! The same on arm64, where the compiler stores arguments right before the first call: an inlined `sync/atomic` operation, which has jumps,
//! may stand before that.
//!
//! So what counts is that all ways out of the instructions up to the stores lead through these, and that none writes the arguments.

use super::super::arm64;

/// The link register's place lies between the frame and the places of the arguments.
const BEHIND_FRAME: u32 = 8;
/// Instructions that are looked at behind the stack check.
const MAX_INSTRUCTIONS: usize = 64;

/// Offsets from the stack pointer, wherever the function calls another one, of its arguments with these numbers, those of their registers too.
/// `check` is the stack check's branch. `None` where it is not plain that it puts them there.
pub(in super::super) fn of<const N: usize>(code: &[u8], (start, check): (u64, u64), numbers: [usize; N]) -> Option<[u32; N]> {
    #[expect(clippy::cast_possible_truncation, reason = "the first registers")]
    let registers = numbers.map(|number| number as u32);
    let first = check.checked_add(4)?;
    let behind = code.get(usize::try_from(first.checked_sub(start)?).ok()?..)?;
    let mut words = arm64::words(behind, first).take(MAX_INSTRUCTIONS);
    let frame = arm64::frame(words.next()?.1)?;
    let places = registers.map(|register| frame + BEHIND_FRAME + 8 * register);
    let (mut stored, mut furthest) = ([false; N], first);
    for (address, word) in words {
        if arm64::is_call(word) || arm64::is_indirect_branch(word) {
            return None;
        }
        if let Some(target) = arm64::branch_target(address, word) {
            furthest = furthest.max(target);
        }
        for ((register, place), stored) in registers.into_iter().zip(places).zip(&mut stored) {
            *stored |= stores(word, register, place);
        }
        if stored == [true; N] {
            // A jump may lead to the last of the stores, but not around it.
            return (furthest <= address).then_some(places);
        }
        if registers.into_iter().any(|register| may_write(word, register)) {
            return None;
        }
        // Around the first of them.
        if stored != [false; N] && furthest > address {
            return None;
        }
    }
    None
}

/// `MOVD register, offset(RSP)`, or a pair of which it is one.
fn stores(word: u32, register: u32, offset: u32) -> bool {
    const STACK_POINTER: u32 = 31;
    if word >> 5 & 31 != STACK_POINTER {
        return false;
    }
    let (one, other) = (word & 31, word >> 10 & 31);
    let is_single = word & 0xffc0_0000 == 0xf900_0000 && one == register && 8 * (word >> 10 & 0xfff) == offset;
    // Seven bits, signed.
    let pair = 8 * (word >> 15 & 0x3f);
    let is_pair =
        word & 0xffe0_0000 == 0xa900_0000 && (one == register && pair == offset || other == register && pair + 8 == offset);
    is_single || is_pair
}

/// Whether the instruction might write the register. By the groups of "Arm Architecture Reference Manual", C4.1; of what Go's compiler
/// does not make before the first call of a function, the answer is yes.
fn may_write(word: u32, register: u32) -> bool {
    let (one, base, two, status) = (word & 31, word >> 5 & 31, word >> 10 & 31, word >> 16 & 31);
    let is = |number: u32| number == register;
    match word >> 25 & 15 {
        // With constants, and with registers, floating-point ones too.
        0b1000 | 0b1001 | 0b0101 | 0b1101 | 0b0111 | 0b1111 => is(one),
        // Branches, and what reads and writes the system's registers.
        0b1010 | 0b1011 => word >> 24 & 0xff == 0xd5 && is(one),
        // Loads and stores with an offset; pairs with one; one register with whatever else, which may move the address on; all others, which
        // may write the address, a status or what was there before.
        0b0100 | 0b0110 | 0b1100 | 0b1110 => match word >> 24 & 0x3b {
            0x39 => is(one) && word >> 22 & 3 != 0,
            0x29 if word >> 23 & 1 == 0 => word >> 22 & 1 == 1 && (is(one) || is(two)),
            0x38 => is(one) || word >> 10 & 1 == 1 && is(base),
            _ => [one, base, two, status].into_iter().any(is),
        },
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MOVD 16(g), R16; CMP R16, RSP; BLS +0x40`; then `rest`.
    fn spilled(rest: &[u32]) -> Option<[u32; 2]> {
        let words = [&[0xf940_0b90, 0xeb30_63ff, 0x5400_0209], rest].concat();
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        of(&code, (0x1000, 0x1008), [0, 1])
    }

    /// sub x20, sp, #0x100.
    const FRAME: u32 = 0xd104_03f4;
    /// str x0, [sp, #264]; str x1, [sp, #272]; both of them: stp x0, x1, [sp, #264].
    const FIRST: u32 = 0xf900_87e0;
    const SECOND: u32 = 0xf900_8be1;
    const BOTH: u32 = 0xa910_87e0;

    /// Of Go 1.27's `net/http/internal/http2.(*clientStream).encodeAndWriteHeaders`, up to the first call.
    #[test]
    fn behind_an_inlined_operation() {
        let code = [
            FRAME,
            0xa93f_fa9d,
            0x9100_029f,
            0xd100_23fd,
            0xf900_7bff,
            0x3901_0fff,
            0xa906_7fff,
            0xa940_0c02,
            0x3980_005b,
            0xf940_0804,
            0x9105_6045,
            0xd000_25bb,
            0x395d_db66,
            0x3600_00e6,
            0xb240_03e6,
            0x2a1f_03fb,
            0x88fb_fca6,
            0x6b1f_037f,
            0x9a9f_17e7,
            0x1400_0008,
            0xb240_03e6,
            0x885f_fcbb,
            0x6b1f_037f,
            0x5400_0061,
            0x881b_fca6,
            0xb5ff_ff9b,
            0x9a9f_17e7,
            FIRST,
            SECOND,
            0xf900_43e2,
        ];
        assert_eq!(spilled(&code), Some([264, 272]));
        assert_eq!(spilled(&[FRAME, BOTH]), Some([264, 272]));
        // str x30, [sp, #-160]!; stur x29, [sp, #-8]; sub x29, sp, #8; stp x0, x1, [sp, #168]
        assert_eq!(spilled(&[0xf816_0ffe, 0xf81f_83fd, 0xd100_23fd, 0xa90a_87e0]), Some([168, 176]));
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        for (what, words) in [
            ("one only", vec![FIRST, 0x9400_0000]),
            ("a call before", vec![0xd63f_0040, FIRST, SECOND]),
            ("a jump to anywhere", vec![0xd61f_0040, FIRST, SECOND]),
            // cbz x2, .+12; .+8
            ("a jump around both", vec![0xb400_0062, FIRST, SECOND]),
            ("a jump around the first", vec![0xb400_0042, FIRST, SECOND]),
            // mov x0, #1; ldr x1, [x2]; ldp x2, x0, [x3]; swpal x2, x1, [x3]; ldr x2, [x0], #8; stp x2, x4, [x0, #16]!;
            // mrs x0, nzcv
            ("X0 is another", vec![0xd280_0020, FIRST, SECOND]),
            ("X1 is another", vec![FIRST, 0xf940_0041, SECOND]),
            ("X0 of a pair", vec![0xa940_0062, FIRST, SECOND]),
            ("X1 is what was there", vec![0xf8e2_8061, FIRST, SECOND]),
            ("X0 is moved on", vec![0xf840_8402, FIRST, SECOND]),
            ("X0 is moved on by a pair", vec![0xa981_1002, FIRST, SECOND]),
            ("X0 is the flags", vec![0xd53b_4200, FIRST, SECOND]),
            // str x0, [sp, #256]; the other way round
            ("another place", vec![0xf900_83e0, SECOND]),
            ("changed places", vec![0xf900_87e1, 0xf900_8be0]),
        ] {
            assert_eq!(spilled(&[&[FRAME], words.as_slice()].concat()), None, "{what}");
        }
        assert_eq!(spilled(&[FIRST, SECOND]), None, "no frame");
        // ldr x3, [x0, #8]; str x1, [x2]; cbz x0 to the store; cmp x0, x1
        for plain in [0xf940_0403, 0xf900_0041, 0xb400_0020, 0xeb01_001f] {
            assert_eq!(spilled(&[FRAME, plain, BOTH]), Some([264, 272]), "{plain:#x}");
        }
    }
}
