//! The client of `net/http`: a CLIENT span for each round trip of a `Transport`, and its context passed on.
//!
//! `(*Transport).roundTrip` runs once per round trip, HTTP/1 and HTTP/2, retries on stale connections included; a redirect
//! is another round trip. `(*Request).write` writes the request of HTTP/1 through `Header.writeSubset`, before which the
//! `traceparent` is put into the writer's buffer (`net/http/transport.go`, `request.go`, `header.go`).

mod span;

pub use span::{finish, start};

use bpf::config::http_client::{CLIENT_ENDS, EMPTY_HTTP_CLIENT, HttpClientConfig, cookie};
use bpf::config::{ReadOnlyData as _, Setting};
use bpf::instrumentations::net_http_client::WRITE_SUBSET;

use super::layouts::FieldReader;
use super::parents::{self, Parents};
use crate::probes::plan::{Facts, Global, Instrumentation, LeftOut, Planned, PlannedDetour, Site};

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation {
    name: "net/http/client",
    description: "HTTP/1 and HTTP/2 clients of net/http; the context is passed on by HTTP/1",
    tested_versions: "Go 1.21 to 1.27",
    functions: &[ROUND_TRIP, WRITE, WRITE_HEADER, parents::FUNCTIONS[0]],
    types: &[
        "net/http.Request",
        "net/http.Response",
        "net/http.Header",
        "net/url.URL",
        "bufio.Writer",
        "runtime.g",
        "runtime.stack",
        parents::TYPES[1],
    ],
    plan,
};

const PROGRAM: &str = "http_client";
const ROUND_TRIP: &str = "net/http.(*Transport).roundTrip";
const WRITE: &str = "net/http.(*Request).write";
const WRITE_HEADER: &str = "net/http.Header.writeSubset";

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    let mut sites = vec![facts.entry_site(ROUND_TRIP, "a round trip begins", PROGRAM, cookie::START)?];
    let ends = facts.end_sites(ROUND_TRIP, 3, "a round trip ends", PROGRAM, cookie::END)?;
    let ends_table = ends.table::<CLIENT_ENDS>("HTTP_CLIENT_ENDS")?;
    sites.extend(ends.sites);
    let mut fields = FieldReader::new(&facts.layouts);
    let (request, url, response) = ("net/http.Request", "net/url.URL", "net/http.Response");
    let mut config = HttpClientConfig {
        method: fields.required(request, "Method")?,
        url: fields.required(request, "URL")?,
        header: fields.required(request, "Header")?,
        context: fields.required(request, "ctx")?,
        content_length: fields.required(request, "ContentLength")?,
        scheme: fields.required(url, "Scheme")?,
        user: fields.required(url, "User")?,
        host: fields.required(url, "Host")?,
        path: fields.required(url, "Path")?,
        raw_query: fields.required(url, "RawQuery")?,
        status_code: fields.required(response, "StatusCode")?,
        proto_major: fields.required(response, "ProtoMajor")?,
        proto_minor: fields.required(response, "ProtoMinor")?,
        response_length: fields.required(response, "ContentLength")?,
        stack_high: Setting::new(fields.required("runtime.g", "stack")?.get() + fields.required("runtime.stack", "hi")?.get()),
        header_map: fields.string_map("net/http.Header")?,
        ..EMPTY_HTTP_CLIENT
    };
    let mut missing = vec!["traceparent is not passed on by HTTP/2 yet".to_owned()];
    let mut detours = Vec::new();
    match passing_on(facts, &mut fields, &mut config) {
        Ok((site, detour)) => {
            sites.push(site);
            detours.push(detour);
        }
        Err(why) => missing.push(format!("traceparent is not passed on: {why}")),
    }
    let Parents { sites: more, mut globals, context_types, missing: more_missing } =
        parents::plan(facts, &mut fields, PROGRAM, cookie::NEW_GOROUTINE);
    sites.extend(more);
    missing.extend(more_missing);
    globals.extend([Global { name: "HTTP_CLIENT", bytes: config.as_bytes().to_vec() }, ends_table]);
    Ok(Planned { sites, fields: fields.sources, missing, globals, context_types, detours, ..Planned::default() })
}

/// What passes the context on by HTTP/1: the probe where the header is written, and the detour that puts a line before it.
fn passing_on(
    facts: &Facts<'_>,
    fields: &mut FieldReader<'_>,
    config: &mut HttpClientConfig,
) -> Result<(Site, PlannedDetour), LeftOut> {
    if !facts.may_write {
        return Err(LeftOut::NotUnderstood("nothing is written into this program".to_owned()));
    }
    let (write, header) = (facts.function(WRITE)?, facts.function(WRITE_HEADER)?);
    let not_understood = |error: crate::binary::BinaryError| LeftOut::NotUnderstood(error.to_string());
    let mut calls = facts.binary.calls(write).map_err(not_understood)?.filter(|call| call.target == header.entry);
    let Some(call) = calls.next() else {
        return Err(LeftOut::NotUnderstood(format!("{WRITE} does not call {WRITE_HEADER}")));
    };
    let Some(place) = facts.binary.detour_site(header).map_err(not_understood)? else {
        return Err(LeftOut::NotUnderstood(format!("the code of {WRITE_HEADER} leaves no room for a detour")));
    };
    let Some(table) = facts.binary.itab("*bufio.Writer", "io.Writer").map_err(not_understood)? else {
        return Err(LeftOut::NotUnderstood("the program does not use *bufio.Writer as io.Writer".to_owned()));
    };
    config.buffer = fields.required("bufio.Writer", "buf")?;
    config.buffered = fields.required("bufio.Writer", "n")?;
    config.buffered_writer = Setting::new(table.0);
    let site = facts.call_site(WRITE, call.site, "the header of a request is written", PROGRAM, cookie::WRITE)?;
    Ok((site, PlannedDetour { site: WRITE_SUBSET, place, stack_high: config.stack_high.get() }))
}
