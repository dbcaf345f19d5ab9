//! What passes the context on by HTTP/2: a probe where a request's header fields are encoded, the detours that add one, and,
//! once per connection, memory for the first buffer of the fields, so that there is room.
//!
//! Read in `net/http/h2_bundle.go` (Go 1.21 to 1.26), `net/http/internal/http2/transport.go` (1.27) and
//! `golang.org/x/net/http2/transport.go`; `bpf/src/instrumentations/net_http_client/http2.rs` says what the probes do.

use bpf::config::http_client::{Http2ClientLayout, HttpClientConfig, cookie};
use bpf::instrumentations::net_http_client::detour as number;

use super::{PROGRAM, Writing, call_of, detour};
use crate::executor::Moment;
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
    /// Encodes a header field.
    pub(super) write_field: &'static str,
    /// What the names of its types begin with.
    types: &'static str,
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
        write_field: "vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField",
        types: "net/http.http2",
        request: "net/http.Request",
        is_xnet: false,
    },
    Http2Client {
        encode: "net/http/internal/http2.(*clientStream).encodeAndWriteHeaders",
        write: "net/http/internal/http2.(*ClientConn).writeHeaders",
        connect: "net/http/internal/http2.(*Transport).newClientConn",
        new_encoder: "vendor/golang.org/x/net/http2/hpack.NewEncoder",
        write_field: "vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField",
        types: "net/http/internal/http2.",
        request: "net/http/internal/http2.ClientRequest",
        is_xnet: false,
    },
    Http2Client {
        encode: "golang.org/x/net/http2.(*clientStream).encodeAndWriteHeaders",
        write: "golang.org/x/net/http2.(*ClientConn).writeHeaders",
        connect: "golang.org/x/net/http2.(*Transport).newClientConn",
        new_encoder: "golang.org/x/net/http2/hpack.NewEncoder",
        write_field: "golang.org/x/net/http2/hpack.(*Encoder).WriteField",
        types: "golang.org/x/net/http2.",
        request: "net/http.Request",
        is_xnet: true,
    },
];

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
    // That they are written by this function.
    call_of(facts, client.encode, client.write, "", 0)?;
    let lend = call_of(facts, client.connect, client.new_encoder, "a connection's encoder is made", lending)?;
    let detours = vec![
        detour(facts, client.write_field, (number::HEADER_FIELDS + behind, Moment::Field), config)?,
        detour(facts, client.write, (number::HEADER_FIELDS + behind, Moment::Headers), config)?,
        detour(facts, client.new_encoder, (number::NEW_ENCODER + behind, Moment::Depth), config)?,
    ];
    let connection = format!("{}ClientConn", client.types);
    let layout = Http2ClientLayout {
        header: fields.required(client.request, "Header")?,
        connection: fields.required(&format!("{}clientStream", client.types), "cc")?,
        encoder: fields.required(&connection, "henc")?,
        buffer: fields.required(&connection, "hbuf")?,
    };
    let [std, xnet] = &mut config.http2;
    *(if client.is_xnet { xnet } else { std }) = layout;
    Ok(Writing { sites: vec![encode, lend], detours })
}
