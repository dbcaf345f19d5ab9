//! The same on arm64: the instruction behind the stack check, which makes the frame. One branch takes its place, so nobody leads between.
//!
//! It is one of two (`cmd/internal/obj/arm64/obj7.go`, `preprocess`, the same from Go 1.21 to 1.27): `MOVD.W R30, -n(RSP)`, where the
//! frame is small, or `SUB $n, RSP, R20`. Neither reads what a stack check may have left in R16, R17 and R27.

use super::super::super::VirtAddr;
use super::super::arm64;
use super::DetourSite;

/// Bytes of an instruction.
const SIZE: u64 = 4;

/// The instruction behind the stack check's branch at `check`; `None` where that makes no frame, or where the function jumps there.
pub(in super::super) fn site(code: &[u8], start: u64, check: u64) -> Option<DetourSite> {
    let address = check.checked_add(SIZE)?;
    let bytes = code.get(usize::try_from(address.checked_sub(start)?).ok()?..)?.first_chunk()?;
    arm64::frame(u32::from_le_bytes(*bytes))?;
    let is_entered = arm64::targets(code, start).any(|target| target == address);
    (!is_entered).then(|| DetourSite { address: VirtAddr(address), bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MOVD 16(g), R16; CMP R16, RSP; BLS +0x40`; then `rest`.
    fn found(rest: &[u32]) -> Option<DetourSite> {
        let words = [&[0xf940_0b90, 0xeb30_63ff, 0x5400_0209], rest].concat();
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        site(&code, 0x1000, 0x1008)
    }

    #[test]
    fn the_frame_is_what_a_detour_replaces() {
        // str x30, [sp, #-48]!; sub x20, sp, #0x100
        for frame in [0xf81d_0ffe_u32, 0xd104_03f4] {
            let bytes = frame.to_le_bytes().to_vec();
            assert_eq!(found(&[frame, 0xd503_201f]), Some(DetourSite { address: VirtAddr(0x100c), bytes }));
        }
    }

    #[test]
    fn what_makes_no_frame_or_is_jumped_to_is_refused() {
        // mov x0, #1; bl; adrp x0; ldr x0, [sp, #8]; str x29, [sp, #-48]!; str x30, [sp, #48]!; sub x20, x1, #0x100
        for word in [0xd280_0020, 0x9400_0000, 0x9000_0000, 0xf940_07e0, 0xf81d_0ffd, 0xf803_0ffe, 0xd104_0034] {
            assert_eq!(found(&[word]), None, "{word:#x}");
        }
        // b back to it; cbz x0 back to it.
        assert_eq!(found(&[0xf81d_0ffe, 0x17ff_ffff]), None);
        assert_eq!(found(&[0xf81d_0ffe, 0xb4ff_ffe0]), None);
        assert_eq!(found(&[]), None);
    }
}
