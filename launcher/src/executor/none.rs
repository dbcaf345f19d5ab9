//! There is no write executor for this architecture yet; then no detours are planned.

use std::os::fd::BorrowedFd;

use thiserror::Error;

use super::Detour;
use crate::child::Stopped;

/// Why the program cannot be made to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no write executor for this architecture")]
pub struct ExecutorError;

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
    Err(ExecutorError)
}
