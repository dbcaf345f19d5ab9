//! The code in the program.

/// An entry of the table of faults: if the first label faults, the second is where it goes on.
macro_rules! fault {
    ($faulting:literal, $landing:literal) => {
        concat!(".pushsection .faults, \"a\"\n", ".long ", $faulting, " - .\n", ".long ", $landing, " - .\n", ".popsection")
    };
}

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(target_arch = "aarch64")]
mod arm64;
mod entry;
mod hit;
mod lookup;
mod memory;
mod output;
#[cfg(feature = "planted")]
mod planted;
mod random;
mod signals;
mod target;
mod time;

#[cfg(target_arch = "x86_64")]
use amd64 as machine;
#[cfg(target_arch = "aarch64")]
use arm64 as machine;
pub(crate) use machine::abort;

use native::configuration::Configuration;
use native::control::Control;
use native::ring::{RING_BYTES, Ring};
use native::state::State;

unsafe extern "C" {
    /// Behind the code (`blob.ld`); the launcher fills it in before the program runs.
    static CONFIGURATION: Configuration;
}

/// What the launcher has said.
#[inline(always)]
fn configuration() -> &'static Configuration {
    // SAFETY: the launcher has put a configuration there, which nobody writes to while the program runs.
    unsafe { &CONFIGURATION }
}

/// What is remembered between hits.
#[inline(always)]
fn state() -> &'static State {
    // SAFETY: the launcher has mapped so much there, all zero, for as long as the program runs; it changes by atomic and shared words
    // only.
    unsafe { &*(configuration().state as *const State) }
}

/// The head of the memory that is shared with the launcher.
#[inline(always)]
fn control() -> &'static Control {
    // SAFETY: as above.
    unsafe { &*(configuration().control as *const Control) }
}

/// The ring.
#[inline(always)]
fn ring() -> Ring<'static> {
    // SAFETY: the launcher has mapped it there, twice in a row, for as long as the program runs.
    unsafe { Ring::new(control(), configuration().ring as *const _, RING_BYTES) }
}

/// The elements of a part of the configuration.
#[inline(always)]
fn part<T>(part: native::configuration::Part) -> &'static [T] {
    let first = core::ptr::from_ref(configuration()).cast::<u8>();
    // SAFETY: the launcher has put so many elements there, aligned, and nobody writes to them.
    unsafe { core::slice::from_raw_parts(first.add(part.offset as usize).cast(), part.count as usize) }
}
