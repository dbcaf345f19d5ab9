//! The records of a request into a SERVER span, by the semantic conventions for HTTP servers.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use bpf::records::http_server::{HttpServerEnd, end_flag, text as server_text};
use opentelemetry::trace::{SpanKind, Status, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::forwarded::Forwarded;
use crate::clock::WallClock;
use crate::config::KnownMethods;
use crate::events::decode::{HttpServer, ServerEnd, ServerPanic, ServerStart};
use crate::instrumentations::{http, identity, routes};
use crate::panic_value::PanicValue;

/// The instrumentation scope of spans of `fasthttp`.
static FASTHTTP: LazyLock<InstrumentationScope> =
    LazyLock::new(|| identity::scope_named("go-auto-launch/github.com/valyala/fasthttp"));

/// That of spans of `hertz`.
static HERTZ: LazyLock<InstrumentationScope> =
    LazyLock::new(|| identity::scope_named("go-auto-launch/github.com/cloudwego/hertz"));

/// A span has at most this many attributes of ours; room is made once.
const ATTRIBUTES: usize = 17;

/// The span of a request that has begun, whose attributes are put into this list.
#[must_use]
pub fn start(record: &ServerStart<'_>, clock: &WallClock, known: &KnownMethods, mut attributes: Vec<KeyValue>) -> SpanData {
    let text = |index: usize| http::text(record.texts[index].0);
    attributes.reserve(ATTRIBUTES);
    let name = http::method_attributes(&text(server_text::METHOD), known, &mut attributes);
    let forwarded = Forwarded::of(&record.texts);
    url(record, forwarded.scheme, &mut attributes);
    let host = forwarded.host.unwrap_or_else(|| text(server_text::HOST));
    if let (Some(host), port) = http::split_host_port(&host) {
        attributes.push(KeyValue::new(semconv::SERVER_ADDRESS, host.to_owned()));
        attributes.extend(port.map(|port| KeyValue::new(semconv::SERVER_PORT, i64::from(port))));
    }
    // Without a proxy both are the same, and share their text.
    let (peer, peer_port) = peer(record);
    let client = forwarded.client.map(|client| client.into_owned().into()).or_else(|| peer.clone());
    attributes.extend(client.map(|client: StringValue| KeyValue::new(semconv::CLIENT_ADDRESS, client)));
    if let Some(peer) = peer {
        attributes.push(KeyValue::new(semconv::NETWORK_PEER_ADDRESS, peer));
        attributes.extend(peer_port.map(|port| KeyValue::new(semconv::NETWORK_PEER_PORT, i64::from(port))));
    }
    attributes.push(KeyValue::new(semconv::NETWORK_PROTOCOL_VERSION, http::protocol_version(record.version)));
    let user_agent = text(server_text::USER_AGENT);
    if !user_agent.is_empty() {
        attributes.push(KeyValue::new(semconv::USER_AGENT_ORIGINAL, user_agent.into_owned()));
    }
    if record.content_length > 0 {
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_BODY_SIZE, record.content_length));
    }
    let time = clock.time(record.time);
    let open = http::open_span(SpanKind::Server, &record.span, trace_state(record), time);
    let instrumentation_scope = match record.server {
        HttpServer::NetHttp => open.instrumentation_scope,
        HttpServer::Fasthttp(_) => FASTHTTP.clone(),
        HttpServer::Hertz(_) => HERTZ.clone(),
    };
    SpanData { name, attributes, instrumentation_scope, ..open }
}

/// Who has sent the request: an address, and a port where that is known.
fn peer(record: &ServerStart<'_>) -> (Option<StringValue>, Option<u16>) {
    let (remote, _cut) = record.texts[server_text::REMOTE];
    let text = |address: &str| StringValue::from(Arc::<str>::from(address));
    match record.server {
        HttpServer::NetHttp => {
            let remote = http::text(remote);
            let (address, port) = http::split_host_port(&remote);
            (address.map(text), port)
        }
        HttpServer::Fasthttp(port) | HttpServer::Hertz(port) => {
            let address = http::ip_address(remote);
            (address.map(|address| text(&address.to_string())), address.map(|_| port))
        }
    }
}

/// A tracestate that was cut would be wrong.
fn trace_state(record: &ServerStart<'_>) -> TraceState {
    match record.texts[server_text::TRACE_STATE] {
        ([], _) | (_, true) => TraceState::default(),
        (text, false) => identity::trace_state(text),
    }
}

fn url(record: &ServerStart<'_>, scheme: Option<&'static str>, attributes: &mut Vec<KeyValue>) {
    let text = |index: usize| http::text(record.texts[index].0);
    attributes.push(KeyValue::new(semconv::URL_PATH, text(server_text::PATH).into_owned()));
    let query = text(server_text::QUERY);
    if !query.is_empty() {
        attributes.push(KeyValue::new(semconv::URL_QUERY, http::redact_query(&query).into_owned()));
    }
    let scheme = scheme.unwrap_or(if record.tls { "https" } else { "http" });
    attributes.push(KeyValue::new(semconv::URL_SCHEME, scheme));
}

/// The status of a request whose path is known for other methods.
const METHOD_NOT_ALLOWED: u32 = 405;

