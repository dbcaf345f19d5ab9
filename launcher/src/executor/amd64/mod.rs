//! The executor of x86-64: the process's own system calls, machine code, jumps.

mod place;
mod stub;

use super::{Detour, ExecutorError, Memory};
use crate::child::Stopped;

pub use place::place;
pub use stub::{MOST_BYTES, Places, Stub, StubError};

/// The machine code of `detours`, for `address`, and what takes the place of each one's instructions. `slots` is where these are mapped.
///
/// # Errors
/// Where a jump does not reach.
pub(crate) fn code(
    detours: &[Detour],
    slots: u64,
    stack_high: i32,
    address: u64,
) -> Result<(Vec<u8>, Vec<Vec<u8>>), ExecutorError> {
    let stub = Stub::assemble(detours, Places { slots, stack_high }, address)?;
    let jump = |(detour, entry): (&Detour, &u64)| {
        Stub::jump(detour, *entry).ok_or(ExecutorError::Unexpected { address: detour.address })
    };
    let jumps = detours.iter().zip(&stub.entries).map(jump).collect::<Result<_, _>>()?;
    Ok((stub.code, jumps))
}

/// Makes the held program write what BPF puts into the maps when it comes to one of `detours`. `syscall` is the
/// address of a `SYSCALL` instruction in it, `stack_high` the offset of `runtime.g.stack.hi`.
///
/// # Errors
/// Where something is not as expected; the program's code is as it was then.
pub fn place_into(
    stopped: &mut Stopped<'_>,
    syscall: u64,
    memory: Memory<'_>,
    stack_high: i32,
    detours: &[Detour],
) -> Result<(), ExecutorError> {
    if !stopped.is_unfiltered() {
        return Err(ExecutorError::Filtered);
    }
    let pid = stopped.pid().as_raw().cast_unsigned();
    let mut injector = stopped.inject(syscall).map_err(|source| ExecutorError::Call { call: "execve", source })?;
    place(&mut injector, pid, memory, stack_high, detours)
}
