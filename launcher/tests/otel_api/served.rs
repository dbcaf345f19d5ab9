//! Spans that handlers of net/http make, and what they add to the server's own.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use serde::Deserialize;

use super::normal::{Normal, normal};
use super::support::receiver::Attributes as _;
use super::support::server::{Client, Left, Server, launcher};
use super::support::traces::{by_trace, hexadecimal, is_child, orphans};
use super::{Build, builds, newest};

fn start(build: &Build) -> Server {
    let mut command = launcher();
    command.env("SERVE", "1");
    Server::start_with(command, &build.app, &[], 1)
}

/// Asks for each of these, and gives the answers.
fn ask(server: &Server, paths: &[&str]) -> Vec<Vec<u8>> {
    let mut client = Client::connect(server.addresses[0]);
    let asked = paths.iter().map(|path| {
        assert_eq!(client.send("GET", path, &[], ""), Some(200), "{path}");
        client.body.clone()
    });
    asked.collect()
}

/// The only span with this name.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let [span] = spans.iter().filter(|span| span.name == name).collect::<Vec<_>>()[..] else { panic!("{name}: {spans:#?}") };
    span
}

/// The only server span with this path.
fn served<'a>(spans: &'a [Span], path: &str) -> &'a Span {
    let is_it = |span: &&Span| span.kind() == SpanKind::Server && span.text("url.path").as_deref() == Some(path);
    let [span] = spans.iter().filter(is_it).collect::<Vec<_>>()[..] else { panic!("{path}: {spans:#?}") };
    span
}

#[test]
fn an_order_is_one_trace() {
    for build in builds() {
        let server = start(&build);
        ask(&server, &["/order"]);
        let Left { spans, stderr, .. } = server.end();
        let what = format!("{}: {spans:#?} {stderr}", build.what);
        let (order, stock) = (served(&spans, "/order"), served(&spans, "/stock"));
        let [client] = spans.iter().filter(|span| span.kind() == SpanKind::Client).collect::<Vec<_>>()[..] else {
            panic!("{what}")
        };
        assert!(is_child(stock, client), "{what}");
        assert_eq!(by_trace(&spans).len(), 1, "{what}");
        if !build.has_spans() {
            assert_eq!(spans.len(), 3, "{what}");
            assert!(is_child(client, order), "{what}");
            continue;
        }
        assert_eq!(spans.len(), 4, "{what}");
        let process = named(&spans, "process.order");
        assert!(is_child(process, order) && is_child(client, process), "{what}");
        assert_eq!(process.kind(), SpanKind::Internal, "{what}");
        assert!(order.parent_span_id.is_empty(), "{what}");
        assert_eq!(order.text("order.id").as_deref(), Some("4711"), "{what}");
        assert_eq!(order.text("order.type").as_deref(), Some("express"), "{what}");
        assert!(spans.iter().filter(|span| span.text("order.id").is_some()).count() == 1, "{what}");
        let within = |inner: &Span, outer: &Span| {
            outer.start_time_unix_nano <= inner.start_time_unix_nano && inner.end_time_unix_nano <= outer.end_time_unix_nano
        };
        assert!(within(process, order) && within(client, process), "{what}");
    }
}

/// What a handler knows of the server's span.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Known {
    trace: String,
    span: String,
    recording: bool,
    sampled: bool,
    detached: bool,
}

/// The span in the form in which all is compared, without where it is.
fn alone(span: &Span) -> Normal {
    let span = Span { parent_span_id: Vec::new(), ..span.clone() };
    let spans = normal([ScopeSpans { spans: vec![span], ..ScopeSpans::default() }]);
    spans.into_values().next().unwrap()
}

