//! What injects the context into requests by HTTP/2: a probe where a request's header fields are encoded, and the detours that add one.
//!
//! Read in `net/http/h2_bundle.go` (Go 1.21 to 1.26), `net/http/internal/http2/transport.go` (1.27) and
//! `golang.org/x/net/http2/transport.go`; `bpf/src/instrumentations/net_http_client/http2.rs` says what the probes do.
//!
//! match-go: 1.21..1.24: net/http.(*http2ClientConn).encodeHeaders(cc, req, addGzipHeader, trailers, contentLength)
//! match-go: 1.25..1.26: net/http.http2encodeRequestHeaders(req, addGzipHeader, peerMaxHeaderListSize, headerf)
//! match-go: 1.25..: net/http/internal/httpcommon.EncodeHeaders(ctx, param, headerf)
//! match-go: 1.21..1.26: net/http.(*http2ClientConn).writeHeaders(cc, streamID, endStream, maxFrameSize, hdrs)
//! match-go: 1.27..: net/http/internal/http2.encodeRequestHeaders(req, addGzipHeader, peerMaxHeaderListSize, headerf)
//! match-go: 1.27..: net/http/internal/http2.(*ClientConn).writeHeaders(cc, streamID, endStream, maxFrameSize, hdrs)
//! match-go: 1.21..: vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField(e, f)
//! match-go: 1.21..: bytes.(*Buffer).Write(b, p)
//! match-go: v0.17.0..: golang.org/x/net/http2.(*clientStream).encodeAndWriteHeaders(cs, req)
//! match-go: v0.17.0..v0.17.0: golang.org/x/net/http2.(*ClientConn).encodeHeaders(cc, req, addGzipHeader, trailers, contentLength)
//! match-go: v0.35.0..v0.35.0: golang.org/x/net/internal/httpcommon.EncodeHeaders(param, headerf)
//! match-go: v0.53.0..: golang.org/x/net/internal/httpcommon.EncodeHeaders(ctx, param, headerf)
//! match-go: v0.53.0..: golang.org/x/net/http2.encodeRequestHeaders(req, addGzipHeader, peerMaxHeaderListSize, headerf)
//! match-go: v0.17.0..: golang.org/x/net/http2.(*ClientConn).writeHeaders(cc, streamID, endStream, maxFrameSize, hdrs)
//! match-go: v0.17.0..: golang.org/x/net/http2/hpack.(*Encoder).WriteField(e, f)

use bpf::config::Setting;
use bpf::config::http_client::{Http2ClientLayout, HttpClientConfig, event};
use bpf::slots::site;

use super::Writing;
use crate::executor::Moment;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::LeftOut;
use crate::probes::probe::{Event, Probe, When};

/// Where an encoder puts the bytes of its fields.
pub(super) const BUFFER_WRITE: &str = "bytes.(*Buffer).Write";

/// An implementation of the client.
#[derive(Debug)]
pub(super) struct Http2Client {
    /// Encodes a request's header fields, by one of `encoders`, and calls `write` with them.
    pub(super) encode: &'static str,
    /// What does the encoding, in one version or another.
    pub(super) encoders: &'static [&'static str],
    /// Writes encoded header fields: the fifth to seventh argument are the slice.
    pub(super) write: &'static str,
    /// Encodes a header field.
    pub(super) write_field: &'static str,
    /// The type of an encoder.
    pub(super) encoder: &'static str,
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
        encoders: &[
            "net/http.(*http2ClientConn).encodeHeaders",
            "net/http.http2encodeRequestHeaders",
            "net/http/internal/httpcommon.EncodeHeaders",
        ],
        write: "net/http.(*http2ClientConn).writeHeaders",
        write_field: "vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField",
        encoder: "vendor/golang.org/x/net/http2/hpack.Encoder",
        types: "net/http.http2",
        request: "net/http.Request",
        is_xnet: false,
    },
    Http2Client {
        encode: "net/http/internal/http2.(*clientStream).encodeAndWriteHeaders",
        encoders: &["net/http/internal/http2.encodeRequestHeaders", "net/http/internal/httpcommon.EncodeHeaders"],
        write: "net/http/internal/http2.(*ClientConn).writeHeaders",
        write_field: "vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField",
        encoder: "vendor/golang.org/x/net/http2/hpack.Encoder",
        types: "net/http/internal/http2.",
        request: "net/http/internal/http2.ClientRequest",
        is_xnet: false,
    },
    Http2Client {
        encode: "golang.org/x/net/http2.(*clientStream).encodeAndWriteHeaders",
        encoders: &[
            "golang.org/x/net/http2.(*ClientConn).encodeHeaders",
            "golang.org/x/net/http2.encodeRequestHeaders",
            "golang.org/x/net/internal/httpcommon.EncodeHeaders",
        ],
        write: "golang.org/x/net/http2.(*ClientConn).writeHeaders",
        write_field: "golang.org/x/net/http2/hpack.(*Encoder).WriteField",
        encoder: "golang.org/x/net/http2/hpack.Encoder",
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
    stack_high: u32,
    config: &mut HttpClientConfig,
) -> Result<Writing, LeftOut> {
    let number = if client.is_xnet { event::INJECT_XNET } else { event::INJECT_HTTP2 };
    let encoded = super::event(number, When::Inject, "the header fields of a request are encoded");
    let encode = encoding(facts, client, encoded)?;
    let Some([stream, request]) = facts.binary.spilled_arguments(facts.function(client.encode)?, [0, 1])? else {
        return Err(LeftOut::NotUnderstood(format!("{} does not keep its arguments where they are expected", client.encode)));
    };
    // That they are written by this function.
    facts.at_call_of(client.encode, client.write, encoded)?;
    let detours = vec![
        facts.detour(client.write_field, (site::HEADER_FIELDS, Moment::Field), stack_high)?,
        facts.detour(client.write, (site::HEADER_FIELDS, Moment::Headers), stack_high)?,
        facts.detour(BUFFER_WRITE, (site::HEADER_FIELDS, Moment::Buffer), stack_high)?,
    ];
    let connection = format!("{}ClientConn", client.types);
    let layout = Http2ClientLayout {
        stream: Setting::new(stream),
        request: Setting::new(request),
        header: fields.required(client.request, "Header")?,
        connection: fields.required(&format!("{}clientStream", client.types), "cc")?,
        encoder: fields.required(&connection, "henc")?,
        writer: fields.required(client.encoder, "w")?,
        buffer: fields.required(&connection, "hbuf")?,
        connected: fields.required(&connection, "tconn")?,
    };
    let [std, xnet] = &mut config.http2;
    *(if client.is_xnet { xnet } else { std }) = layout;
    Ok(Writing { probes: vec![encode], detours })
}

/// The probe where a request's header fields are encoded: the connection is this goroutine's there.
fn encoding(facts: &Facts<'_>, client: &Http2Client, event: Event) -> Result<Probe, LeftOut> {
    let site = |encoder: &&str| facts.at_call_of(client.encode, encoder, event).ok();
    // Whether the program uses it at all.
    facts.function(client.encode)?;
    let found = client.encoders.iter().find_map(site);
    found.ok_or_else(|| LeftOut::NotUnderstood(format!("{} calls nothing that is known to encode", client.encode)))
}
