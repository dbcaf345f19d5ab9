//! What injects the context into the metadata of calls: probes where a call's header fields are handed over and where they are encoded, and
//! the detours that add some.
//!
//! `bpf/src/instrumentations/grpc_client.rs` says what the probes do.
//!
//! match-go: v1.83.0..: google.golang.org/grpc/internal/transport.(*loopyWriter).clientHeaderHandler(l, hdr)
//! match-go: v0.17.0..: golang.org/x/net/http2.(*Framer).WriteHeaders(f, p)

use bpf::config::grpc::{EMPTY_GRPC_CLIENT, GrpcClientConfig, event};
use bpf::config::{Offset, ReadOnlyData as _, Setting};
use bpf::slots::site;

use super::returns;
use crate::binary::{Architecture, Function};
use crate::executor::Moment;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::library::Protocol;
use crate::probes::plan::{Layout, LeftOut, Planned};
use crate::probes::probe::{Body, Event, Probe, When};

/// An attempt at a call, and what makes its stream.
const ATTEMPT: &str = "google.golang.org/grpc.csAttempt";
const MAKE_ATTEMPT: &str = "google.golang.org/grpc.(*csAttempt).newStream";
/// Where a call's header fields are made, called by that, …
const CALL: &str = "google.golang.org/grpc/internal/transport.(*http2Client).NewStream";
/// … and put into the list of what the connection is to write: its last parameter is an interface with them. It is called once, again
/// where the connection has too many calls.
const PUT: &str = "google.golang.org/grpc/internal/transport.(*controlBuffer).executeAndPut";
/// What is put there; up to 1.82 the second.
const ITEMS: [&str; 2] =
    ["google.golang.org/grpc/internal/transport.clientHeaders", "google.golang.org/grpc/internal/transport.headerFrame"];
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
    functions: &[
        MAKE_ATTEMPT,
        CALL,
        PUT,
        CLIENTS[0],
        CLIENTS[1],
        WRITE,
        WRITE_FIELD,
        WRITE_FRAME,
        BUFFER_WRITE,
        returns::FUNCTIONS[0],
        returns::FUNCTIONS[1],
        returns::FUNCTIONS[2],
        returns::FUNCTIONS[3],
    ],
    types: &[WRITER, ENCODER, ATTEMPT, ITEMS[0], ITEMS[1], "runtime.g", "runtime.stack"],
    plan,
};

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    if let Some(why) = facts.not_written {
        return Err(LeftOut::NotUnderstood(why.to_owned()));
    }
    let mut fields = FieldReader::new(&facts.layouts);
    let event = |number: u32, meaning: &'static str| Event { meaning, when: When::Inject, body: Body::GrpcClient, number };
    let put = returns::only_call(facts, CALL, PUT, event(event::FIELDS, "the header fields of a call are handed over"))?;
    let written = written(facts, event(event::WRITE, "the header fields of a call are encoded"))?;
    let stack_high = fields.stack_high()?;
    let detour = |name: &str, moment: Moment| facts.detour(name, (site::HEADER_FIELDS, moment), stack_high);
    let detours =
        vec![detour(WRITE_FIELD, Moment::Field)?, detour(BUFFER_WRITE, Moment::Buffer)?, detour(WRITE_FRAME, Moment::Frame)?];
    let attempt = attempt(facts).ok();
    let config = GrpcClientConfig {
        encoder: fields.required(WRITER, "hEnc")?,
        buffer: fields.required(WRITER, "hBuf")?,
        writer: fields.required(ENCODER, "w")?,
        fields: item(facts, &mut fields)?,
        call: fields.optional(ATTEMPT, "cs"),
        attempt: Setting::new(attempt.map_or(0, |function| function.entry.0)),
        attempt_length: Setting::new(attempt.map_or(0, length)),
        ..EMPTY_GRPC_CLIENT
    };
    let layouts = vec![(Layout::GrpcClient, config.as_bytes().to_vec())];
    Ok(Planned { probes: vec![put, written], fields: fields.sources, layouts, detours, ..Planned::default() })
}

/// That the object of a call is noted where its header fields are handed over.
///
/// # Errors
/// Where it is not.
pub(super) fn notes_calls(facts: &Facts<'_>) -> Result<(), LeftOut> {
    attempt(facts)?;
    plan(facts).map(|_planned| ())
}

/// What makes the stream of an attempt, if it is plain that it keeps its receiver where a probe in what it calls finds it by the frame pointer.
fn attempt<'f>(facts: &'f Facts<'_>) -> Result<&'f Function, LeftOut> {
    let function = facts.function(MAKE_ATTEMPT)?;
    let is_kept = facts.binary.architecture() == Architecture::Amd64 && facts.binary.spilled_arguments(function, [0])?.is_some();
    if !is_kept || facts.layouts.field(ATTEMPT, "cs").is_none() {
        return Err(LeftOut::NotUnderstood(format!("{MAKE_ATTEMPT} does not keep its receiver where it is expected")));
    }
    Ok(function)
}

fn length(function: &Function) -> u64 {
    function.end.distance_from(function.entry).unwrap_or(0)
}

/// Where the header fields lie in what is handed over.
fn item(facts: &Facts<'_>, fields: &mut FieldReader<'_>) -> Result<Offset, LeftOut> {
    let [newer, older] = ITEMS;
    fields.required(if facts.layouts.field(newer, "hf").is_some() { newer } else { older }, "hf")
}

/// The probe where header fields are encoded: those of calls alone. An array of a server's may lie where one was that is remembered.
fn written(facts: &Facts<'_>, event: Event) -> Result<Probe, LeftOut> {
    let [newer, older] = CLIENTS;
    facts.at_call_of(newer, WRITE, event).or_else(|_absent| facts.at_call_of(older, WRITE, event))
}
