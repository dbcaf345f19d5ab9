//! To whom a request is written: the address at the other end of its connection.

use crate::config::http_client::PeerLayout;
use crate::go::words::word;
use crate::records::http_client::Peer;
use crate::target::Target;
use crate::trace::client::Injection;

/// Words of a `net.TCPAddr` that are read at once.
pub const ADDRESS_WORDS: usize = 4;

/// Notes that a request's header is being written to the `net.Conn` whose interface value is at `connection`.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub(super) fn note<T: Target>(target: &T, connection: u64, injection: &mut Injection) -> Option<()> {
    injection.writes += 1;
    let layout = &target.http_client().peer;
    // What nobody will see need not be read.
    if layout.tcp.get() == 0 || injection.span.trace_flags & 1 == 0 {
        return None;
    }
    injection.peer.length = 0;
    find(target, layout, connection, &mut injection.peer)
}

#[inline(always)]
fn find<T: Target>(target: &T, layout: &PeerLayout, connection: u64, peer: &mut Peer) -> Option<()> {
    let bias = target.load_bias();
    let [mut table, mut data]: [u64; 2] = target.read(connection)?;
    if layout.tls.get() != 0 && table == layout.tls.get().wrapping_add(bias) {
        [table, data] = target.read(data + u64::from(layout.tls_inner.get()))?;
    }
    if table != layout.tcp.get().wrapping_add(bias) {
        return None;
    }
    let descriptor: u64 = target.read(data)?;
    let [table, address]: [u64; 2] = target.read(descriptor + u64::from(layout.remote.get()))?;
    if table != layout.address.get().wrapping_add(bias) {
        return None;
    }
    // `IP` and `Port`, at once.
    let words: [u64; ADDRESS_WORDS] = target.read(address)?;
    let [bytes, length, ..] = words;
    let port = word(&words, layout.port.get());
    if length != 4 && length != 16 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "4 or 16, and a port")]
    let (length, port) = (length as u32, port as u32);
    if !target.read_bytes(bytes, length, &mut peer.address) {
        return None;
    }
    peer.length = length;
    peer.port = port;
    Some(())
}
