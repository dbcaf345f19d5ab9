//! The records that probes write into the ring buffer, as the launcher reads them.
//!
//! A head of integers only, with explicit padding and an asserted size, then the bytes of its strings one behind the other: of each
//! as many as the head says, and at most as many as its kind of record takes ([`taken`]).

mod buffer;
pub mod fasthttp_server;
pub mod http_client;
pub mod http_server;
mod lines;
pub mod operation;
pub mod otel_api;

pub use buffer::{Append, MAX_TEXT, RecordBuffer};
pub use lines::append_lines;

use bytemuck::{Pod, Zeroable};

/// Bytes of the ring buffer: some 6,000 requests.
pub const RING_BYTES: u32 = 2 << 20;

/// The first eight bytes of every record.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct RecordHeader {
    /// One of [`kind`].
    pub kind: u32,
    /// Size of the whole record in bytes; the launcher refuses a record whose length differs.
    pub size: u32,
}

/// Values of [`RecordHeader::kind`].
pub mod kind {
    /// [`super::http_server::HttpServerStart`].
    pub const HTTP_SERVER_START: u32 = 1;
    /// [`super::http_server::HttpServerEnd`].
    pub const HTTP_SERVER_END: u32 = 2;
    /// [`super::http_server::HttpServerEnd`] of a request that is open when the process ends: what is known of it at that moment.
    pub const HTTP_SERVER_UNFINISHED: u32 = 3;
    /// [`super::http_server::HttpServerPanic`].
    pub const HTTP_SERVER_PANIC: u32 = 4;
    /// [`super::http_client::HttpClientStart`].
    pub const HTTP_CLIENT_START: u32 = 5;
    /// [`super::http_client::HttpClientEnd`].
    pub const HTTP_CLIENT_END: u32 = 6;
    /// [`super::operation::OperationStart`].
    pub const OPERATION_START: u32 = 7;
    /// [`super::operation::OperationEvent`]: an operation has ended.
    pub const OPERATION_END: u32 = 8;
    /// The same: its function has returned, and its object is still open.
    pub const OPERATION_RETURNED: u32 = 9;
    /// The same: all that is open on a goroutine from a level on was unwound, by a panic as a rule.
    pub const OPERATION_UNWOUND: u32 = 10;
    /// The same: something is known of an operation that is open.
    pub const OPERATION_ANNOTATED: u32 = 11;
    /// The same: a panic begins on a goroutine; the only value, with the number 0, is what it is about.
    pub const OPERATION_PANIC: u32 = 12;
    /// The same: `runtime.Goexit` ends a goroutine, and all that is open there.
    pub const OPERATION_GOEXIT: u32 = 13;
    /// [`super::fasthttp_server::FasthttpServerStart`]. Such requests end as those of other servers of HTTP do.
    pub const FASTHTTP_SERVER_START: u32 = 14;
    /// The same of a request that `hertz` serves.
    pub const HERTZ_SERVER_START: u32 = 15;
    /// [`super::otel_api::EncodedSpan`].
    pub const ENCODED_SPAN: u32 = 16;
    /// [`super::otel_api::SpanCall`].
    pub const SPAN_CALL: u32 = 17;
    /// [`super::otel_api::Superseded`].
    pub const SUPERSEDED: u32 = 18;
}

/// Bytes of a string of this length that a record holds which takes `capacity` of them at most.
#[inline(always)]
#[must_use]
pub const fn taken(length: u32, capacity: u32) -> u32 {
    if length < capacity { length } else { capacity }
}

/// Whose child a span is, and its own identity (W3C Trace Context, byte order as on the wire).
///
/// Aligned, so that it is copied by words.
#[repr(C, align(8))]
#[derive(Pod, Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanIdentity {
    /// Trace id; never zero.
    pub trace_id: [u8; 16],
    /// The span's own id; never zero.
    pub span_id: [u8; 8],
    /// Zero for a root.
    pub parent_span_id: [u8; 8],
    /// Trace flags; bit 0 is "sampled".
    pub trace_flags: u8,
    /// 1 where the parent came with the request, 0 otherwise.
    pub parent_is_remote: u8,
    /// What is propagated with it, bits of [`crate::config::propagator`]: of a served request, what was extracted
    /// besides the parent; of an outgoing one, the headers that are injected.
    pub propagation: u8,
    /// Zero.
    pub padding: [u8; 5],
}

impl SpanIdentity {
    /// No span.
    pub const NONE: Self = Self {
        trace_id: [0; 16],
        span_id: [0; 8],
        parent_span_id: [0; 8],
        trace_flags: 0,
        parent_is_remote: 0,
        propagation: 0,
        padding: [0; 5],
    };

    /// Whether the span's parent is this span of this trace.
    #[inline(always)]
    #[must_use]
    pub fn is_child_of(&self, trace_id: &[u8; 16], span_id: &[u8; 8]) -> bool {
        let [trace, trace_end]: [u64; 2] = bytemuck::cast(self.trace_id);
        let [other, other_end]: [u64; 2] = bytemuck::cast(*trace_id);
        let parents = u64::from_ne_bytes(self.parent_span_id) ^ u64::from_ne_bytes(*span_id);
        // As numbers: of arrays the compiler would compare bytes.
        (trace ^ other) | (trace_end ^ other_end) | parents == 0
    }

    /// Copies by words; of a plain assignment the compiler makes a call of memmove in BPF, which goes byte by byte.
    #[inline(always)]
    pub fn copy_to(&self, other: &mut Self) {
        let [trace, trace_end, span, parent, flags]: [u64; 5] = *bytemuck::cast_ref(self);
        *bytemuck::cast_mut(other) = [trace, trace_end, span, parent, flags];
    }
}

const _: () = assert!(size_of::<RecordHeader>() == 8 && size_of::<SpanIdentity>() == 40);
