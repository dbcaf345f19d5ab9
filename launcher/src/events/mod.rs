//! From the ring buffer to validated records.

pub mod decode;
mod operation;
mod request_target;
pub mod ring;
