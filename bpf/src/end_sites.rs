//! A BPF object for tests: counts the hits at ends of functions and adds up what was returned, by the number of the recipe.
//!
//! It is not part of the launcher: only `launcher/tests/end_sites.rs` loads it.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[path = "kernel/mod.rs"]
#[expect(dead_code, reason = "the probes of the launcher use the rest")]
mod kernel;

#[cfg(target_arch = "bpf")]
mod entry_points {
    use aya_ebpf::EbpfContext as _;
    use aya_ebpf::macros::{map, uprobe};
    use aya_ebpf::maps::Array;
    use aya_ebpf::programs::ProbeContext;
    use bpf::config::MAX_RESULTS;
    use bpf::go::results;
    use bpf::target::Target as _;

    use crate::kernel::Hit;

    /// As many as the test attaches at once.
    const SITES: usize = 1024;

    /// For each recipe the hits that count, and the sum of each result.
    #[map(name = "TALLY")]
    static TALLY: Array<[u64; 1 + MAX_RESULTS]> = Array::with_max_entries(SITES as u32, 0);

    #[uprobe(multi)]
    fn tally(context: ProbeContext) -> u32 {
        let _counted = count(&Hit::new(context.as_ptr()));
        0
    }

    #[inline(always)]
    fn count(hit: &Hit) -> Option<()> {
        let number = hit.cookie().recipe;
        let results: [u64; MAX_RESULTS] = results::read(hit, hit.recipe(number)?)?;
        let sums = TALLY.get_ptr_mut(number)?.cast::<u64>();
        add(sums, 1);
        for (number, result) in (1..).zip(results) {
            // SAFETY: the map's value has one word more than there are results.
            add(unsafe { sums.add(number) }, result);
        }
        Some(())
    }

    /// Adds to a word of a map.
    #[inline(always)]
    fn add(word: *mut u64, amount: u64) {
        // SAFETY: the word is valid and aligned for 8 bytes; the instruction only adds to it, atomically.
        unsafe { core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) word, in(reg) amount) };
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }

    /// Several helpers are for GPL-compatible programs only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 4] = *b"GPL\0";
}
