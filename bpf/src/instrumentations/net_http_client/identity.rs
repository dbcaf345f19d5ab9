//! Whose child the span of a request is, and whether what its headers name is a copy.

use crate::config::propagator;
use crate::go::header::InSlices;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::goroutine::Goroutine;
use crate::trace::parents::ParentSearch;
use crate::trace::remote::RemoteParent;
use crate::trace::{injection, proxied, remote, sampling, wrapped};

/// Gives a new span its identity: under the parent that the program has named in the request's headers itself, else under the
/// one that was found. What the program has set stays the only one of its kind.
#[inline(always)]
pub(super) fn identify<T: Target>(target: &T, scratch: &mut Scratch, goroutine: &Goroutine) {
    let Scratch { span, search, random, headers, remote, .. } = scratch;
    remote::extract::<_, InSlices>(target, &headers.found, remote);
    span.span_id = random.span_id();
    span.parent_is_remote = 0;
    // A proxy that copies the headers of the request that it serves has not named a parent.
    let is_copied = is_copied(target, goroutine, search, remote);
    let is_sent_for = search.found != 0 && search.parent.propagation & propagator::BY_HTTP != 0;
    let decision = if is_sent_for {
        // That of the operation whose request it is.
        search.parent.copy_to(span);
        Some(search.parent.trace_flags & 1 != 0)
    } else if remote.found != 0 && !is_copied {
        span.trace_id = remote.trace_id;
        span.parent_span_id = remote.parent_id;
        remote.decision()
    } else {
        search.begin(span, random)
    };
    span.trace_flags = u8::from(sampling::is_sampled(target.settings(), &span.trace_id, decision));
    span.propagation = injection::to_inject(target.propagators(), search.parent.propagation, &headers.found, is_copied);
}

/// Where the SDK's span is that of this request, it is that of the operation, which is not reported; else 1.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub(super) fn adopt<T: Target>(target: &T, scratch: &mut Scratch) -> u64 {
    let Scratch { search, span, .. } = scratch;
    if search.is_wrapped == 0 {
        return target.opaque(1);
    }
    let propagation = span.propagation;
    search.parent.copy_to(span);
    span.propagation = propagation;
    target.opaque(0)
}

/// Whether the headers name the parent of the one that was found, or of the request that is served around it; or the one that was found,
/// unless the SDK records that as a call.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn is_copied<T: Target>(target: &T, goroutine: &Goroutine, search: &ParentSearch, named: &RemoteParent) -> bool {
    let mut is_copied = target.opaque(0);
    if search.found != 0 && named.found != 0 {
        is_copied |= u64::from(search.parent.is_child_of(&named.trace_id, &named.parent_id));
        is_copied |= u64::from(proxied::is_copied(target, goroutine, named));
        // Of a span that the SDK does not record the program knows by what stands in for ours; and one of its own that is no call (of the
        // request that it serves) is named where it sends the request without a span for that.
        let is_parent = u64::from_ne_bytes(search.parent.span_id) == u64::from_ne_bytes(named.parent_id);
        is_copied |= u64::from(is_parent) & (wrapped::is_call(target, search) ^ 1);
    }
    target.opaque(is_copied) != 0
}
