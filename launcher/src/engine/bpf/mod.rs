//! The engine that runs the bodies as BPF programs in the kernel, by uprobes.
//!
//! ```text
//! Plan ─> attach: maps and verified BPF programs (object) ─> links onto the sites ─> records (ring)
//! ```
//! `aya`'s types stay in this folder.

pub mod attach;
pub mod ends;
mod maps;
pub mod object;
pub mod placement;
mod program;
mod ring;
pub mod routes;

pub use attach::{AttachError, BpfProbes, attach};
pub use placement::Uprobes;
pub use ring::RingRecords;
