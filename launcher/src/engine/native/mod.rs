//! The engine that runs the bodies as native code, within the program: its functions go through thunks.
//!
//! ```text
//! Plan ─> sites with windows (placement) ─> thunks (machine code), patches (what replaces the program's instructions)
//! blob, Plan ─> image ─┐
//! memory of both ──────┴─> place: into the held program ─> records, probes
//! ```
//! It needs nothing but ptrace of one's own child. The code that runs in the program is the package `native`.

mod blob;
mod clock;
mod image;
mod memory;
mod patches;
mod place;
pub mod placement;
#[cfg(debug_assertions)]
mod planted;
mod probes;
mod records;
mod room;
pub mod thunks;
mod visible;

use std::io;

use native::configuration::body as number;

use crate::binary::VirtAddr;
use crate::child::{Auxv, Stopped};
use crate::engine::{Attached, Sampling};
use crate::executor::ExecutorError;
use crate::probes::left_out::LeftOut;
use crate::probes::plan::Plan;
use crate::probes::probe::Body;

pub use clock::begin;
pub use patches::{Patch, PatchError, Taken};
pub use placement::Detours;
pub use thunks::{CodeError, SiteEntry, Then, ThunkError, Thunks, assemble, assemble_before, most_bytes};

/// Why the engine cannot be put into a program.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The code is missing.
    #[error("this launcher was built without its code")]
    NoCode,
    /// Go's runtime is not as expected.
    #[error("{0}")]
    Runtime(LeftOut),
    /// A position-independent program, and nobody says where it lies.
    #[error("where the program was loaded is not known")]
    NoLoadBias,
    /// No system calls can be made in the program's name.
    #[error("the program has no instruction for system calls where it was looked for")]
    NoSystemCall,
    /// The program's system calls are judged by a filter that the launcher does not know.
    #[error("the program has a seccomp filter that the launcher has not, or /proc does not tell")]
    Filtered,
    /// The kernel does not trust the processor's counter, and the vDSO is not there.
    #[error("there is no clock that can be read without a system call")]
    NoClock,
    /// The memory cannot be made.
    #[error("no memory to share with the program ({0})")]
    Memory(#[source] io::Error),
    /// The program may have little of it, and could miss what the engine takes.
    #[error("{name} leaves the program {limit} bytes; the engine needs it to be {needed} at least")]
    AddressSpace {
        /// The limit's name.
        name: &'static str,
        /// What it is.
        limit: u64,
        /// What it would have to be.
        needed: u64,
    },
    /// The program cannot be made to map it.
    #[error(transparent)]
    Executor(ExecutorError),
    /// There is no machine code.
    #[error(transparent)]
    Thunks(#[from] ThunkError),
    /// It does not stand where it should.
    #[error("the program is not at the end of execve ({0})")]
    Stopped(#[source] io::Error),
    /// Its memory cannot be read or written.
    #[error("the program's memory cannot be changed ({0})")]
    Process(#[source] io::Error),
    /// The program's code in memory is not that of its file.
    #[error("the code at {address:#x} is not that of the file")]
    Unexpected {
        /// Where.
        address: u64,
    },
    /// What was replaced cannot be put back.
    #[error("the program's code was changed half-way and cannot be put back ({0})")]
    HalfWay(#[source] io::Error),
    /// No thread or descriptor.
    #[error("the ring cannot be watched ({0})")]
    Watch(#[source] io::Error),
}

impl NativeError {
    /// Whether the program's code is not what it was.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::HalfWay(_))
    }
}

/// What is known of the process besides its plan.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Address in the process minus address in its file.
    pub load_bias: Option<u64>,
    /// An instruction of the program for system calls, in the file's addresses.
    pub syscall: Option<VirtAddr>,
    /// What the kernel told it about itself.
    pub auxv: Option<Auxv>,
}

/// Puts the engine into a program that stands at its exec stop.
///
/// # Errors
/// Where something is not as expected; the program's code is as it was then, unless the error says otherwise
/// ([`NativeError::is_fatal`]).
pub fn attach(stopped: &mut Stopped<'_>, plan: &Plan, sampling: &Sampling, process: Process) -> Result<Attached, NativeError> {
    let blob = blob::Blob::embedded().ok_or(NativeError::NoCode)?;
    let runtime = match &plan.runtime {
        Some(Ok(runtime)) => runtime.clone(),
        Some(Err(why)) => return Err(NativeError::Runtime(why.clone())),
        None => return Err(NativeError::NoCode),
    };
    let load_bias = process.load_bias.ok_or(NativeError::NoLoadBias)?;
    let syscall = process.syscall.ok_or(NativeError::NoSystemCall)?.0.wrapping_add(load_bias);
    let wanted = place::Wanted { plan, runtime, sampling, blob, syscall, auxv: process.auxv };
    let prepared = place::prepare(&wanted)?;
    let records = records::RingRecords::new(prepared.clone()).map_err(NativeError::Watch)?;
    place::place(stopped, &wanted, &prepared)?;
    let probes = probes::NativeProbes(prepared);
    Ok(Attached {
        records: Box::new(records),
        probes: Box::new(probes),
        slots: None,
        stand_ins: None,
        sites: plan.sites().count(),
    })
}

/// The number of a body in the program.
const fn body(body: Body) -> u32 {
    match body {
        Body::HttpServer => number::HTTP_SERVER,
        Body::Http2Request => number::HTTP2_REQUEST,
        Body::HttpRoute => number::HTTP_ROUTE,
        Body::HttpClient => number::HTTP_CLIENT,
        Body::Operations => number::OPERATIONS,
        Body::Annotations => number::ANNOTATIONS,
        Body::NewGoroutine => number::NEW_GOROUTINE,
        Body::ServedOperations => number::SERVED_OPERATIONS,
        Body::GrpcClient => number::GRPC_CLIENT,
        Body::FasthttpServer => number::FASTHTTP_SERVER,
        Body::HertzServer => number::HERTZ_SERVER,
        Body::OtelApi => number::OTEL_API,
        Body::OtelApiCalls => number::OTEL_API_CALLS,
    }
}
