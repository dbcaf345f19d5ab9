//! From a plan to attached probes.

pub mod attach;
pub mod ends;
pub mod facts;
mod left_out;
pub mod object;
pub mod plan;
pub mod routes;
mod site;
