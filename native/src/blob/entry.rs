//! What stands on the stack while a body runs. The way there and back is of each architecture: [`super::machine`].
//!
//! A thunk gives the number of its site and calls `common`. This stores all general-purpose registers and the flags on the goroutine's
//! stack, chooses a stack for the body (that of the thread, `g0`, as `runtime.nanotime1` does for the vDSO; behind a stack check Go
//! leaves some 800 bytes, which is not enough), and writes a [`Frame`] there, before it moves the stack pointer. By the frame a hit is
//! left from wherever it stands ([`super::signals`]).

use super::machine::Saved;

/// What stands on the stack above a body.
#[repr(C)]
pub(super) struct Frame {
    /// The secret of this launch and the frame's own address: nothing else has both.
    pub(super) seal: u64,
    /// The thunk's registers: a [`Saved`].
    pub(super) saved: *const Saved,
    /// The number of the site.
    pub(super) number: u64,
    /// The header of a record that has been reserved and not been committed; else 0.
    pub(super) record: u64,
    /// Its size.
    pub(super) record_size: u64,
    /// The tag of scratch memory that has been taken; else 0.
    pub(super) scratch: u64,
}

/// Its size.
pub(super) const FRAME: usize = size_of::<Frame>();
const _: () = assert!(FRAME == 48 && FRAME.is_multiple_of(16));
