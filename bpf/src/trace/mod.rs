//! Trace identity: ids, remote parents, sampling, what is remembered of a goroutine.

pub mod answered;
pub mod b3;
pub mod client;
pub mod extracted;
pub mod ids;
pub mod parents;
pub mod remote;
pub mod sampling;
pub mod sealed;
pub mod traceparent;
pub mod tracestate;

use crate::go::header::{NEW_WALK, Walk};
use crate::go::string::GoString;
use crate::records::{SERVER_TEXTS, SpanIdentity};
use crate::target::Target;
use crate::trace::client::{ClientCall, NO_CALL};
use crate::trace::ids::Random;
use crate::trace::parents::{NO_SEARCH, ParentSearch};
use crate::trace::remote::{NO_REMOTE_PARENT, RemoteParent};
use crate::trace::tracestate::Grammar;

/// What is remembered of a goroutine between the start and the end of its operation.
///
/// The entry stays when the operation has ended (a goroutine's `g` is reused by the runtime, so their number
/// is bounded); `open` tells. Whatever a probe needs while it runs stands here too, not on the stack: the verifier
/// does not follow what is in a map, while it follows each combination of what may be on the stack.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Goroutine {
    /// The address of its `g`: written when the memory is given to it, and never again.
    pub holder: u64,
    /// The span; its trace id is zero before the first operation.
    pub span: SpanIdentity,
    /// That the span is this goroutine's ([`sealed`]): the holder is the address of its `g`.
    pub seal: u64,
    /// Address of the `*http.Request` whose `Pattern` is read at the end; 0 where there is none.
    pub request: u64,
    /// The pattern that a `ServeMux` has found for it, which it noted in a copy perhaps; no string before that.
    pub route: GoString,
    /// Address of the response writer.
    pub writer: u64,
    /// The cookie of the start.
    pub started_at: u32,
    /// Which server called the handler, and so which layout `writer` has.
    pub server: u32,
    /// 1 while the operation runs.
    pub open: u64,
    /// The data pointer of the request's context, under which the span is remembered; 0 where it is not.
    pub context: u64,
    /// What the headers of a request say, while its start is handled.
    pub remote: RemoteParent,
    /// The parent of an operation that begins.
    pub search: ParentSearch,
    /// Its outgoing request.
    pub client: ClientCall,
    /// How far the `tracestate` of a request has been read, while its start is handled.
    pub grammar: Grammar,
    /// State of the goroutine's random numbers.
    pub random: Random,
    /// The headers of the request, while its start is handled.
    pub headers: Walk,
    /// The request's strings, where they lie in the program, while its start is handled.
    pub texts: [GoString; SERVER_TEXTS],
}

impl Goroutine {
    /// Whether this memory, and the span in it, is still that of the goroutine at `holder`.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, holder: u64) -> bool {
        self.is_held_by(holder) && sealed::is_of(&self.span, &self.seal, holder)
    }

    /// Whether this memory is still that of the goroutine at `holder`.
    #[inline(always)]
    #[must_use]
    pub fn is_held_by(&self, holder: u64) -> bool {
        // SAFETY: a valid, aligned, initialised word. Volatile, for the kernel may give the memory to another goroutine.
        unsafe { core::ptr::read_volatile(&raw const self.holder) == holder }
    }

    /// The request has been answered: what others could find of it is forgotten, but for its span.
    #[inline(always)]
    pub fn answered<T: Target>(&mut self, target: &T) {
        if self.context != 0 {
            answered::remember(target, self.context, &self.span);
            self.forget(target);
        }
    }

    /// Forgets what others could find of the request that is being served.
    #[inline(always)]
    pub fn forget<T: Target>(&mut self, target: &T) {
        if self.context != 0 {
            target.forget_context(self.context);
            if self.span.propagation != 0 {
                target.forget_extracted(extracted::key(&self.span));
            }
            self.context = target.opaque(0);
        }
    }
}

/// A goroutine of which nothing is known yet.
pub const NEW_GOROUTINE: Goroutine = Goroutine {
    holder: 0,
    span: SpanIdentity::NONE,
    seal: 0,
    request: 0,
    route: GoString { address: 0, length: 0 },
    writer: 0,
    started_at: 0,
    server: 0,
    open: 0,
    context: 0,
    remote: NO_REMOTE_PARENT,
    search: NO_SEARCH,
    client: NO_CALL,
    grammar: Grammar::new(0),
    random: Random::UNSEEDED,
    headers: NEW_WALK,
    texts: [GoString { address: 0, length: 0 }; SERVER_TEXTS],
};
