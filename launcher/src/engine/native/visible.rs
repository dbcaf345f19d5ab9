//! Code that was written as data, made visible to what fetches instructions. A processor of x86-64 sees to that itself.

/// Makes `length` bytes at `begin` visible, on all processors: the data cache is written back, and what the instruction caches have of it
/// is forgotten. The program sees other addresses of the same memory; where that matters the kernel sees to it when it maps them
/// (`__sync_icache_dcache`, `arch/arm64/mm/flush.c`).
#[cfg(target_arch = "aarch64")]
pub(super) fn make_visible(begin: *const u8, length: usize) {
    use std::arch::asm;
    let caches: u64;
    // SAFETY: the kernel lets programs read the register, or reads it for them.
    unsafe { asm!("mrs {caches}, ctr_el0", caches = out(reg) caches, options(nomem, nostack, preserves_flags)) };
    // The smallest lines of both kinds of caches, as logarithms of words ("Arm Architecture Reference Manual", CTR_EL0).
    let line = |shift: u32| 4_usize << (caches >> shift & 15);
    let end = begin.addr().saturating_add(length);
    let lines = |size: usize| (begin.addr() & !(size - 1)..end).step_by(size);
    for address in lines(line(16)) {
        // SAFETY: writes back a line of memory that is mapped; no value changes.
        unsafe { asm!("dc cvau, {address}", address = in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for address in lines(line(0)) {
        // SAFETY: forgets what was fetched of memory that is mapped.
        unsafe { asm!("ic ivau, {address}", address = in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Nothing is to be done.
#[cfg(not(target_arch = "aarch64"))]
pub(super) fn make_visible(_begin: *const u8, _length: usize) {}
