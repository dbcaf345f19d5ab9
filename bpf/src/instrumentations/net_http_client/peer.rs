//! To whom a request is written: the address at the other end of its connection.

use crate::config::http_client::PeerLayout;
use crate::go::words::word;
use crate::records::http_client::{NO_PEER, Peer};
use crate::target::Target;
use crate::trace::injection::Injection;

/// Words of a `net.TCPAddr` that are read at once.
pub const ADDRESS_WORDS: usize = 4;

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
    injection.set_peer(find(target, layout, connection).unwrap_or(NO_PEER));
}

#[inline(always)]
fn find<T: Target>(target: &T, layout: &PeerLayout, connection: u64) -> Option<Peer> {
    let bias = target.load_bias();
    let [mut table, mut data]: [u64; 2] = target.read(connection)?;
    if layout.tls.get() != 0 && table == layout.tls.get().wrapping_add(bias) {
        [table, data] = target.read(data.wrapping_add(layout.tls_inner.get().into()))?;
    }
    if table != layout.tcp.get().wrapping_add(bias) {
        return None;
    }
    let descriptor: u64 = target.read(data)?;
    let [table, address]: [u64; 2] = target.read(descriptor.wrapping_add(layout.remote.get().into()))?;
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
    // Not constants: of those the compiler makes a call of memset, which writes byte by byte.
    let nothing = [target.opaque(0); 2];
    #[expect(clippy::cast_possible_truncation, reason = "4 or 16, and a port")]
    let mut peer = Peer { address: bytemuck::cast(nothing), length: target.opaque(length) as u32, port: port as u32 };
    target.read_bytes(bytes, peer.length, &mut peer.address).then_some(peer)
}
