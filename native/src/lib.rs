//! What the native engine's code in the program and the launcher share: the configuration behind the code, the memory in which both write,
//! and what is remembered of goroutines.
//!
//! ```text
//! launcher ── [`configuration`] ──> code in the program ── [`ring`] ──> launcher
//!                                    [`state`]: the program's own
//! ```
//! Nothing here knows machine code or a system call; all of it runs under `cargo test` on the host.
#![cfg_attr(not(test), no_std)]
#![expect(clippy::inline_always, reason = "a hit pays for each call")]

pub mod clock;
pub mod configuration;
pub mod control;
pub mod near;
pub mod ring;
pub mod state;
pub mod table;
