//! The native engine cannot hurt: whatever goes wrong in its code, around it, or with the launcher, the program goes on, and what signals tell
//! of the program is right. The launcher plants faults itself; only builds for tests can do that.
//!
//! Needs root, for the engine in the kernel and for namespaces.

#![cfg(all(target_arch = "x86_64", debug_assertions))]
#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod children;
mod clients;
mod driving;
mod half_way;
mod hostile;
mod launcher_gone;
mod left_hits;
mod process;
mod profiles;
mod quits;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod wild_reads;
