//! arm64. The Go prologue is: stack check (`MOVD 16(g), R16; CMP R16, RSP`, or a longer form in R17 and R27; `BLS`), then
//! the frame. The kernel simulates branches; loads and stores are single-stepped on most kernels.

use super::super::VirtAddr;
use super::super::bytes::u32_at;
use super::{Call, Cost, EntryKind, Site};

/// The longest stack check has fewer instructions than this.
const MAX_PROLOGUE: usize = 10;
/// Destinations that a stack check may write: R16, R17, R27, and the zero register (a comparison).
const SCRATCH: [u32; 4] = [16, 17, 27, 31];
/// Condition codes `LO` (unsigned lower) and `LS` (unsigned lower or same).
const LOWER: u32 = 3;
const LOWER_OR_SAME: u32 = 9;

/// Chooses the stack check's `B.LS`, else the beginning.
pub(super) fn entry_site(code: &[u8], start: u64) -> Option<Site> {
    for (address, word) in words(code, start).take(MAX_PROLOGUE) {
        match conditional_branch(word) {
            Some(LOWER_OR_SAME) => {
                return Some(Site { address, kind: EntryKind::BranchNotTaken, cost: Cost::Emulated });
            }
            Some(LOWER) => {}
            None if is_plain(word) && SCRATCH.contains(&(word & 31)) => {}
            _ => break,
        }
    }
    let runs_again = words(code, start).any(|(address, word)| branch_target(address, word) == Some(start));
    let kind = if runs_again { EntryKind::FirstInstruction } else { EntryKind::FirstOfLeaf };
    Some(Site { address: start, kind, cost: cost_of_first(code)? })
}

/// Where a direct branch leads that is no call.
pub(super) fn branch_target(address: u64, word: u32) -> Option<u64> {
    // The distance in instructions: this many bits from this one on.
    let (bits, first) = match word {
        _ if word & 0xfc00_0000 == 0x1400_0000 => (26, 0), // B
        _ if conditional_branch(word).is_some() || word & 0x7e00_0000 == 0x3400_0000 => (19, 5), // B.cond, CBZ, CBNZ
        _ if word & 0x7e00_0000 == 0x3600_0000 => (14, 5), // TBZ, TBNZ
        _ => return None,
    };
    let distance = (word >> first << (32 - bits)).cast_signed() >> (32 - bits);
    Some(address.wrapping_add_signed(4 * i64::from(distance)))
}

/// Where the direct branches lead that are no calls.
pub(super) fn targets(code: &[u8], start: u64) -> impl Iterator<Item = u64> {
    words(code, start).filter_map(|(address, word)| branch_target(address, word))
}

/// Whether there is a `BR`: a jump to an address in a register.
pub(super) fn has_indirect_branch(code: &[u8]) -> bool {
    words(code, 0).any(|(_, word)| is_indirect_branch(word))
}

/// Whether it is one.
pub(super) fn is_indirect_branch(word: u32) -> bool {
    word & 0xffff_fc1f == 0xd61f_0000
}

/// Whether the instruction does the same at any other address, goes on to the next one, and reads and writes no memory but the stack,
/// which is always there. By the groups of "Arm Architecture Reference Manual", C4.1.
pub(super) fn may_be_moved(word: u32) -> bool {
    const NOP: u32 = 0xd503_201f;
    const STACK_POINTER: u32 = 31;
    match word >> 25 & 15 {
        // With constants, but for ADR and ADRP.
        0b1000 | 0b1001 => word & 0x1f00_0000 != 0x1000_0000,
        // With registers, floating-point ones too.
        0b0101 | 0b1101 | 0b0111 | 0b1111 => true,
        // Loads and stores, but for those relative to the program counter.
        0b0100 | 0b0110 | 0b1100 | 0b1110 => word & 0x3b00_0000 != 0x1800_0000 && word >> 5 & 31 == STACK_POINTER,
        _ => word == NOP,
    }
}

/// Calls of functions whose address is put into a register right before: `ADRP`, `ADD` or `ADR`, then `BLR`.
pub(super) fn register_calls(code: &[u8], start: u64) -> impl Iterator<Item = Call> {
    let words: Vec<(u64, u32)> = words(code, start).collect();
    let call = |three: &[(u64, u32); 3]| {
        let [(page_at, page), (offset_at, offset), (site, call)] = *three;
        let register = call >> 5 & 31;
        let target = address_of(register, (page_at, page), (offset_at, offset)).filter(|_| call & 0xffff_fc1f == 0xd63f_0000)?;
        Some(Call { site: VirtAddr(site), target: VirtAddr(target) })
    };
    words.array_windows().filter_map(call).collect::<Vec<_>>().into_iter()
}

