//! From a plan to attached probes.

pub mod object;
