//! Random numbers for ids and the sampler.

use core::sync::atomic::Ordering;

use super::{configuration, state};

/// Of a secret of this launch and a number that is never used again (splitmix64, <https://prng.di.unimi.it>).
pub(super) fn next() -> u32 {
    let number = state().seeds.fetch_add(1, Ordering::Relaxed);
    let mut mixed = configuration().seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ mixed >> 31) >> 32) as u32
}
