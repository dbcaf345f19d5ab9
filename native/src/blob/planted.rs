//! Faults that tests plant: what no body does, so that tests can see that the program goes on when one does. Only in a blob that
//! is built for tests.

use core::hint::black_box;
use core::sync::atomic::Ordering;

use bpf::target::Memory as _;
use native::configuration::planted;

use super::entry::Frame;
use super::machine::{counter, load_anywhere};
use super::memory::OwnMemory;
use super::{configuration, state};

/// In one of so many hits something goes wrong.
const RARE: u64 = 64;
/// Wild reads in each hit.
const WILD: u64 = 30;
/// Counts of the processor's counter: some 20 microseconds.
const LONG: u64 = if cfg!(target_arch = "aarch64") { 1_250 } else { 50_000 };

/// At the beginning of a hit. Not before the first operation, as bodies read nothing then: Go has no handlers for signals at the very
/// beginning.
pub(super) fn in_hit(frame: *const Frame) {
    if state().seeds.load(Ordering::Relaxed) == 0 {
        return;
    }
    match configuration().planted {
        planted::WILD => wild(),
        planted::PANIC if is_turn() => panic!(),
        planted::NULL if is_turn() => null(),
        planted::SPIN => spin(frame),
        _ => {}
    }
}

/// While scratch memory is taken.
pub(super) fn with_scratch() {
    assert!(configuration().planted != planted::SCRATCH || !is_turn());
}

/// While a record is reserved.
pub(super) fn reserved() {
    assert!(configuration().planted != planted::RESERVED || !is_turn());
}

/// The counter, mixed (splitmix64, <https://prng.di.unimi.it>).
fn random() -> u64 {
    let mut mixed = counter().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn is_turn() -> bool {
    random().is_multiple_of(RARE)
}

/// Every kind of address with every way of reading.
fn wild() {
    const USER: u64 = 0x7fff_ffff_ffff;
    for turn in 0..WILD {
        let random = random();
        let address = match turn % 6 {
            0 => random % 16,
            1 => random % 65_536,
            2 => random,
            // Neither half.
            3 => random & USER | 0x5a5a << 48,
            // The kernel's.
            4 => random | !USER,
            // Between what is mapped, nearly always.
            _ => random & USER,
        };
        match turn % 5 {
            0 => _ = black_box(OwnMemory.read::<u64>(address)),
            1 => _ = black_box(OwnMemory.read_or_zero::<u32>(address)),
            2 => _ = black_box(OwnMemory.read::<[u64; 5]>(address)),
            3 => _ = black_box(OwnMemory.read_prefix(address, 27, &mut [0_u64; 4])),
            _ => _ = black_box(OwnMemory.read_bytes(address, 7, &mut [0_u8; 16])),
        }
    }
}

/// A load with no entry in the table of faults.
fn null() {
    // SAFETY: it does not return from the fault: the hit is left.
    unsafe { load_anywhere(0) };
}

/// Asks for the time again and again: signals arrive in the vDSO, too, where the kernel's function tells it.
fn spin(frame: *const Frame) {
    let begin = counter();
    while counter().wrapping_sub(begin) < LONG {
        black_box(super::time::now(frame));
    }
}
