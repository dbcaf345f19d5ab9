//! The native engine cannot hurt: whatever goes wrong in its code, the program goes on, and what signals tell of the program is right. The
//! launcher plants the faults itself; only builds for tests can do that.

#![cfg(all(target_arch = "x86_64", debug_assertions))]
#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod driving;
mod left_hits;
#[path = "../support/mod.rs"]
mod support;
mod wild_reads;
