//! From the ring buffer to validated records.

pub mod decode;
mod operation;
pub mod otel_api;
mod request_target;
pub mod ring;
