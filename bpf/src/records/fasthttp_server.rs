//! The start of a request that `fasthttp` or `hertz` serves; its end is that of any server of HTTP.

use bytemuck::{Pod, Zeroable};

use super::http_client::Peer;
use super::http_server::{HttpServerStart, TEXTS, text};

/// A server has read the header of a request. The strings of [`text`] follow: `PATH` is what stands in the request line, path and query, and
/// there is no `REMOTE`.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct FasthttpServerStart {
    /// `kind` is [`super::kind::FASTHTTP_SERVER_START`] or [`super::kind::HERTZ_SERVER_START`].
    pub start: HttpServerStart,
    /// Who has sent it.
    pub peer: Peer,
}

/// How many bytes of each string a record holds at most.
pub static CAPACITIES: [u32; TEXTS] = {
    let mut capacities = super::http_server::CAPACITIES;
    capacities[text::PATH] += capacities[text::QUERY];
    capacities
};

const _: () = assert!(size_of::<FasthttpServerStart>() == size_of::<HttpServerStart>() + 24);
