//! Where the address of the other end of a connection is, whoever's connection it is.

use bpf::config::Setting;
use bpf::config::http_client::{NO_PEER, PeerLayout};
use bpf::go::peer::ADDRESS_WORDS;

use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::LeftOut;

/// The types whose fields are read.
pub const TYPES: [&str; 3] = ["net.netFD", "net.TCPAddr", "crypto/tls.Conn"];

/// How to find the other end of a connection; nothing where the program has no TCP connections as expected.
///
/// # Errors
/// Where the program's types cannot be read, or are not as expected.
pub fn layout(facts: &Facts<'_>, fields: &mut FieldReader<'_>) -> Result<PeerLayout, LeftOut> {
    let [tcp, tls, address] = [("*net.TCPConn", "net.Conn"), ("*crypto/tls.Conn", "net.Conn"), ("*net.TCPAddr", "net.Addr")]
        .map(|(concrete, interface)| facts.binary.itab(concrete, interface).map(|itab| itab.map_or(0, |itab| itab.0)));
    let (tcp, tls, address) = (tcp?, tls?, address?);
    if tcp == 0 || address == 0 || facts.load_bias.is_none() {
        return Ok(NO_PEER);
    }
    Ok(PeerLayout {
        tcp: Setting::new(tcp),
        tls: Setting::new(tls),
        address: Setting::new(address),
        tls_inner: fields.optional("crypto/tls.Conn", "conn"),
        remote: fields.required("net.netFD", "raddr")?,
        port: fields.within("net.TCPAddr", "Port", 1, ADDRESS_WORDS)?,
        ..NO_PEER
    })
}
