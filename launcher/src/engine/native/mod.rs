//! The engine that runs the bodies as native code, within the program: its functions go through thunks.
//!
//! ```text
//! Plan ─> sites with windows (placement) ─> thunks (machine code), patches (what replaces the program's instructions)
//! ```
//! All here is pure.

mod patches;
pub mod placement;
pub mod thunks;

pub use patches::{Patch, PatchError, Taken};
pub use placement::Detours;
pub use thunks::{SiteEntry, Then, ThunkError, Thunks, assemble, assemble_before, most_bytes};
