//! Whether the parent that what is sent names was copied: a proxy hands on what came with the request that it serves.

use crate::records::SpanIdentity;
use crate::target::{Lookup, Step, Target};
use crate::trace::frames::{self, MAX_LEVELS};
use crate::trace::goroutine::Goroutine;
use crate::trace::remote::RemoteParent;

/// Whether a request that a goroutine serves, in whichever of its open operations, is a child of the span that `named` says.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub fn is_copied<T: Target>(target: &T, goroutine: &Goroutine, named: &RemoteParent) -> bool {
    let address = goroutine.holder();
    let mut span = SpanIdentity::NONE;
    let is_its = goroutine.active().is_some_and(|served| served.span.copy_of(address, &mut span));
    let is_served = is_its & span.is_child_of(&named.trace_id, &named.parent_id);
    let mut look = Look { address, level: goroutine.frames().into(), named, found: target.opaque(is_served.into()) };
    if target.parents().has_frames.get() != 0 {
        target.repeat(MAX_LEVELS, &mut look);
    }
    target.opaque(look.found) != 0
}

/// The look at open operations of tables, from the inside out.
struct Look<'a> {
    address: u64,
    /// Above the one that is looked at next.
    level: u64,
    named: &'a RemoteParent,
    /// 1 where one serves a request of the span's.
    found: u64,
}

impl Step for Look<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { address, level, named, found } = self;
        if *level == 0 || *found != 0 {
            return false;
        }
        *level -= 1;
        #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
        let own = frames::key(*address, *level as u32);
        let mut span = SpanIdentity::NONE;
        if let Some(frame) = lookup.frame(own)
            && frame.span.copy_of(own, &mut span)
        {
            let is_served = frame.outside.get() == u64::from_ne_bytes(span.span_id);
            *found = u64::from(is_served & span.is_child_of(&named.trace_id, &named.parent_id));
        }
        true
    }
}
