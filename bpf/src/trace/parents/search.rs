//! How far the search for a parent has come, and what it has found.

use crate::records::SpanIdentity;
use crate::trace::ids::Random;

/// The way up from a context, and the parent found. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ParentSearch {
    /// The context: address of its itab.
    pub(super) table: u64,
    /// The context: its data pointer.
    pub(super) data: u64,
    /// 0 where there is no parent, 1 where there is one that the goroutine has, [`BY_CONTEXT`] where a context has led to it.
    pub found: u64,
    /// 1 where the way has led through the context of a server's connection: that of the request was not known.
    pub(super) from_server: u64,
    /// 1 where the parent is a request of `net/http` that is being served.
    pub is_request: u64,
    /// 1 where the parent is a span of the OpenTelemetry API.
    pub(super) is_sdk: u64,
    /// 1 where a value for a span was met on the way.
    pub(super) is_keyed: u64,
    /// The address of the first such span.
    pub own_span: u64,
    /// Of a span that the SDK records: where the address of its tracer is, else 0; and where its kind is.
    pub recorded_at: [u64; 2],
    /// A span of another process that the context names nearer than the parent: trace id, span id, flags, and its [`Self::state`]; zeros where
    /// there is none.
    pub(super) remote: [u64; 7],
    /// Of a parent that is a span of the OpenTelemetry API: its `trace.TraceState`, which is a slice.
    pub state: [u64; 3],
    /// 1 where the parent is the SDK's span of the operation that begins ([`crate::trace::wrapped`]). Here, so that the verifier does not follow it.
    pub is_wrapped: u64,
    /// Whose operation the parent is, as contexts are remembered ([`frames::holder`]); 0 where that is not known.
    pub holder: u64,
    /// Under which number the texts are remembered that are propagated with it ([`crate::trace::extracted`]).
    pub texts: u64,
    /// The parent.
    pub parent: SpanIdentity,
}

/// [`ParentSearch::found`]: a context has led to the parent.
pub const BY_CONTEXT: u64 = 2;

/// No parent.
pub const NO_SEARCH: ParentSearch = ParentSearch {
    table: 0,
    data: 0,
    found: 0,
    from_server: 0,
    is_request: 0,
    is_sdk: 0,
    is_keyed: 0,
    own_span: 0,
    recorded_at: [0; 2],
    remote: [0; 7],
    state: [0; 3],
    is_wrapped: 0,
    holder: 0,
    texts: 0,
    parent: SpanIdentity::NONE,
};

impl ParentSearch {
    /// Gives a span its trace, under the parent that was found, or as the root of a new one; returns whether the parent is sampled, if there is one.
    #[inline(always)]
    pub fn begin(&self, span: &mut SpanIdentity, random: &mut Random) -> Option<bool> {
        if self.found != 0 {
            span.trace_id = self.parent.trace_id;
            span.parent_span_id = self.parent.span_id;
            Some(self.parent.trace_flags & 1 != 0)
        } else {
            span.trace_id = random.trace_id();
            span.parent_span_id = [0; 8];
            None
        }
    }
}
