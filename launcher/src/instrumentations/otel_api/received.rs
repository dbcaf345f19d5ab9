//! The baggage that came with a request, for a program that asks for it by the API.

use bpf::config::otel_api::{NO_RECEIVED, ReceivedConfig, event};
use bpf::config::{ABSENT, Offset, Setting};
use bpf::slots::site;

use crate::binary::Kind;
use crate::executor::Moment;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::{LeftOut, Planned};

/// Gives the baggage of a context, a map.
///
/// match-go: v1.28.0..: go.opentelemetry.io/otel/internal/baggage.ListFromContext(ctx)
pub(super) const LIST: &str = "go.opentelemetry.io/otel/internal/baggage.ListFromContext";
/// Makes baggage, which is nothing but such a map, of the value of a header.
///
/// match-go: v1.28.0..: go.opentelemetry.io/otel/baggage.Parse(bStr)
pub(super) const PARSE: &str = "go.opentelemetry.io/otel/baggage.Parse";

/// Types that are read.
pub(super) const TYPES: [&str; 12] = [
    BAGGAGE,
    RESPONSE,
    REQUEST,
    HEADER,
    METADATA,
    SERVERS[0].writer,
    SERVERS[0].state,
    SERVERS[1].writer,
    SERVERS[1].state,
    SERVERS[1].request,
    SERVERS[2].writer,
    SERVERS[2].state,
];
/// Nothing but a map.
const BAGGAGE: &str = "go.opentelemetry.io/otel/baggage.Baggage";
const RESPONSE: &str = "net/http.response";
const REQUEST: &str = "net/http.Request";
const HEADER: &str = "net/http.Header";
const METADATA: &str = "google.golang.org/grpc/metadata.MD";
const METADATA_KEY: &str = "google.golang.org/grpc/metadata.mdIncomingKey";

/// An HTTP/2 server.
struct Http2Server {
    /// Its place in [`ReceivedConfig::state`].
    number: usize,
    writer: &'static str,
    state: &'static str,
    request: &'static str,
}

const SERVERS: [Http2Server; 3] = [
    Http2Server {
        number: 0,
        writer: "net/http.http2responseWriter",
        state: "net/http.http2responseWriterState",
        request: REQUEST,
    },
    Http2Server {
        number: 0,
        writer: "net/http/internal/http2.responseWriter",
        state: "net/http/internal/http2.responseWriterState",
        request: "net/http/internal/http2.ServerRequest",
    },
    Http2Server {
        number: 1,
        writer: "golang.org/x/net/http2.responseWriter",
        state: "golang.org/x/net/http2.responseWriterState",
        request: REQUEST,
    },
];

/// The probe by which the program gets it.
///
/// # Errors
/// [`LeftOut::NotUsed`] where it does not ask for any; else what is missing.
pub(super) fn plan(
    facts: &Facts<'_>,
    fields: &mut FieldReader<'_>,
    stack_high: u32,
    planned: &mut Planned,
) -> Result<ReceivedConfig, LeftOut> {
    if !facts.functions.has(LIST) {
        return Err(LeftOut::NotUsed(LIST.to_owned()));
    }
    if let Some(why) = facts.not_stored {
        return Err(LeftOut::NotUnderstood(why.to_owned()));
    }
    if !facts.functions.has(PARSE) {
        let why = format!("the program has no {PARSE}, as one with a propagator for baggage (propagation.Baggage) has");
        return Err(LeftOut::NotUnderstood(why));
    }
    if facts.layouts.get(BAGGAGE).is_some_and(|layout| layout.size != 8) {
        return Err(LeftOut::NotUnderstood(format!("{BAGGAGE} is not as expected")));
    }
    let parse = facts.function(PARSE)?.entry;
    let metadata_key = facts.binary.type_named(METADATA_KEY)?.filter(|_| facts.layouts.map(METADATA).is_some());
    let map = if metadata_key.is_some() { METADATA } else { HEADER };
    let mut found = ReceivedConfig {
        parse: Setting::new(parse.0),
        metadata_key: Setting::new(metadata_key.map_or(0, |key| key.0)),
        map: fields.string_map(map)?,
        request: fields.optional(RESPONSE, "req"),
        header: fields.optional(REQUEST, "Header"),
        ..NO_RECEIVED
    };
    let is_known = |offsets: &[Offset]| offsets.iter().all(|offset| offset.get() != ABSENT);
    for server in SERVERS.iter().filter(|server| facts.layouts.get(server.writer).is_some()) {
        let (of_state, of_request) = (fields.optional(server.writer, "rws"), fields.optional(server.request, "Header"));
        let is_within = facts.layouts.field(server.state, "req").is_some_and(|field| field.kind == Kind::Struct);
        let (request, header) = if is_within {
            (Setting::new(ABSENT), fields.nested(server.state, "req", server.request, "Header"))
        } else {
            (fields.optional(server.state, "req"), of_request)
        };
        if is_known(&[of_state, header]) && (is_within || is_known(&[request])) {
            let places = [&mut found.state, &mut found.state_request, &mut found.state_header];
            for (place, offset) in places.into_iter().zip([of_state, request, header]) {
                place[server.number] = offset;
            }
        }
    }
    if !is_known(&[found.request, found.header]) {
        return Err(LeftOut::NotUnderstood("the program does not describe how net/http's server has its requests".to_owned()));
    }
    let probe = facts.at_entry(LIST, super::event(event::BAGGAGE, "the program asks for the baggage of a context"))?;
    // What is replaced there must leave the return address on top of the stack.
    if probe.sites.iter().filter_map(|site| site.patch.as_ref()).any(|patch| patch.stack != 0) {
        return Err(LeftOut::NotUnderstood(format!("the code of {LIST} is not as expected")));
    }
    if !facts.placement.stores() {
        planned.detours.push(facts.detour(LIST, (site::BAGGAGE, Moment::Return), stack_high)?);
    }
    planned.probes.push(probe);
    Ok(found)
}
