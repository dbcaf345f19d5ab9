//! Trace identity: ids, remote parents, sampling, the active span of a goroutine.

pub mod ids;
pub mod sampling;
pub mod traceparent;

use crate::go::header::Found;
use crate::records::SpanIdentity;

/// What is remembered of a goroutine between the start and the end of its operation.
///
/// The entry stays when the operation has ended (a goroutine's `g` is reused by the runtime, so their number
/// is bounded); `open` tells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ActiveSpan {
    /// The span; its trace id is zero before the first operation.
    pub span: SpanIdentity,
    /// Address of the `*http.Request` whose `Pattern` is read at the end; 0 where there is none.
    pub request: u64,
    /// Address of the response writer.
    pub writer: u64,
    /// Which server called the handler, and so which layout `writer` has.
    pub server: u32,
    /// 1 while the operation runs.
    pub open: u32,
    /// Where the request's headers are; only used while the start is handled. It stands here because the verifier does
    /// not follow what is in a map, while it follows each combination of what may be on the stack.
    pub headers: Found,
}
