//! What passes the context on by HTTP/2: a probe where a request's header fields are encoded, the detour that appends one,
//! and, once per connection, memory for the first buffer of the fields, so that there is room.
//!
//! Read in `net/http/h2_bundle.go` (Go 1.21 to 1.26), `net/http/internal/http2/transport.go` (1.27) and
//! `golang.org/x/net/http2/transport.go`; `bpf/src/instrumentations/net_http_client/http2.rs` says what the probes do.

use bpf::config::Setting;
use bpf::config::http_client::{Http2ClientLayout, HttpClientConfig, cookie};
use bpf::instrumentations::net_http_client::detour as number;

use super::{PROGRAM, Writing, call_of, detour};
use crate::instrumentations::layouts::FieldReader;
use crate::probes::plan::{Facts, LeftOut};

/// An implementation of the client.
#[derive(Debug)]
pub(super) struct Http2Client {
    /// Encodes a request's header fields and calls `write` with them.
    pub(super) encode: &'static str,
    /// Writes encoded header fields: RSI, R8 and R9 are the slice.
    pub(super) write: &'static str,
    /// Makes a connection, with `new_encoder`.
    pub(super) connect: &'static str,
    /// Makes the encoder of a connection.
    pub(super) new_encoder: &'static str,
    /// The type of a request.
    request: &'static str,
    /// That of `golang.org/x/net/http2`.
    is_xnet: bool,
}

/// All of them. A program has at most one of the first two.
pub(super) const CLIENTS: [Http2Client; 3] = [
    Http2Client {
        encode: "net/http.(*http2clientStream).encodeAndWriteHeaders",
        write: "net/http.(*http2ClientConn).writeHeaders",
        connect: "net/http.(*http2Transport).newClientConn",
        new_encoder: "vendor/golang.org/x/net/http2/hpack.NewEncoder",
        request: "net/http.Request",
        is_xnet: false,
    },
    Http2Client {
        encode: "net/http/internal/http2.(*clientStream).encodeAndWriteHeaders",
        write: "net/http/internal/http2.(*ClientConn).writeHeaders",
        connect: "net/http/internal/http2.(*Transport).newClientConn",
        new_encoder: "vendor/golang.org/x/net/http2/hpack.NewEncoder",
        request: "net/http/internal/http2.ClientRequest",
        is_xnet: false,
    },
    Http2Client {
        encode: "golang.org/x/net/http2.(*clientStream).encodeAndWriteHeaders",
        write: "golang.org/x/net/http2.(*ClientConn).writeHeaders",
        connect: "golang.org/x/net/http2.(*Transport).newClientConn",
        new_encoder: "golang.org/x/net/http2/hpack.NewEncoder",
        request: "net/http.Request",
        is_xnet: true,
    },
];

/// From the stack pointer before `PUSHQ BP` to that of the detour in what is called, but for the frame: the saved BP, the
/// return address, and the BP saved there.
const FROM_FRAME: u32 = 24;

/// Plans it for one implementation, and notes in `config` what the probes need to know of it.
pub(super) fn plan(
    facts: &Facts<'_>,
    client: &Http2Client,
    fields: &mut FieldReader<'_>,
    config: &mut HttpClientConfig,
) -> Result<Writing, LeftOut> {
    let (writing, lending) =
        if client.is_xnet { (cookie::XNET_WRITE, cookie::XNET_LEND) } else { (cookie::HTTP2_WRITE, cookie::HTTP2_LEND) };
    let behind = if client.is_xnet { number::XNET } else { 0 };
    let encode = facts.entry_site(client.encode, "the header fields of a request are encoded", PROGRAM, writing)?;
    // That they are written by this function, with this frame on the stack.
    call_of(facts, client.encode, client.write, "", 0)?;
    let Some(frame) = facts.binary.frame(facts.function(client.encode)?)? else {
        return Err(LeftOut::NotUnderstood(format!("the code of {} makes no frame", client.encode)));
    };
    let write = detour(facts, client.write, number::WRITE_HEADERS + behind, config)?;
    let lend = call_of(facts, client.connect, client.new_encoder, "a connection's encoder is made", lending)?;
    let new_encoder = detour(facts, client.new_encoder, number::NEW_ENCODER + behind, config)?;
    let layout =
        Http2ClientLayout { header: fields.required(client.request, "Header")?, to_detour: Setting::new(frame + FROM_FRAME) };
    let [std, xnet] = &mut config.http2;
    *(if client.is_xnet { xnet } else { std }) = layout;
    Ok(Writing { sites: vec![encode, lend], detours: vec![write, new_encoder] })
}
