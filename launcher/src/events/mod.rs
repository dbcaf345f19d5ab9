//! From the ring buffer to validated records.

pub mod decode;
mod operation;
pub mod ring;
