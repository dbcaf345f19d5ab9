//! The fault that a test plants: what the environment variable [`VARIABLE`] names. Only in builds with debug assertions, which have a second
//! code for it; a release knows nothing of this.

use std::io;

use native::configuration::planted as number;

/// Names the fault: `wild`, `panic`, `reserved`, `scratch`, `null` or `spin` in the code
/// ([`native::configuration::planted`]); `patch=N`: the place with this number, from 0 on, cannot be replaced; `vdso`: the time stamp
/// counter is not trusted.
const VARIABLE: &str = "GO_AUTO_LAUNCH_PLANTED";

/// The code with faults (`native/src/blob/planted.rs`).
pub(super) static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/planted.bin"));

fn variable() -> String {
    std::env::var(VARIABLE).unwrap_or_default()
}

/// The number of the fault in the code, [`native::configuration::Configuration::planted`]; 0 where there is none.
pub(super) fn in_code() -> u64 {
    match variable().as_str() {
        "wild" => number::WILD,
        "panic" => number::PANIC,
        "reserved" => number::RESERVED,
        "scratch" => number::SCRATCH,
        "null" => number::NULL,
        "spin" => number::SPIN,
        _ => 0,
    }
}

/// Whether the time stamp counter is not to be trusted.
pub(super) fn distrusts_counter() -> bool {
    variable() == "vdso"
}

/// Fails where the place with this number is not to be replaced.
pub(super) fn at_patch(replaced: usize) -> io::Result<()> {
    match variable().strip_prefix("patch=").map(str::parse::<usize>) {
        Some(Ok(planted)) if replaced == planted => Err(io::Error::other("a test wants it so")),
        Some(Ok(_) | Err(_)) | None => Ok(()),
    }
}
