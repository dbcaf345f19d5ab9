//! There are no detours that write for this architecture; then none are planned.

use std::os::fd::BorrowedFd;

use super::{Detour, ExecutorError};
use crate::child::Stopped;

/// An upper bound of a detour's size.
pub const MOST_BYTES: usize = 0;

/// Refuses.
///
/// # Errors
/// Always.
pub fn place_into(
    _stopped: &mut Stopped<'_>,
    _syscall: u64,
    _slots: BorrowedFd<'_>,
    _stack_high: i32,
    _detours: &[Detour],
) -> Result<(), ExecutorError> {
    Err(ExecutorError::NoDetours)
}

/// Refuses.
///
/// # Errors
/// Always.
pub(crate) fn code(
    _detours: &[Detour],
    _slots: u64,
    _stack_high: i32,
    _address: u64,
) -> Result<(Vec<u8>, Vec<Vec<u8>>), ExecutorError> {
    Err(ExecutorError::NoDetours)
}
