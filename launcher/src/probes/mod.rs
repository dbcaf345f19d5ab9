//! What is observed of a program: the catalog and the binary become a plan. Where that is done in the process, and how, is the
//! [`crate::engine`]'s.

pub mod baggage;
pub mod contexts;
mod disabled;
pub mod facts;
pub mod fields;
pub mod instrumentation;
mod layers;
pub mod left_out;
pub mod library;
mod operation_sites;
pub mod operations;
pub mod parents;
pub mod plan;
pub mod planned;
pub mod probe;
mod recipe;
pub mod runtime;
pub mod sdk;
pub mod site;
mod tables;
pub mod user_functions;
