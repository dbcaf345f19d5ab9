//! What the launcher and the kernel side share, and what a probe does.
//!
//! [`records`] travel from kernel to launcher, [`config`] the other way; both are integers only. The
//! probe bodies ([`instrumentations`]) are written against [`target::Target`] and know nothing of BPF:
//! the object (`main.rs`) runs them in the kernel, unit tests run them on the host.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![expect(clippy::missing_errors_doc, reason = "an error is a `missed::Missed`, which says what there is to say")]
#![expect(
    clippy::inline_always,
    reason = "a BPF program is one function: of a call the verifier knows less, and the stack is short"
)]
#![expect(
    clippy::declare_interior_mutable_const,
    reason = "initial values of what stands in maps: each use is meant to be a copy"
)]

pub mod config;
pub mod missed;
pub mod records;
pub mod scratch;
pub mod shared;
pub mod slots;
pub mod target;
pub mod write;

pub mod go;
pub mod trace;

pub mod instrumentations;
