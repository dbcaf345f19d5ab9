//! The write executor: the program, held at its exec stop, is given a few instructions that make it carry out itself what
//! BPF wants written into its memory.
//!
//! ```text
//! detour sites + SLOTS map ─> stub (machine code) ─> mapped into the program ─> jumps placed ─> ready
//! ```
//! What is planned (here) knows no architecture; how it is done does: one module for each.
//! BPF decides at a probe and queues addresses and bytes in a slot (`bpf::slots`); some instructions later the same
//! goroutine comes to the detour, which performs the stores and empties the slot. No capability is needed for the writes
//! and kernel lockdown does not forbid them, other than those of `bpf_probe_write_user`. An empty slot costs 2 ns.
//!
//! Whatever is not as expected leaves the program as it was. If the launcher dies, the slots stay empty.

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(target_arch = "aarch64")]
mod arm64;
mod error;
pub(crate) mod process;
mod share;

use std::os::fd::BorrowedFd;

use crate::binary::DetourSite;

#[cfg(target_arch = "x86_64")]
pub(crate) use amd64::code;
#[cfg(target_arch = "x86_64")]
pub use amd64::{MOST_BYTES, Places, Stub, StubError, place, place_into};
#[cfg(target_arch = "aarch64")]
pub(crate) use arm64::code;
#[cfg(target_arch = "aarch64")]
pub use arm64::{MOST_BYTES, StubError, place_into};
pub use error::ExecutorError;
pub use share::Offer;

/// Whether programs of this architecture can be made to write what BPF decides. By the native engine all can.
pub const IS_FOR_BPF: bool = cfg!(target_arch = "x86_64");
/// What is said of others.
pub const NOT_FOR_BPF: &str = "by BPF only programs for amd64 are made to write";

/// How a detour knows that a slot is meant for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// By the depth of the stack.
    Depth,
    /// In `(*hpack.Encoder).WriteField`: by the encoder, and where the field is no pseudo-header. The slot is armed.
    Field,
    /// In `(*bytes.Buffer).Write`: an armed one, by the buffer. Its text is written before what the program writes.
    Buffer,
    /// In `(*ClientConn).writeHeaders`: by the connection. The slot is freed; a text that was not written is appended to the
    /// slice in the fifth to seventh argument, if there is room.
    Headers,
    /// In `(*http2.Framer).WriteHeaders`: an armed one is freed.
    Frame,
    /// By the depth of the stack, as [`Self::Depth`]; the function returns at once: the first two words of the slot.
    Return,
}

/// Maps of BPF that the program is to have mapped.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'f> {
    /// What it is to write: [`bpf::slots`].
    pub slots: BorrowedFd<'f>,
    /// What stands in for spans: [`bpf::trace::stand_in`].
    pub stand_ins: BorrowedFd<'f>,
}

/// A detour to be placed: which one it is for BPF, and where, at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    /// The number of the slots that it looks for.
    pub site: u32,
    /// Which of them are meant for it.
    pub moment: Moment,
    /// Run-time address of the first instruction that is replaced.
    pub address: u64,
    /// The instructions.
    pub bytes: Vec<u8>,
}

impl Detour {
    /// The detour at a site of the file, in a program that is moved by `load_bias`.
    #[must_use]
    pub fn new(site: u32, moment: Moment, place: &DetourSite, load_bias: u64) -> Self {
        Self { site, moment, address: place.address.0.wrapping_add(load_bias), bytes: place.bytes.clone() }
    }
}
