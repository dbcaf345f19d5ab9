//! The executor of x86-64: the process's own system calls, machine code, jumps.

mod place;
pub(crate) mod process;
mod share;
mod stub;

use std::io;
use std::os::fd::BorrowedFd;

use thiserror::Error;

use super::Detour;
use crate::child::Stopped;

pub use place::place;
pub use share::Offer;
pub use stub::{MOST_BYTES, Places, Stub, StubError};

/// Why the program cannot be made to write.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// No machine code can be made for these sites.
    #[error(transparent)]
    Stub(#[from] StubError),
    /// The memory that is shared with BPF could not be handed over.
    #[error("the slots could not be handed to the program ({0})")]
    Share(#[source] io::Error),
    /// A system call in the program's name failed.
    #[error("{call} in the program's name failed ({source})")]
    Call {
        /// The call.
        call: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// System calls in the program's name would be judged by it, and may end the program.
    #[error("the program has a seccomp filter that the launcher has not, or /proc does not tell")]
    Filtered,
    /// The program's code in memory is not that of its file.
    #[error("the code at {address:#x} is not that of the file")]
    Unexpected {
        /// Where.
        address: u64,
    },
}

/// Makes the held program write what BPF puts into the map `slots` when it comes to one of `detours`. `syscall` is the
/// address of a `SYSCALL` instruction in it, `stack_high` the offset of `runtime.g.stack.hi`.
///
/// # Errors
/// Where something is not as expected; the program's code is as it was then.
pub fn place_into(
    stopped: &mut Stopped<'_>,
    syscall: u64,
    slots: BorrowedFd<'_>,
    stack_high: i32,
    detours: &[Detour],
) -> Result<(), ExecutorError> {
    if !stopped.is_unfiltered() {
        return Err(ExecutorError::Filtered);
    }
    let pid = stopped.pid().as_raw().cast_unsigned();
    let mut injector = stopped.inject(syscall).map_err(|source| ExecutorError::Call { call: "execve", source })?;
    place(&mut injector, pid, slots, stack_high, detours)
}