/// Completes the span of a request whose handler has returned.
pub fn finish(span: &mut SpanData, end: &ServerEnd<'_>) {
    // What a router has found for another method; it may have noted that in the request, too.
    let of_another = if end.head.status == METHOD_NOT_ALLOWED { routes::forget(span) } else { None };
    if of_another.is_none_or(|found| found.as_bytes() != end.patterns[0].0) {
        route(span, end);
    }
    let end = &end.head;
    if end.flags & end_flag::GOEXIT != 0 {
        error(span, Cow::Borrowed("runtime.Goexit"), "the handler's goroutine was ended by runtime.Goexit");
    }
    if end.flags & end_flag::RESPONSE_UNREADABLE != 0 {
        return;
    }
    let hijacked = end.flags & end_flag::HIJACKED != 0;
    match end.status {
        // What was answered on a hijacked connection is not known.
        0 if hijacked => return,
        // A handler that writes nothing is answered with 200 by the server (`(*response).finishRequest`).
        0 => status(span, 200),
        code => status(span, code),
    }
    body_size(span, end);
}

/// Completes the span of a request that the end of the program interrupts, as far as it was known then. Whether that is all
/// right: a response that was sent (an event stream), or a connection that the handler took over, ends somehow; a client that
/// waits for the answer does not get it.
#[must_use]
pub fn interrupt(span: &mut SpanData, end: &ServerEnd<'_>) -> bool {
    route(span, end);
    let end = &end.head;
    if end.flags & end_flag::RESPONSE_UNREADABLE != 0 {
        return false;
    }
    let is_sent = end.flags & end_flag::SENT != 0 && end.status != 0;
    if is_sent {
        status(span, end.status);
        body_size(span, end);
    }
    is_sent || end.flags & end_flag::HIJACKED != 0
}

/// `error.type` of an answer that its handler aborted.
const ABORTED: &str = "http.ErrAbortHandler";

/// Whether a panic's value is `http.ErrAbortHandler`, by which a handler aborts its answer (`net/http/server.go`; in Go 1.27
/// `net/http/internal/common.go`): the server logs nothing. A proxy does so whenever its client leaves.
fn is_abort(value: &PanicValue) -> bool {
    &*value.type_name == "*errors.errorString" && value.message.as_deref() == Some("net/http: abort Handler")
}

/// Completes the span of a request whose handler has panicked; `value` is the panic's value.
pub fn finish_panic(span: &mut SpanData, record: &ServerPanic<'_>, value: PanicValue) {
    route(span, &record.end);
    let end = &record.end.head;
    // The server aborts the connection; a status counts only where the handler had set one.
    if end.flags & (end_flag::RESPONSE_UNREADABLE | end_flag::HIJACKED) == 0 && end.status != 0 {
        status(span, end.status);
        body_size(span, end);
    }
    if is_abort(&value) {
        // What is answered on a hijacked connection is not the server's, and so not cut by it.
        if end.flags & end_flag::HIJACKED == 0 {
            error(span, ABORTED, "the handler aborted its answer");
        }
        return;
    }
    let PanicValue { type_name, message } = value;
    let mut attributes = vec![KeyValue::new(semconv::EXCEPTION_TYPE, type_name.clone())];
    attributes.extend(message.clone().map(|message| KeyValue::new(semconv::EXCEPTION_MESSAGE, message)));
    let event = opentelemetry::trace::Event::new("exception", span.end_time, attributes, 0);
    span.events.events.push(event);
    error(span, type_name, &format!("panic: {}", message.as_deref().unwrap_or_default()));
}

/// The route that muxes have found, and a router within them.
fn route(span: &mut SpanData, end: &ServerEnd<'_>) {
    let [outermost, within @ ..] = end.patterns.map(|(pattern, _cut)| http::text(pattern));
    let Some(mut route) = http::route_of_pattern(&outermost).map(Cow::Borrowed) else {
        return;
    };
    for inner in within.iter().filter_map(|pattern| http::route_of_pattern(pattern)) {
        route = Cow::Owned(routes::within(&route, inner, routes::path(span)).into_owned());
    }
    routes::found_around(span, &route);
}

fn status(span: &mut SpanData, code: u32) {
    span.attributes.push(KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(code)));
    if code >= 500 && span.status == Status::Unset {
        // The conventions: no description where the status code says it all.
        error(span, code.to_string(), "");
    }
}

/// What the handler wrote is what was sent, but for HEAD, whose answer has no body. Of a stream it is not known (below 0).
fn body_size(span: &mut SpanData, end: &HttpServerEnd) {
    if http::has_method(span, "HEAD") || end.body_size < 0 {
        return;
    }
    span.attributes.push(KeyValue::new(semconv::HTTP_RESPONSE_BODY_SIZE, end.body_size));
}

/// Marks the span as failed; a later, more telling reason replaces `error.type`.
fn error(span: &mut SpanData, error_type: impl Into<Value>, description: &str) {
    span.attributes.retain(|attribute| attribute.key.as_str() != semconv::ERROR_TYPE);
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, error_type));
    span.status = Status::error(description.to_owned());
}
