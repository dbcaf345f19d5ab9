//! The command as a process: started, held at its first instruction, let go, waited for.
//!
//! ```text
//! Signals::take_over ──> spawn ──> Tree ──next──> Exec(Stopped) ──> release | follow ──> Tree
//!                                     │
//!                                     ├──next──> Barrier(AtBarrier) ──> go ──> Tree
//!                                     └──next──> Ended(Exited) ──> Tree::wait_for (the flush)
//! ```
//! What is held is a value that must be used up; dropping it lets the process go. Everything happens on the main thread,
//! which forked: ptrace belongs to a thread, and one wait loop must own both reaping and tracing. This module knows nothing
//! of Go, probes or telemetry.

mod barrier;
mod command;
mod environment;
mod executable;
mod exit;
mod flush;
mod forwarding;
mod image;
mod inherited;
mod initial_stack;
mod inject;
mod launched;
mod limits;
mod link;
mod listen_pid;
mod lookup;
mod mapped;
mod other;
mod parent;
mod privilege;
mod process;
mod ptrace;
mod script;
mod signals;
mod spawn;
mod stopped;
mod sys;
mod tracees;
mod tree;

pub use barrier::{AtBarrier, BarrierReason};
pub use command::{Command, SpawnError};
pub use environment::Environment;
pub use executable::{Auxv, Exe, KeptExe, MappedExe, without_deletion};
pub use exit::{ExitStatus, Exited};
pub use flush::FlushEnd;
pub use forwarding::Forwarding;
pub use image::{Image, Successor};
pub use inject::Injector;
pub use limits::Limit;
pub use other::{Other, pid_descriptor};
pub use parent::signal_on_parent_death;
pub use signals::{Signals, TakeOverError};
pub use spawn::{exec_in_place, spawn};
pub use stopped::Stopped;
pub use sys::SignalSet;
pub use tracees::Follow;
pub use tree::{Event, Tree};
