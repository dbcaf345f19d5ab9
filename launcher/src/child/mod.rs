//! The program as a process: started, held at its first instruction, let go, waited for.
//!
//! ```text
//! Signals::take_over ──> spawn ──> Starting ──next──> Exec(Stopped) ──release──> Running ──wait──> Exited
//!                                     ^                    │follow
//!                                     └────────────────────┘
//!                                  next──> Barrier(AtBarrier) ──go──> Running
//! ```
//! Each state consumes the one before. Everything happens on the main thread, which forked: ptrace belongs to a thread,
//! and one wait loop must own both reaping and tracing. This module knows nothing of Go, probes or telemetry.

mod environment;
mod executable;
mod exit;
mod forwarding;
mod inherited;
mod listen_pid;
mod lookup;
mod parent;
mod process;
mod running;
mod signals;
mod spawn;
mod starting;
mod stopped;
mod sys;

pub use environment::Environment;
pub use executable::{Auxv, MappedExe};
pub use exit::{ExitStatus, Exited, FlushEnd};
pub use forwarding::Forwarding;
pub use parent::signal_on_parent_death;
pub use running::Running;
pub use signals::{Signals, TakeOverError};
pub use spawn::{Program, SpawnError, exec_in_place, spawn};
pub use starting::{AtBarrier, BarrierReason, StartEvent, Starting};
pub use stopped::Stopped;
pub use sys::SignalSet;