/// What two instructions put into `register`: an address.
fn address_of(register: u32, (page_at, page): (u64, u32), (offset_at, offset): (u64, u32)) -> Option<u64> {
    // 21 bits, signed: the upper 19 from the fifth on, the lower two from the 29th on.
    let distance = |word: u32| i64::from((((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3) << 11).cast_signed() >> 11);
    if offset & 0x9f00_001f == 0x1000_0000 | register {
        return Some(offset_at.wrapping_add_signed(distance(offset)));
    }
    let is_page = page & 0x9f00_001f == 0x9000_0000 | register;
    let is_offset = offset & 0xffc0_03ff == 0x9100_0000 | register << 5 | register;
    (is_page && is_offset).then(|| {
        let page = (page_at & !0xfff).wrapping_add_signed(distance(page) << 12);
        page.wrapping_add(u64::from(offset >> 10 & 0xfff))
    })
}

/// Instructions and their addresses.
pub(super) fn words(code: &[u8], start: u64) -> impl Iterator<Item = (u64, u32)> {
    let words = code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
    (0..).map(move |index: u64| start.wrapping_add(4 * index)).zip(words)
}

/// The condition of `B.cond`.
fn conditional_branch(word: u32) -> Option<u32> {
    (word & 0xff00_0010 == 0x5400_0000).then_some(word & 15)
}

/// An addition, subtraction, comparison, move of a constant, or a 64-bit load with an unsigned offset: what a stack check
/// consists of, all with the destination in the low five bits.
fn is_plain(word: u32) -> bool {
    let immediate_arithmetic = word & 0x1f00_0000 == 0x1100_0000;
    let register_arithmetic = word & 0x1f00_0000 == 0x0b00_0000;
    let move_wide = word & 0x1f80_0000 == 0x1280_0000;
    let load = word & 0xffc0_0000 == 0xf940_0000;
    immediate_arithmetic || register_arithmetic || move_wide || load
}

/// As `arch/arm64/kernel/probes/decode-insn.c` decides: branches, calls, returns and PC-relative addresses are simulated.
pub(super) fn cost_of_first(code: &[u8]) -> Option<Cost> {
    let word = u32_at(code, 0)?;
    let simulated = conditional_branch(word).is_some()
        || word & 0x7c00_0000 == 0x1400_0000 // B, BL
        || word & 0x7e00_0000 == 0x3400_0000 // CBZ, CBNZ
        || word & 0x7e00_0000 == 0x3600_0000 // TBZ, TBNZ
        || word & 0xff9f_fc1f == 0xd61f_0000 // BR, BLR, RET
        || word & 0x1f00_0000 == 0x1000_0000; // ADR, ADRP
    Some(if simulated { Cost::Emulated } else { Cost::SingleStep })
}

/// How large a frame the instruction makes: `MOVD.W R30, -n(RSP)` or `SUB $n, RSP, R20` (`cmd/internal/obj/arm64/obj7.go`).
pub(super) fn frame(word: u32) -> Option<u32> {
    if word & 0xfff0_0fff == 0xf810_0ffe {
        // Nine bits, which are negative.
        return Some(0x200 - (word >> 12 & 0x1ff));
    }
    (word & 0xffc0_03ff == 0xd100_03f4).then_some(word >> 10 & 0xfff)
}

/// Whether it is `BL` or `BLR`.
pub(super) fn is_call(word: u32) -> bool {
    word & 0xfc00_0000 == 0x9400_0000 || word & 0xffff_fc1f == 0xd63f_0000
}

/// The `BL` instructions in the order of addresses.
pub(super) fn calls(code: &[u8], start: u64) -> impl Iterator<Item = Call> {
    words(code, start).filter(|(_, word)| word & 0xfc00_0000 == 0x9400_0000).map(|(site, word)| {
        // 26 bits, signed, in units of four bytes.
        let distance = i64::from((word << 6).cast_signed() >> 4);
        Call { site: VirtAddr(site), target: VirtAddr(site.wrapping_add_signed(distance)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn the_branch_of_the_stack_check() {
        // LDR x16, [x28, #16]; CMP sp, x16; B.LS +0x40; STR x30, [sp, #-32]!
        let site = entry_site(&code(&[0xf940_0b90, 0xeb30_63ff, 0x5400_0209, 0xf81e_0ffe]), 0x1000).unwrap();
        assert_eq!(site, Site { address: 0x1008, kind: EntryKind::BranchNotTaken, cost: Cost::Emulated });
    }

    #[test]
    fn the_first_instruction_without_a_stack_check() {
        let site = entry_site(&code(&[0xf81e_0ffe, 0xd65f_03c0]), 0x1000).unwrap();
        assert_eq!(site, Site { address: 0x1000, kind: EntryKind::FirstOfLeaf, cost: Cost::SingleStep });
        // B, CBZ X0, TBZ X0: back to it.
        for back in [0x17ff_ffff, 0xb4ff_ffe0, 0x3607_ffe0] {
            let site = entry_site(&code(&[0xf81e_0ffe, back, 0xd65f_03c0]), 0x1000).unwrap();
            assert_eq!(site.kind, EntryKind::FirstInstruction, "{back:#x}");
        }
        assert_eq!(entry_site(&[], 0), None);
    }

    #[test]
    fn calls_through_a_register() {
        // Of Go 1.27's runtime.sigtramp: ADRP -163840(PC), R3; ADD $3920, R3, R3; CALL (R3).
        let direct = [0xb980_0be0, 0x90ff_fec3, 0x913d_4063, 0xd63f_0060];
        let found: Vec<_> = register_calls(&code(&direct), 0x9_5b34).map(|call| (call.site.0, call.target.0)).collect();
        assert_eq!(found, [(0x9_5b40, 0x6_df50)]);
        // NOP; ADR -8, R3; CALL (R3).
        let relaxed = [0xd503_201f, 0x10ff_ffc3, 0xd63f_0060];
        let found: Vec<_> = register_calls(&code(&relaxed), 0x1000).map(|call| (call.site.0, call.target.0)).collect();
        assert_eq!(found, [(0x1008, 0xffc)]);
        // Another register; a pointer that is read.
        assert_eq!(register_calls(&code(&[0x90ff_fec3, 0x913d_4063, 0xd63f_0080]), 0).next(), None);
        assert_eq!(register_calls(&code(&[0x90ff_fec3, 0xf940_0063, 0xd63f_0060]), 0).next(), None);
    }

    #[test]
    fn calls_forwards_and_backwards() {
        let code = code(&[0x9400_0002, 0xd503_201f, 0x97ff_fffe]);
        let found: Vec<_> = calls(&code, 0x100).map(|call| (call.site.0, call.target.0)).collect();
        assert_eq!(found, [(0x100, 0x108), (0x108, 0x100)]);
    }
}
