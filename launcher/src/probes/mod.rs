//! From a plan to attached probes.

pub mod attach;
pub mod ends;
pub mod facts;
pub mod object;
pub mod plan;
pub mod routes;
mod site;
