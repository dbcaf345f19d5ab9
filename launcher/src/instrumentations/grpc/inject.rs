//! What injects the context into the metadata of calls: probes where a call's header fields are made and where they are encoded, and the
//! detours that add some.
//!
//! `bpf/src/instrumentations/grpc_client.rs` says what the probes do.
//!
//! match-go: v1.83.0..: google.golang.org/grpc/internal/transport.(*loopyWriter).clientHeaderHandler(l, hdr)
//! match-go: v0.17.0..: golang.org/x/net/http2.(*Framer).WriteHeaders(f, p)

use bpf::config::ReadOnlyData as _;
use bpf::config::grpc::{EMPTY_GRPC_CLIENT, GrpcClientConfig, event};
use bpf::slots::site;

use crate::executor::Moment;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::library::Protocol;
use crate::probes::plan::{Layout, LeftOut, Planned};
use crate::probes::probe::{Body, Event, Probe, When};

const FIELDS: &str = "google.golang.org/grpc/internal/transport.(*http2Client).createHeaderFields";
/// Who writes the header fields of calls, for clients alone; up to 1.82 the second.
const CLIENTS: [&str; 2] = [
    "google.golang.org/grpc/internal/transport.(*loopyWriter).clientHeaderHandler",
    "google.golang.org/grpc/internal/transport.(*loopyWriter).originateStream",
];
const WRITE: &str = "google.golang.org/grpc/internal/transport.(*loopyWriter).writeHeader";
const WRITE_FIELD: &str = "golang.org/x/net/http2/hpack.(*Encoder).WriteField";
const WRITE_FRAME: &str = "golang.org/x/net/http2.(*Framer).WriteHeaders";
const BUFFER_WRITE: &str = "bytes.(*Buffer).Write";

const WRITER: &str = "google.golang.org/grpc/internal/transport.loopyWriter";
const ENCODER: &str = "golang.org/x/net/http2/hpack.Encoder";

/// See the file's head.
pub(super) static PROTOCOL: Protocol = Protocol {
    functions: &[FIELDS, CLIENTS[0], CLIENTS[1], WRITE, WRITE_FIELD, WRITE_FRAME, BUFFER_WRITE],
    types: &[WRITER, ENCODER, "runtime.g", "runtime.stack"],
    plan,
};

/// Words of what `createHeaderFields` returns that are read: a slice, and the type of the error.
const RESULTS: usize = 4;

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    if let Some(why) = facts.not_written {
        return Err(LeftOut::NotUnderstood(why.to_owned()));
    }
    let mut fields = FieldReader::new(&facts.layouts);
    let event = |number: u32, meaning: &'static str| Event { meaning, when: When::Inject, body: Body::GrpcClient, number };
    let made = facts.at_ends(FIELDS, RESULTS, event(event::FIELDS, "the header fields of a call are made"))?;
    let written = written(facts, event(event::WRITE, "the header fields of a call are encoded"))?;
    let stack_high = fields.stack_high()?;
    let detour = |name: &str, moment: Moment| facts.detour(name, (site::HEADER_FIELDS, moment), stack_high);
    let detours =
        vec![detour(WRITE_FIELD, Moment::Field)?, detour(BUFFER_WRITE, Moment::Buffer)?, detour(WRITE_FRAME, Moment::Frame)?];
    let config = GrpcClientConfig {
        encoder: fields.required(WRITER, "hEnc")?,
        buffer: fields.required(WRITER, "hBuf")?,
        writer: fields.required(ENCODER, "w")?,
        ..EMPTY_GRPC_CLIENT
    };
    let layouts = vec![(Layout::GrpcClient, config.as_bytes().to_vec())];
    Ok(Planned { probes: vec![made, written], fields: fields.sources, layouts, detours, ..Planned::default() })
}

/// The probe where header fields are encoded: those of calls alone. An array of a server's may lie where one was that is remembered.
fn written(facts: &Facts<'_>, event: Event) -> Result<Probe, LeftOut> {
    let [newer, older] = CLIENTS;
    facts.at_call_of(newer, WRITE, event).or_else(|_absent| facts.at_call_of(older, WRITE, event))
}
