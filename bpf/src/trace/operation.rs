//! An operation that is open: from the probe where it begins to the one where it ends.

use crate::config::propagator;
use crate::missed::Done;
use crate::shared::Shared;
use crate::target::Target;
use crate::trace::sealed::SealedSpan;
use crate::trace::{extracted, waiting};

/// Values of [`Operation::kind`]: what was begun, and so which layouts its words have.
pub mod kind {
    /// A request that `net/http` serves by HTTP/1.
    pub const HTTP1_SERVER: u32 = 0;
    /// One that the HTTP/2 server of the standard library serves.
    pub const HTTP2_SERVER: u32 = 1;
    /// One that the HTTP/2 server of `golang.org/x/net/http2` serves.
    pub const XNET_SERVER: u32 = 2;
    /// A request that `fasthttp` or `hertz` serves.
    pub const FASTHTTP_SERVER: u32 = 3;
    /// A round trip of an HTTP client.
    pub const HTTP_CLIENT: u32 = 4;
    /// What is described by a table, whatever it is: these are [`crate::trace::frames::Frame`]s.
    pub const OF_TABLE: u32 = 5;
    /// How many there are.
    pub const COUNT: u32 = 6;
}

/// An open operation of a goroutine.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its span; the holder is the address of its goroutine's `g`.
    pub span: SealedSpan,
    /// One of [`kind`].
    pub kind: Shared<u32>,
    /// Operations of the same library that were begun within it, are part of it, and have not ended.
    pub nested: Shared<u32>,
    /// 1 where the launcher knows of its start: then it is told of its end.
    pub is_reported: Shared<u32>,
    /// A call: bytes between its stack pointer and the upper end of the stack, which stay the same when the stack is moved. A stack has a
    /// gigabyte at most.
    pub depth: Shared<u32>,
    /// When it began, in nanoseconds of `CLOCK_BOOTTIME`.
    pub began: Shared<u64>,
    /// What it is found by elsewhere, or 0. A server: the data pointer of the request's context; of `fasthttp`, its `*RequestCtx`. A client: its carrier, the
    /// address of the header map, where something is to be injected.
    pub object: Shared<u64>,
    /// A server: the `*http.Request` whose `Pattern` is read at the end (0 where there is none), and the response writer; of `hertz`, its
    /// `*RequestContext`. A client: the return address of the function that sends the request.
    pub words: [Shared<u64>; 2],
}

impl Operation {
    /// None.
    pub const NONE: Self = Self {
        span: SealedSpan::NONE,
        kind: Shared::new(0),
        nested: Shared::new(0),
        is_reported: Shared::new(0),
        depth: Shared::new(0),
        began: Shared::new(0),
        object: Shared::new(0),
        words: [const { Shared::new(0) }; 2],
    };

    /// Whether a request is served.
    #[inline(always)]
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.kind.get() < kind::HTTP_CLIENT
    }

    /// Notes what became of reporting its start: where nothing did, its end is not reported either.
    #[inline(always)]
    pub fn reported(&self, start: Done) -> Done {
        if start.is_err() {
            self.is_reported.set(0);
        }
        start
    }

    /// Forgets what others could find of it; `holder` is the address of its goroutine's `g`.
    ///
    /// A call of its own in BPF: what it branches on is forgotten when it returns.
    #[inline(never)]
    pub fn forget<T: Target>(&self, target: &T, holder: u64) {
        let object = self.object.get();
        if object == 0 {
            return;
        }
        self.object.set(target.opaque(0));
        if self.is_server() {
            // An operation whose end was missed may be closed long after: another request may have a context at that address.
            if target.context_goroutine(object) == Some(holder) {
                target.forget_context(object);
            }
        } else {
            if target.injection(object).is_some_and(|injection| injection.writes.get() == 0) {
                waiting::ended_unwritten(target, object);
            }
            target.forget_injection(object);
        }
        // What came with it, or what was sent with it that the program has set.
        if self.span.propagation() & u64::from(propagator::TRACE_STATE | propagator::BAGGAGE) != 0 {
            target.forget_extracted(extracted::key(self.span.span_id()));
        }
    }
}

const _: () = assert!(size_of::<Operation>() == 48 + 6 * 8);
