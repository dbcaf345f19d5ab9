//! arm64: the kernel simulates `RET` (`arch/arm64/kernel/probes/decode-insn.c`), so nothing is cheaper.

use super::{Base, Cost, EndClass, EndInstruction, Found, ResultLocation};

/// `RET (R30)`.
const RET: u32 = 0xd65f_03c0;

/// Each `RET`, with the results in R0 and up; why not, where the function may end otherwise.
pub(super) fn end_sites(code: &[u8], start: u64, results: usize) -> Result<Vec<Found>, &'static str> {
    let words = || (0..).zip(code.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)));
    let inside = |target: i64| (0..i64::try_from(code.len()).unwrap_or(i64::MAX)).contains(&target);
    // B: 26 bits, signed, in units of four bytes. BR: its target is not looked for.
    let leaves = |(index, word): (i64, u32)| {
        let jump = word & 0xfc00_0000 == 0x1400_0000;
        jump && !inside(index * 4 + i64::from((word << 6).cast_signed() >> 4))
    };
    if words().any(leaves) {
        return Err("it ends in another function, by a jump");
    }
    let numbers = 0..u8::try_from(results).unwrap_or(u8::MAX);
    let results: Vec<_> = numbers.map(|number| ResultLocation::direct(Base::Register(number), 0)).collect();
    let returns = words().filter(|&(_, word)| word == RET);
    Ok(returns
        .map(|(index, _)| {
            let address = start.wrapping_add_signed(index * 4);
            Found {
                ret: address,
                address,
                class: EndClass::Return,
                instruction: EndInstruction::Return,
                cost: Cost::Emulated,
                condition: None,
                guard: None,
                run: 0,
                may_panic: false,
                has_stored: false,
                results: results.clone(),
            }
        })
        .collect())
}
