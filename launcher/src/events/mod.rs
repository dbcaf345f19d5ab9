//! From the ring buffer to validated records.

pub mod decode;
pub mod ring;