#[test]
fn a_handler_adds_to_the_servers_span() {
    for build in builds() {
        let server = start(&build);
        let answers = ask(&server, &["/enrich", "/by-another"]);
        let Left { spans, stderr, .. } = server.end();
        assert_eq!(spans.len(), 2, "{}: {spans:#?} {stderr}", build.what);
        for (path, answer) in ["/enrich", "/by-another"].into_iter().zip(answers) {
            let span = served(&spans, path);
            let known: Known = serde_json::from_slice(&answer).unwrap();
            let what = format!("{} {path}: {span:#?} {known:?} {stderr}", build.what);
            if !build.has_spans() {
                continue;
            }
            assert_eq!((&known.trace, &known.span), (&hexadecimal(&span.trace_id), &hexadecimal(&span.span_id)), "{what}");
            assert!(known.recording && known.sampled && known.detached, "{what}");
            assert_eq!(span.name, "enriched", "{what}");
            let normal = alone(span);
            assert_eq!(normal.status, "Error \"was refused\"", "{what}");
            // What the launcher knows stays.
            assert_eq!(span.number("http.response.status_code"), Some(200), "{what}");
            assert_eq!(span.text("url.path").as_deref(), Some(path), "{what}");
            let set = |key: &str| normal.attributes.values.get(key).map(String::as_str);
            assert_eq!(set("twice"), Some("IntValue(2)"), "{what}");
            assert_eq!(set("float.whole"), Some("DoubleValue(1.0)"), "{what}");
            assert_eq!(set("int.min"), Some("IntValue(-9223372036854775808)"), "{what}");
            assert_eq!(set("string.empty"), Some("StringValue(\"\")"), "{what}");
            assert_eq!(set("ints.empty"), Some("ArrayValue(ArrayValue { values: [] })"), "{what}");
            assert!(set("bools").is_some() && set("strings").is_some() && set("floats").is_some(), "{what}");
            let names: Vec<&str> = normal.events.iter().map(|event| &*event.what).collect();
            assert_eq!(names, ["\"enriched\" 1000000001000000000", "\"exception\" 0", "\"exception\" 0"], "{what}");
            let [refused, wrapped] = [1, 2].map(|number: usize| &normal.events[number].attributes.values);
            assert_eq!(refused["exception.type"], "StringValue(\"main.refused\")", "{what}");
            // Its text is what a method of the program's says.
            assert!(!refused.contains_key("exception.message"), "{what}");
            assert_eq!(wrapped["exception.type"], "StringValue(\"*fmt.wrapError\")", "{what}");
            assert_eq!(wrapped["exception.message"], "StringValue(\"no stock: refused: 7\")", "{what}");
            let [link] = &normal.links[..] else { panic!("{what}") };
            assert_eq!(link.what, format!("{:032x}-{:016x} \"vendor=a,other=b\" 1", 1, 1), "{what}");
            assert_eq!(link.attributes.values["n"], "IntValue(2)", "{what}");
        }
    }
}

#[test]
fn ten_thousand_spans_in_a_request() {
    let build = newest();
    let server = start(&build);
    ask(&server, &["/many?n=10000"]);
    let Left { spans, stderr, .. } = server.end();
    let request = served(&spans, "/many");
    let mut numbers: Vec<i64> = Vec::new();
    for span in spans.iter().filter(|span| span.name == "one of many") {
        assert!(is_child(span, request), "{} {span:?}: {stderr}", build.what);
        numbers.push(span.number("i").unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers.len(), 10000, "{}: {stderr}", build.what);
    assert!(numbers.into_iter().eq(0..10000), "{}: {stderr}", build.what);
}

/// A span may end after the request that it is made for, and start too.
#[test]
fn spans_after_the_response() {
    let build = newest();
    let server = start(&build);
    ask(&server, &["/late", "/end-late"]);
    let Left { spans, stderr, .. } = server.end();
    let what = format!("{}: {spans:#?} {stderr}", build.what);
    let (request, late, later) = (served(&spans, "/late"), named(&spans, "late"), named(&spans, "later"));
    assert!(is_child(late, request) && is_child(later, request), "{what}");
    assert!(late.end_time_unix_nano > request.end_time_unix_nano, "{what}");
    assert_eq!(late.attributes.len(), 1, "{what}");
    assert!(!request.attributes.iter().any(|attribute| attribute.key == "too late"), "{what}");
    assert_eq!(orphans(&spans).len(), 0, "{what}");
}

/// By the context alone, as with the SDK, a span has a parent: one that leads nowhere starts a trace.
#[test]
fn a_span_in_the_background() {
    let build = newest();
    let server = start(&build);
    ask(&server, &["/background"]);
    let Left { spans, stderr, .. } = server.end();
    let (request, alone) = (served(&spans, "/background"), named(&spans, "in the background"));
    let what = format!("{}: {spans:#?} {stderr}", build.what);
    assert!(alone.parent_span_id.is_empty() && alone.trace_id != request.trace_id, "{what}");
    assert_eq!(spans.len(), 2, "{what}");
}
