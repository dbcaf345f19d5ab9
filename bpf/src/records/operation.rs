//! Records of operations that are described by tables: one shape for all.
//!
//! A head, then the captured values one behind the other: for each a [`ValueHead`], then its bytes, filled up to a multiple of eight.

use bytemuck::{Pod, Zeroable};

use crate::records::{RecordHeader, SpanIdentity};

/// An operation has begun.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct OperationStart {
    /// [`super::kind::OPERATION_START`].
    pub header: RecordHeader,
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The new span.
    pub span: SpanIdentity,
    /// The address of its goroutine's `g`.
    pub goroutine: u64,
    /// The number of its [`crate::config::operations::OperationRecipe`].
    pub operation: u32,
    /// How many operations of tables are open around it on its goroutine.
    pub level: u32,
}

/// Something has happened to operations; [`RecordHeader::kind`] says what.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct OperationEvent {
    /// One of the kinds from [`super::kind::OPERATION_END`] on.
    pub header: RecordHeader,
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// Which span; zero where it is about a goroutine.
    pub span_id: [u8; 8],
    /// The address of the goroutine's `g`.
    pub goroutine: u64,
    /// The operation's object; 0 where it has none.
    pub object: u64,
    /// The number of the [`crate::config::operations::OperationRecipe`] whose captures follow.
    pub operation: u32,
    /// For what has been unwound: the level of the outermost. For what is learnt of a request that is served: how deep in the goroutine's
    /// stack that was, in bytes.
    pub level: u32,
}

/// Before each captured value.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueHead {
    /// Which one.
    pub number: u16,
    /// One of [`whole`].
    pub whole: u16,
    /// Bytes that follow.
    pub length: u32,
}

impl ValueHead {
    /// As one word; both architectures are little-endian.
    #[inline(always)]
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.number as u64 | (self.whole as u64) << 16 | (self.length as u64) << 32
    }
}

/// Values of [`ValueHead::whole`].
pub mod whole {
    /// All of it.
    pub const WHOLE: u16 = 0;
    /// It goes on.
    pub const CUT: u16 = 1;
    /// Nothing of a string: its address and its length. Its page is not in memory, because nothing has touched it yet, as it is with
    /// constants of the program.
    pub const UNREAD: u16 = 2;
}

/// [`ValueHead::number`] of the `tracestate` that came with what is served: no captured value has that.
pub const TRACE_STATE: u16 = u16::MAX;

/// Bytes of the longest value.
pub const MAX_VALUE: u32 = 8_192;

const _: () = assert!(size_of::<OperationStart>() == 72 && size_of::<OperationEvent>() == 48 && size_of::<ValueHead>() == 8);
