//! Calls by Connect, gRPC and gRPC-Web with `connectrpc.com/connect`: one span on each side, in the oldest version and the newest.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, launcher};
use support::traces::{hexadecimal, is_child};

/// The oldest version with the oldest Go, and the newest with the newest; with `TEST_ALL` all of them, with both.
fn builds() -> Vec<(PathBuf, String)> {
    let files = ModuleFile::of("connect", "connect");
    let mut wanted: Vec<(&ModuleFile, GoVersion, Variant)> = Vec::new();
    for file in &files {
        for version in file.go_versions() {
            wanted.extend([Variant::Stripped, Variant::Default].map(|variant| (file, version, variant)));
        }
    }
    if !tests_all() {
        wanted = vec![wanted[0], wanted[wanted.len() - 1]];
    }
    let build = |(file, version, variant): (&ModuleFile, GoVersion, Variant)| {
        (apps::build_with("connect", version, variant, file), format!("{file:?} {version:?} {variant:?}"))
    };
    wanted.into_iter().map(build).collect()
}

/// What is asked for, with a place for the protocol; then the span of the client and that of the server, as [`line`] writes them. An empty
/// one: none.
type Case = (&'static str, &'static str, &'static str);

const FAILED: &str = "Unary not_found ! as was asked";

/// By all protocols the same.
const CALLS: &[Case] = &[
    ("/unary?", "Unary", "Unary"),
    ("/below?", "Unary", "Unary"),
    ("/goroutine?", "Unary", "Unary"),
    ("/unary?plain=1&", "Unary", "Unary"),
    ("/server?", "Server", "Server"),
    ("/closed?", "Server", "Server"),
    ("/client?", "Client", "Client"),
    ("/both?", "Both", "Both"),
    ("/unary?say=code%205&", FAILED, "Unary not_found"),
    ("/unary?say=code%2013&", "Unary internal ! as was asked", "Unary internal ! as was asked"),
    (
        "/unary?say=wrapped%2015&",
        "Unary data_loss ! more: as was asked",
        "Unary data_loss ! around: data_loss: more: as was asked",
    ),
    ("/unary?say=other&", "Unary unknown ! as was asked", "Unary unknown ! as was asked"),
    (
        "/unary?say=late&",
        "Unary deadline_exceeded ! context deadline exceeded",
        "Unary deadline_exceeded ! context deadline exceeded",
    ),
    ("/server?say=code%205&", "Server not_found ! as was asked", "Server not_found"),
    ("/client?say=code%208&", "Client resource_exhausted ! as was asked", "Client resource_exhausted"),
    ("/both?say=code%2014&", "Both unavailable ! as was asked", "Both unavailable ! as was asked"),
    ("/deadline?", "Unary deadline_exceeded ! ", ""),
    ("/unary?refused=1&", "Unary unavailable ! ", ""),
];

/// A span in a few words: its method, its code, and what it says itself of a failure.
fn line(span: &Span) -> String {
    assert_eq!(span.text("rpc.system.name").as_deref(), Some("connectrpc"), "{span:?}");
    assert_eq!(span.text("rpc.method"), Some(span.name.clone()));
    let speaks_of_http = |key: &str| key.starts_with("http.") || key.starts_with("url.");
    assert!(!span.attributes.iter().any(|attribute| speaks_of_http(&attribute.key)), "{span:?}");
    let code = span.text("rpc.response.status_code").map(|code| format!(" {code}")).unwrap_or_default();
    let status = span.status.clone().unwrap_or_default();
    let failed = if status.code() == StatusCode::Error { format!(" ! {}", status.message) } else { String::new() };
    format!("{}{code}{failed}", span.name.strip_prefix("test.Echo/").unwrap())
}

/// A request that is asked for, and what was said.
struct Asked {
    path: String,
    said: String,
}

/// Asks for each, each in a trace of its own, numbered from 1.
fn ask(server: &Server, paths: impl IntoIterator<Item = String>) -> Vec<Asked> {
    let mut client = Client::connect(server.addresses[0]);
    let asked = paths.into_iter().enumerate().map(|(number, path)| {
        let parent = format!("00-{:032x}-00000000000000aa-01", number + 1);
        assert_eq!(client.send("GET", &path, &[("traceparent".to_owned(), parent)], ""), Some(200), "{path}");
        Asked { said: String::from_utf8(client.body.clone()).unwrap(), path }
    });
    asked.collect()
}

/// The spans of a request by its number, but for that of the front: the client's, and the server's if there is one.
fn call(spans: &[Span], number: usize) -> (&Span, Option<&Span>) {
    let id = format!("{number:032x}");
    let own: Vec<&Span> = spans.iter().filter(|span| hexadecimal(&span.trace_id) == id).collect();
    let of = |kind: SpanKind| own.iter().copied().filter(move |span| span.kind() == kind);
    let front = of(SpanKind::Server).find(|span| hexadecimal(&span.parent_span_id) == "00000000000000aa").unwrap();
    let [client] = of(SpanKind::Client).collect::<Vec<_>>()[..] else { panic!("not one client: {own:#?}") };
    assert!(is_child(client, front), "{client:?} is no child of {front:?}");
    let server = of(SpanKind::Server).find(|span| is_child(span, client));
    assert_eq!(own.len(), 2 + server.iter().count(), "{own:#?}");
    (client, server)
}

#[test]
fn calls_of_every_kind_by_every_protocol() {
    for (app, what) in builds() {
        let server = Server::start_with(launcher(), &app, &[], 1);
        let protocols = ["connect", "grpc", "grpcweb"];
        let cases: Vec<(&Case, &str)> = CALLS.iter().flat_map(|case| protocols.map(|by| (case, by))).collect();
        let asked =
            ask(&server, cases.iter().map(|((path, ..), by)| format!("{path}by={by}")).chain(["/unary?by=get".to_owned()]));
        let Left { spans, stderr, .. } = server.end();
        let get = &("", "Unary", "Unary");
        let cases = cases.into_iter().map(|(case, _)| case).chain([get]);
        for ((number, asked), (_, by_client, by_server)) in (1..).zip(&asked).zip(cases) {
            let Asked { path, said } = asked;
            let (client, server) = call(&spans, number);
            assert_eq!(line(client), *by_client, "{what} {path}: {stderr}");
            let by_it = server.map(line).unwrap_or_default();
            // That its client has closed the response, a server may see or not.
            let is_closed = path.starts_with("/closed") && by_it == "Server canceled";
            assert!(by_it == *by_server || is_closed, "{what} {path}: {by_it}: {stderr}");
            for span in server.iter().chain([&client]).filter(|_| by_server.is_empty()) {
                assert_eq!(span.text("network.peer.address"), None, "{what} {path}");
            }
            if !by_server.is_empty() {
                assert_eq!(client.text("network.peer.address").as_deref(), Some("127.0.0.1"), "{what} {path}");
                assert_eq!(client.number("network.peer.port"), client.number("server.port"), "{what} {path}");
            }
            assert_eq!(client.text("server.address").as_deref(), Some("127.0.0.1"), "{what} {path}");
            if !path.contains("say") && !by_server.is_empty() {
                // What was sent names the span.
                let sent = format!("00-{number:032x}-{}-01", hexadecimal(&client.span_id));
                assert!(said.lines().all(|line| line == sent), "{what} {path}: {said}, not {sent}");
                assert!(said.contains(&sent), "{what} {path}");
            }
        }
        assert!(!stderr.contains("had no start") && !stderr.contains("lost"), "{what}: {stderr}");
    }
}

/// What came with the request that a call is made for goes with that, too, though its function has returned by then.
#[test]
fn what_is_propagated() {
    let (app, what) = builds().pop().unwrap();
    let server = Server::start_with(launcher(), &app, &[], 1);
    let mut client = Client::connect(server.addresses[0]);
    let parent = format!("00-{:032x}-00000000000000aa-01", 1);
    let headers = [("traceparent", &*parent), ("tracestate", "a=1"), ("baggage", "user=7")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for path in ["/unary?by=connect", "/both?by=grpc"] {
        assert_eq!(client.send("GET", path, &headers, ""), Some(200), "{what} {path}");
        let said = String::from_utf8(client.body.clone()).unwrap();
        assert!(said.contains("a=1") && said.contains("user=7"), "{what} {path}: {said}");
    }
    server.end();
}

/// What is no call is a request; one that panics has no code.
#[test]
fn what_no_client_of_connect_sends() {
    let (app, what) = builds().pop().unwrap();
    let server = Server::start_with(launcher(), &app, &[], 1);
    let paths = ["/raw?method=PUT", "/raw?method=POST&type=a/b", "/raw?method=POST&type=application/json", "/unary?say=panic"];
    ask(&server, paths.map(str::to_owned));
    let Left { spans, .. } = server.end();
    let [put, unknown, malformed, panicked] = [1, 2, 3, 4].map(|number| call(&spans, number).1.unwrap());
    for (span, status) in [(put, 405), (unknown, 415)] {
        assert_eq!(span.number("http.response.status_code"), Some(status), "{what}");
        assert_eq!(span.text("rpc.method"), None, "{what}");
    }
    assert_eq!(line(malformed), "Unary invalid_argument", "{what}");
    assert_eq!(line(panicked), "Unary ! panic: as was asked", "{what}");
}

/// What is not sampled is named by its own context, and not by one of the round trip's.
#[test]
fn what_is_not_sampled() {
    let (app, what) = builds().pop().unwrap();
    let mut command = launcher();
    command.env("OTEL_TRACES_SAMPLER", "always_off");
    let server = Server::start_with(command, &app, &[], 1);
    let asked = ask(&server, ["/unary?", "/both?"].map(str::to_owned));
    let Left { spans, stderr, .. } = server.end();
    assert_eq!(spans.len(), 0, "{what}: {stderr}");
    for (number, Asked { said, .. }) in (1..).zip(asked) {
        assert!(said.starts_with(&format!("00-{number:032x}-")) && said.trim_end().ends_with("-00"), "{what}: {said}");
    }
}
