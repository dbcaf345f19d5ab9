//! The fault that a test plants: what the environment variable [`VARIABLE`] names. Only in builds with debug assertions, which have a second
//! code for it; a release knows nothing of this.

use std::io;

use native::configuration::planted as number;

/// Names the fault: `wild`, `panic`, `reserved`, `scratch`, `null` or `spin` in the code
/// ([`native::configuration::planted`]); `patch=N`: the place with this number, from 0 on, cannot be replaced; `vdso`: the time stamp
/// counter is not trusted. Several are parted by commas.
const VARIABLE: &str = "GO_AUTO_LAUNCH_PLANTED";

/// The code with faults (`native/src/blob/planted.rs`).
pub(super) static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/planted.bin"));

/// The first that `which` takes of what the variable names.
fn first<F>(which: impl Fn(&str) -> Option<F>) -> Option<F> {
    std::env::var(VARIABLE).ok()?.split(',').find_map(which)
}

/// The number of the fault in the code, [`native::configuration::Configuration::planted`]; 0 where there is none.
pub(super) fn in_code() -> u64 {
    let number = |name: &str| match name {
        "wild" => Some(number::WILD),
        "panic" => Some(number::PANIC),
        "reserved" => Some(number::RESERVED),
        "scratch" => Some(number::SCRATCH),
        "null" => Some(number::NULL),
        "spin" => Some(number::SPIN),
        _ => None,
    };
    first(number).unwrap_or(0)
}

/// Whether the time stamp counter is not to be trusted.
pub(super) fn distrusts_counter() -> bool {
    first(|name| (name == "vdso").then_some(())).is_some()
}

/// Fails where the place with this number is not to be replaced.
pub(super) fn at_patch(replaced: usize) -> io::Result<()> {
    let planted = first(|name| name.strip_prefix("patch=")?.parse::<usize>().ok());
    if planted == Some(replaced) { Err(io::Error::other("a test wants it so")) } else { Ok(()) }
}
