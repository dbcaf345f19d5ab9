//! To whom a request is written: the address at the other end of its connection.

use crate::config::http_client::PeerLayout;
use crate::go::peer;
use crate::records::http_client::NO_PEER;
use crate::target::Target;
use crate::trace::injection::Injection;

/// Notes that a request's header is being written to the `net.Conn` whose interface value is at `connection`.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub(super) fn note<T: Target>(target: &T, layout: &PeerLayout, connection: u64, injection: &Injection) {
    injection.writes.set(injection.writes.get().wrapping_add(1));
    // What nobody will see need not be read.
    if layout.tcp.get() == 0 || !injection.span.is_sampled() {
        return;
    }
    injection.set_peer(peer::find(target, layout, connection).unwrap_or(NO_PEER));
}
