//! The address at the other end of a `net.Conn`, as far as that is a `*net.TCPConn`, or a `*tls.Conn` over one.

use crate::config::http_client::PeerLayout;
use crate::go::words::word;
use crate::records::http_client::Peer;
use crate::target::Target;

/// Words of a `net.TCPAddr` that are read at once.
pub const ADDRESS_WORDS: usize = 4;

/// The peer of the `net.Conn` whose interface value is at `connection`.
#[inline(always)]
pub fn find<T: Target>(target: &T, layout: &PeerLayout, connection: u64) -> Option<Peer> {
    let bias = target.load_bias();
    let [mut table, mut data]: [u64; 2] = target.read(connection)?;
    if layout.tls.get() != 0 && table == layout.tls.get().wrapping_add(bias) {
        [table, data] = target.read(data.wrapping_add(layout.tls_inner.get().into()))?;
    }
    if table != layout.tcp.get().wrapping_add(bias) {
        return None;
    }
    let descriptor: u64 = target.read(data)?;
    of_address(target, layout, descriptor.wrapping_add(layout.remote.get().into()))
}

/// The peer by the `net.Addr` whose interface value is at `address`, if that is a `*net.TCPAddr`.
#[inline(always)]
pub fn of_address<T: Target>(target: &T, layout: &PeerLayout, address: u64) -> Option<Peer> {
    let [table, address]: [u64; 2] = target.read(address)?;
    if table != layout.address.get().wrapping_add(target.load_bias()) {
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
