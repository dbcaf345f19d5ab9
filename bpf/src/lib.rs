//! What the launcher and the kernel side share, and what a probe does.
//!
//! [`records`] travel from kernel to launcher, [`config`] the other way; both are integers only. The
//! probe bodies ([`instrumentations`]) are written against [`target::Target`] and know nothing of BPF:
//! the object (`main.rs`) runs them in the kernel, unit tests run them on the host.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]

pub mod config;
pub mod records;
pub mod target;

pub mod go;
pub mod trace;

pub mod instrumentations;
