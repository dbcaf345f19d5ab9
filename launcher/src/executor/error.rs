//! Why a program cannot be made to do what is asked of it.

use std::io;

use thiserror::Error;

/// Why the program cannot be made to write, or to map memory.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// No machine code can be made for these sites.
    #[error(transparent)]
    Stub(#[from] super::StubError),
    /// There are detours for BPF on one architecture only.
    #[error("{}", super::NOT_FOR_BPF)]
    NoDetours,
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
