//! The launcher, in the order in which one launch runs through it.
//!
//! Command line and environment become a [`config::Config`]; the command is started and held at its
//! first instruction ([`child`]); its file is read ([`binary`]); the catalog of [`instrumentations`]
//! and the binary become a plan ([`probes`]), and the plan becomes attached probes, as the kernel can
//! ([`kernel`], [`engine`]); the process runs. What the probes report is decoded ([`events`]), made into
//! spans ([`spans`]) and sent away ([`export`]) until the command ends ([`outcome`]).

pub mod modes;

pub mod command_line;
pub mod config;
pub mod parameters;

pub mod capabilities;
pub mod child;

pub mod launch;
pub mod wrappers;

pub mod arm;
pub mod binary;
pub mod captured;
pub mod expression;
pub mod instrumentations;
pub mod kernel;
pub mod probes;
pub mod signature;
pub mod user_function;

pub mod engine;

pub mod executor;

// What iced-x86 is for amd64.
#[cfg(any(test, target_arch = "aarch64"))]
mod arm64;

pub mod tracing;

pub mod telemetry;

// What spans are made of, whatever the instrumentation.
pub mod clock;
pub mod panic_value;

pub mod events;
pub mod resource;
pub mod spans;

pub mod export;
pub mod outcome;

// The other modes, and what all use.
pub mod attach;
pub mod check;
pub mod install;
pub mod log;
pub mod memory;
mod wrap;
