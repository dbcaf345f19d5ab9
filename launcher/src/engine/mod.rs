//! What carries a plan out: runs the bodies of the probes where the plan wants it, and hands on what they report. Behind this seam
//! nobody knows how.
//!
//! There are two: [`native`] runs the bodies within the program, [`bpf`] in the kernel.

pub mod bpf;
pub mod native;
pub mod recipe;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use ::bpf::config::{Propagators, Settings};
use ::bpf::missed::COUNTED;
use ::bpf::trace::operation::kind;
use ::bpf::trace::unsampled::Durations;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// `native`: within the program.
    Native,
    /// [`bpf`]: in the kernel.
    Bpf,
}

impl std::fmt::Display for EngineKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Bpf => "BPF",
        })
    }
}

/// What traces of a process are made by, besides its plan.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// The sampler, and what is switched off; may change later.
    pub settings: Settings,
    /// Which headers are extracted and injected.
    pub propagators: Propagators,
}

/// What the bodies of the probes report.
pub trait Records: Send + std::fmt::Debug {
    /// Hands the next record over; false if there is none.
    fn next(&mut self, use_record: &mut dyn FnMut(&[u8])) -> bool;
    /// The program has ended: nobody finishes a record that is not there yet.
    fn end(&mut self) {}
    /// How many bytes of records may wait at once.
    fn capacity(&self) -> usize;
    /// Readable where a backlog is waiting.
    fn backlog(&self) -> BorrowedFd<'_>;
    /// What nothing came of, by [`bpf::missed::Missed`](::bpf::missed::Missed); `None` where that cannot be read.
    fn missed(&self) -> Option<[u64; COUNTED as usize]>;
    /// Operations that were not sampled, by [`kind`]; `None` where that cannot be read.
    fn unsampled(&self) -> Option<[Durations; kind::COUNT as usize]>;
}

/// Probes in place. They go when this is dropped.
pub trait Probes: Send + std::fmt::Debug {
    /// Changes the sampler and what is switched off, from now on. What has begun ends as it began.
    ///
    /// # Errors
    /// Where the engine does not take it.
    fn set(&mut self, settings: &Settings) -> std::io::Result<()>;
    /// Forgets what is remembered of the program, which has begun anew: others stand at its addresses.
    fn forget(&mut self);
    /// Takes away what has turned out not to be needed; a thread waits for that.
    fn judge(&mut self) -> Option<JoinHandle<()>>;
    /// Takes all away from a program that has ended. Returns the threads that wait for that.
    fn detach(self: Box<Self>) -> Vec<JoinHandle<()>>;
    /// Leaves them in a program that is still running until this process ends, which takes them away.
    fn leave_until_exit(self: Box<Self>);
}

/// A program with its probes in place.
#[derive(Debug)]
pub struct Attached {
    /// What they report.
    pub records: Box<dyn Records>,
    /// The probes.
    pub probes: Box<dyn Probes>,
    /// The memory in which the process finds what it is to write ([`bpf::slots`](::bpf::slots)), where it has to be mapped into it yet.
    pub slots: Option<OwnedFd>,
    /// The memory in which it finds what stands in for spans ([`bpf::trace::stand_in`](::bpf::trace::stand_in)), likewise.
    pub stand_ins: Option<OwnedFd>,
    /// How many places are observed.
    pub sites: usize,
}
