//! Where a function can be made to go through a thunk, arm64: one instruction is replaced by one branch, so nothing leads between.
//!
//! ```text
//! BL                            leads to the thunk                        probe; B callee
//! what is behind a stack check  B to the thunk                            probe; the instruction; B back
//! RET                           B to the thunk                            probe; RET
//! ```
//! What is moved must not fault and must not address anything relative to itself, as on amd64.

use super::super::super::VirtAddr;
use super::super::arm64;
use super::super::{Call, EntryKind};
use super::{AGAIN, NO_INSTRUCTION, NO_ROOM, Refused, Turn, UNKNOWN, Window};

/// Bytes of an instruction.
const SIZE: usize = 4;
/// `RET (R30)`.
const RET: u32 = 0xd65f_03c0;

/// A function's code.
#[derive(Clone, Copy)]
pub(in super::super::super) struct Windows<'c> {
    /// The code.
    pub(in super::super::super) code: &'c [u8],
    /// Its address.
    pub(in super::super::super) start: u64,
    /// What jumps through registers lead to is known of compiled code only: never to its beginning.
    pub(in super::super::super) is_assembly: bool,
}

impl Windows<'_> {
    /// The direct call at `call`.
    pub(in super::super::super) fn call(&self, call: VirtAddr) -> Result<Window, Refused> {
        let target = arm64::calls(self.code, self.start).find_map(|Call { site, target }| (site == call).then_some(target));
        let target = target.ok_or("it is no direct call")?;
        self.window(call, Turn::Call { target })
    }

    /// What is passed once for each call of the function, with all arguments in their places; where it `may_run_again`, after the stack
    /// has grown as well. `kind` is that of the entry at `entry`.
    pub(in super::super::super) fn entry(
        &self,
        entry: VirtAddr,
        kind: EntryKind,
        may_run_again: bool,
    ) -> Result<Window, Refused> {
        let first = match kind {
            // Behind the branch of the stack check.
            EntryKind::BranchNotTaken => VirtAddr(entry.0.saturating_add(SIZE as u64)),
            EntryKind::FirstOfLeaf | EntryKind::FirstInstruction => entry,
            EntryKind::PushFrame | EntryKind::Branch => return Err(NO_INSTRUCTION),
        };
        if !may_run_again && arm64::targets(self.code, self.start).any(|target| target == first.0) {
            return Err(AGAIN);
        }
        if self.is_assembly && arm64::has_indirect_branch(self.code) {
            return Err(UNKNOWN);
        }
        let window = self.window(first, Turn::Before)?;
        let word = self.word(first)?;
        if word == RET || arm64::may_be_moved(word) { Ok(window) } else { Err(NO_ROOM) }
    }

    /// The `RET` at `ret`.
    pub(in super::super::super) fn end(&self, ret: VirtAddr) -> Result<Window, Refused> {
        if self.word(ret)? == RET { self.window(ret, Turn::After) } else { Err("it returns otherwise than by RET") }
    }

    fn word(&self, address: VirtAddr) -> Result<u32, Refused> {
        self.bytes(address).map(u32::from_le_bytes)
    }

    fn bytes(&self, address: VirtAddr) -> Result<[u8; SIZE], Refused> {
        let at = address.0.checked_sub(self.start).and_then(|at| usize::try_from(at).ok()).ok_or(NO_INSTRUCTION)?;
        self.code.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(NO_INSTRUCTION)
    }

    fn window(&self, address: VirtAddr, turn: Turn) -> Result<Window, Refused> {
        Ok(Window { address, bytes: self.bytes(address)?.to_vec(), turn, stack: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stack check, frame, `BL +8`, `RET`, a call of `morestack`, `B` to the beginning.
    const FUNCTION: [u32; 8] =
        [0xf940_0b90, 0xeb30_63ff, 0x5400_0089, 0xf81e_0ffe, 0x9400_0002, 0xd65f_03c0, 0x9400_0100, 0x17ff_fff9];

    fn with<R>(words: &[u32], is_assembly: bool, use_windows: impl Fn(Windows<'_>) -> R) -> R {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        use_windows(Windows { code: &code, start: 0x1000, is_assembly })
    }

    #[test]
    fn one_instruction_each() {
        let check = EntryKind::BranchNotTaken;
        let entry = with(&FUNCTION, false, |windows| windows.entry(VirtAddr(0x1008), check, false)).unwrap();
        let bytes = 0xf81e_0ffe_u32.to_le_bytes().to_vec();
        assert_eq!(entry, Window { address: VirtAddr(0x100c), bytes, turn: Turn::Before, stack: 0 });
        let call = with(&FUNCTION, false, |windows| windows.call(VirtAddr(0x1010))).unwrap();
        assert_eq!((call.turn, call.bytes.len()), (Turn::Call { target: VirtAddr(0x1018) }, 4));
        let end = with(&FUNCTION, false, |windows| windows.end(VirtAddr(0x1014))).unwrap();
        assert_eq!((end.address, end.turn), (VirtAddr(0x1014), Turn::After));
        assert!(with(&FUNCTION, false, |windows| windows.call(VirtAddr(0x1014))).is_err());
        assert!(with(&FUNCTION, false, |windows| windows.end(VirtAddr(0x1010))).is_err());
        assert!(with(&FUNCTION, false, |windows| windows.end(VirtAddr(0x1020))).is_err());
        assert!(with(&FUNCTION, false, |windows| windows.end(VirtAddr(0xfff))).is_err());
    }

    #[test]
    fn what_runs_again_or_cannot_be_moved_is_refused() {
        let first = |words: &[u32], may_run_again: bool, is_assembly: bool| {
            with(words, is_assembly, |windows| windows.entry(VirtAddr(0x1000), EntryKind::FirstOfLeaf, may_run_again))
        };
        // B back to it.
        assert_eq!(first(&[0xf81e_0ffe, 0x17ff_ffff], false, false), Err(AGAIN));
        assert!(first(&[0xf81e_0ffe, 0x17ff_ffff], true, false).is_ok());
        // A return; BR X0 behind.
        assert!(first(&[RET], false, false).is_ok());
        assert!(first(&[0xd503_201f, 0xd61f_0000], false, false).is_ok());
        assert_eq!(first(&[0xd503_201f, 0xd61f_0000], false, true), Err(UNKNOWN));
        // ADRP; LDR literal; LDR [X0]; BL; SVC; UDF.
        for word in [0x9000_0000, 0x5800_0000, 0xf940_0000, 0x9400_0000, 0xd400_0001, 0] {
            assert_eq!(first(&[word], false, false), Err(NO_ROOM), "{word:#x}");
        }
        // MOVD $1, R0; ADD; SUB $48, RSP; STP to the stack; FMOVD; NOP.
        for word in [0xd280_0020, 0x8b01_0000, 0xd100_c3ff, 0xa9bf_7bfd, 0x1e60_4000, 0xd503_201f] {
            assert!(first(&[word], false, false).is_ok(), "{word:#x}");
        }
    }
}
