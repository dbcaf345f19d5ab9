//! The instructions of a thunk, and what leads to it. arm64.

use super::super::patches;
use super::{CodeError, Places, Shared};
use crate::arm64::instructions::{RET, constant, copy};
use crate::arm64::{Assembler, Branch, OutOfReach, Register};
use crate::binary::Turn;

/// Four of them are `UDF $0`: what must not be executed.
pub(in super::super) const TRAP: u8 = 0;

/// Gets the number of a hit, and …
const NUMBER: Register = Register(16);
/// … keeps the program's return address: neither holds anything at these places.
const KEPT: Register = Register(17);
const LINK: Register = Register(30);

/// `BL` or `B`.
pub(in super::super) fn leading(branch: patches::Branch, address: u64, to: u64) -> Option<Vec<u8>> {
    let branch = match branch {
        patches::Branch::Call => Branch::Call,
        patches::Branch::Jump => Branch::Always,
    };
    Some(branch.word(address, to)?.to_le_bytes().to_vec())
}

impl From<OutOfReach> for CodeError {
    fn from(OutOfReach(address): OutOfReach) -> Self {
        Self::OutOfReach(address)
    }
}

/// Runs the bodies. Flags stay, and all registers but R16 and R17.
fn hits(code: &mut Assembler, numbers: &[u32], places: Places) -> Result<(), CodeError> {
    for number in numbers {
        let short = u16::try_from(*number).map_err(|_too_large| CodeError::NoNumber(*number))?;
        code.extend([copy(KEPT, LINK), constant(NUMBER, short)]);
        code.leave(Branch::Call, places.common)?;
        code.push(copy(LINK, KEPT));
    }
    Ok(())
}

/// The code of one thunk, which begins at `begin`.
pub(super) fn thunk(shared: &Shared<'_>, places: Places, then: Option<u64>, begin: u64) -> Result<Vec<u8>, CodeError> {
    let Shared { window, function: _, before, behind } = shared;
    let mut code = Assembler::new(begin);
    hits(&mut code, before, places)?;
    if let Turn::Call { target } = window.turn {
        code.leave(Branch::Always, target.0.wrapping_add(places.load_bias))?;
    } else if let Some(then) = then {
        code.leave(Branch::Always, then)?;
    } else if window.bytes == RET.to_le_bytes() {
        hits(&mut code, behind, places)?;
        code.push(RET);
    } else {
        code.extend(window.bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)));
        hits(&mut code, behind, places)?;
        code.leave(Branch::Always, window.end().0.wrapping_add(places.load_bias))?;
    }
    Ok(code.assemble()?)
}

#[cfg(test)]
mod tests {
    use super::super::Places;
    use super::*;
    use crate::binary::{VirtAddr, Window};

    const BIAS: u64 = 0x5000_0000;
    const BEGIN: u64 = 0x5400_0000;
    const PLACES: Places = Places { load_bias: BIAS, common: 0x5401_0000 };

    fn of(bytes: u32, turn: Turn, before: &[u32], behind: &[u32]) -> Vec<u32> {
        let window = Window { address: VirtAddr(0x1004), bytes: bytes.to_le_bytes().to_vec(), turn, stack: 0 };
        let shared = Shared { window: &window, function: "f", before: before.to_vec(), behind: behind.to_vec() };
        let code = thunk(&shared, PLACES, None, BEGIN).unwrap();
        code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }

    /// Where a `B` or `BL` leads that is the instruction with this index of a thunk.
    fn target(word: u32, index: u64) -> u64 {
        (BEGIN + 4 * index).wrapping_add_signed(i64::from((word << 6).cast_signed() >> 4))
    }

    #[track_caller]
    fn assert_hit(words: &[u32], index: usize, number: u32) {
        let [save, load, call, restore] = words[index..index + 4] else { panic!("{words:x?}") };
        // mov x17, x30; mov x16, #number; bl common; mov x30, x17
        assert_eq!((save, load, call >> 26, restore), (0xaa1e_03f1, 0xd280_0010 + (number << 5), 0x25, 0xaa11_03fe));
        assert_eq!(target(call, index as u64 + 2), PLACES.common);
    }

    #[test]
    fn a_call_goes_on_to_its_callee() {
        let words = of(0x9400_0002, Turn::Call { target: VirtAddr(0x2000) }, &[7], &[]);
        assert_hit(&words, 0, 7);
        assert_eq!((words.len(), words[4] >> 26, target(words[4], 4)), (5, 5, BIAS + 0x2000));
    }

    #[test]
    fn a_start_goes_back() {
        // str x30, [sp, #-32]!
        let words = of(0xf81e_0ffe, Turn::Before, &[1, 0xffff], &[]);
        assert_hit(&words, 0, 1);
        assert_hit(&words, 4, 0xffff);
        assert_eq!((words.len(), words[8], target(words[9], 9)), (10, 0xf81e_0ffe, BIAS + 0x1008));
    }

    #[test]
    fn an_end_returns_behind_its_hits() {
        let words = of(RET, Turn::After, &[1], &[2]);
        assert_hit(&words, 0, 1);
        assert_hit(&words, 4, 2);
        assert_eq!(words[8..], [RET]);
        // What fills up is `UDF $0`.
        assert_eq!([TRAP; 4], 0_u32.to_le_bytes());
    }

    #[test]
    fn branches_reach_128_mib() {
        let far = 1 << 27;
        assert_eq!(leading(patches::Branch::Call, 0x1000, 0x1008).unwrap(), 0x9400_0002_u32.to_le_bytes());
        assert_eq!(leading(patches::Branch::Jump, 0x1008, 0x1000).unwrap(), 0x17ff_fffe_u32.to_le_bytes());
        assert!(leading(patches::Branch::Jump, 0, far - 4).is_some() && leading(patches::Branch::Jump, 0, far).is_none());
        assert!(leading(patches::Branch::Jump, far, 0).is_some() && leading(patches::Branch::Jump, far + 4, 0).is_none());
        assert_eq!(leading(patches::Branch::Jump, 0, 2), None);
        let window = Window { address: VirtAddr(0), bytes: vec![0; 4], turn: Turn::Before, stack: 0 };
        let shared = |before| Shared { window: &window, function: "f", before, behind: Vec::new() };
        assert!(matches!(thunk(&shared(vec![1 << 16]), PLACES, None, BEGIN), Err(CodeError::NoNumber(_))));
        assert!(matches!(thunk(&shared(vec![1]), PLACES, None, 0), Err(CodeError::OutOfReach(_))));
    }
}
