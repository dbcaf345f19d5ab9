//! The executor of arm64, for the native engine alone: machine code, and branches that lead to it. By BPF nothing is written.

mod stub;

use super::{Detour, ExecutorError, Memory};
use crate::child::Stopped;

pub use stub::{MOST_BYTES, StubError};

/// The machine code of `detours`, for `address`, and what takes the place of each one's instruction. `slots` is where these are mapped.
///
/// # Errors
/// Where a branch does not reach.
pub(crate) fn code(
    detours: &[Detour],
    slots: u64,
    _stack_high: i32,
    address: u64,
) -> Result<(Vec<u8>, Vec<Vec<u8>>), ExecutorError> {
    let (mut code, mut branches) = (Vec::new(), Vec::new());
    for detour in detours {
        let entry = address + code.len() as u64;
        branches.push(stub::branch(detour, entry)?);
        code.extend(stub::assemble(detour, slots, entry)?);
        // The next one begins at a cache line.
        code.resize(code.len().next_multiple_of(64), stub::TRAP);
    }
    Ok((code, branches))
}

/// Refuses.
///
/// # Errors
/// Always.
pub fn place_into(
    _stopped: &mut Stopped<'_>,
    _syscall: u64,
    _memory: Memory<'_>,
    _stack_high: i32,
    _detours: &[Detour],
) -> Result<(), ExecutorError> {
    Err(ExecutorError::NoDetours)
}
