//! The launcher, in the order in which one launch runs through it.
//!
//! Command line and environment become a [`config::Config`]; the program is started and held at its
//! first instruction ([`child`]); its file is read ([`binary`]); the catalog of [`instrumentations`],
//! the binary and the kernel's abilities ([`kernel`]) become a plan, and the plan becomes attached
//! probes ([`probes`]); the program runs. What the probes report is decoded ([`events`]), made into
//! spans ([`spans`]) and sent away ([`export`]) until the program ends ([`outcome`]).

pub mod command_line;
pub mod config;
pub mod child;
pub mod binary;
pub mod kernel;
pub mod instrumentations;
pub mod probes;
pub mod arm;
pub mod events;
pub mod spans;
pub mod export;
pub mod resource;
pub mod telemetry;
pub mod check;
pub mod launch;
pub mod outcome;
pub mod log;
