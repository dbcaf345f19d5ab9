//! Servers of `github.com/valyala/fasthttp`: one span for each request, by the conventions for HTTP, in the oldest version and the newest.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::load;
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, curl, get, launcher};
use support::traces::{hexadecimal, is_child, orphans};

/// The oldest version with the oldest Go, and the newest with the newest; with `TEST_ALL` all of them, with both.
fn builds() -> Vec<(PathBuf, String)> {
    let files = ModuleFile::of("fasthttp", "fasthttp");
    let mut wanted: Vec<(&ModuleFile, GoVersion, Variant)> = Vec::new();
    for file in &files {
        for version in file.go_versions() {
            wanted.extend([Variant::Stripped, Variant::PieStripped, Variant::Default].map(|variant| (file, version, variant)));
        }
    }
    if !tests_all() {
        wanted = vec![wanted[0], wanted[wanted.len() - 1]];
    }
    let build = |(file, version, variant): (&ModuleFile, GoVersion, Variant)| {
        (apps::build_with("fasthttp", version, variant, file), format!("{file:?} {version:?} {variant:?}"))
    };
    wanted.into_iter().map(build).collect()
}

/// The spans of requests that the test has sent, in the order of their start.
fn of_test(spans: &[Span]) -> Vec<&Span> {
    let mut own: Vec<&Span> = spans.iter().filter(|span| span.kind() == SpanKind::Server && !is_within(span, spans)).collect();
    own.sort_by_key(|span| span.start_time_unix_nano);
    own
}

fn is_within(span: &Span, spans: &[Span]) -> bool {
    spans.iter().any(|other| is_child(span, other))
}

/// A request in a few words: method, path, query, scheme, status, error, size of both bodies, version.
fn line(span: &Span) -> String {
    let text = |key: &str| span.text(key).unwrap_or_else(|| "-".to_owned());
    let number = |key: &str| span.number(key).map_or("-".to_owned(), |number| number.to_string());
    let method = text("http.request.method");
    assert_eq!(span.name, method);
    let is_error = span.status.clone().unwrap_or_default().code() == StatusCode::Error;
    assert_eq!(is_error, span.text("error.type").is_some(), "{span:?}");
    [
        method,
        text("url.path"),
        text("url.query"),
        text("url.scheme"),
        number("http.response.status_code"),
        text("error.type"),
        number("http.request.body.size"),
        number("http.response.body.size"),
        text("network.protocol.version"),
    ]
    .join(" ")
}

/// Method, target, body and status; then what [`line`] says of it.
type Case = (&'static str, &'static str, &'static str, u16, &'static str);

const CASES: &[Case] = &[
    ("GET", "/pets/7?x=1&token=secret", "", 201, "GET /pets/7 x=1&token=REDACTED http 201 - - 5 1.1"),
    ("GET", "http://example.test/pets/7?y", "", 201, "GET /pets/7 y http 201 - - 5 1.1"),
    ("GET", "/nothing%20there", "", 404, "GET /nothing%20there - http 404 - - 18 1.1"),
    ("POST", "/echo", "twelve bytes", 200, "POST /echo - http 200 - 12 2 1.1"),
    ("POST", "/unread", "twelve bytes", 200, "POST /unread - http 200 - 12 8 1.1"),
    ("GET", "/fail", "", 500, "GET /fail - http 500 500 - 12 1.1"),
    ("GET", "/recovered", "", 500, "GET /recovered - http 500 500 - 12 1.1"),
    ("GET", "/late", "", 504, "GET /late - http 504 504 - 4 1.1"),
    ("GET", "/stream", "", 200, "GET /stream - http 200 - - - 1.1"),
    ("GET", "/", "", 201, "GET / - http 201 - - 5 1.1"),
];

#[test]
fn requests_by_the_conventions() {
    for (app, what) in builds() {
        let server = Server::start_with(launcher(), &app, &["plain", "stream", "small", "tls", "six"], 5);
        let [plain, stream, small, secure, six] = server.addresses[..] else { panic!("five servers") };
        let headers =
            [("User-Agent", "the test/1"), ("traceparent", PARENT)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        for address in [plain, stream] {
            let mut client = Client::connect(address);
            for (method, target, body, status, _) in CASES {
                assert_eq!(client.send(method, target, &headers, body), Some(*status), "{what} {target}");
            }
        }
        // Longer than it takes: no handler sees it. What is answered differs from version to version.
        let mut client = Client::connect(small);
        let status = client.send("POST", "/echo", &[], "twelve bytes").unwrap();
        assert!([400, 413].contains(&status), "{what}: {status}");
        let too_long = format!("POST /echo - http {status} - 12 {} 1.1", client.body.len());
        assert_eq!(curl(&["--http1.1"], &format!("https://{secure}/pets/7")), "1.1 201");
        assert_eq!(get(six, "/pets/7"), 201);
        assert_eq!(said(plain, "GET /pets/7 HTTP/1.0\r\n\r\n").lines().next(), Some("HTTP/1.1 201 Created"));
        // No request at all.
        assert_eq!(said(plain, "nonsense\r\n\r\n").split(' ').nth(1), Some("400"));
        let Left { spans, stderr, .. } = server.end();
        let own = of_test(&spans);
        let own: Vec<String> = own.iter().map(|span| line(span)).collect();
        let of_cases = CASES.iter().map(|(.., line)| *line);
        let others = [
            &*too_long,
            "GET /pets/7 - https 201 - - 5 1.1",
            "GET /pets/7 - http 201 - - 5 1.1",
            "GET /pets/7 - http 201 - - 5 1.0",
        ];
        let expected: Vec<&str> = of_cases.clone().chain(of_cases).chain(others).collect();
        assert_eq!(own, expected, "{what}: {stderr}");
        for span in of_test(&spans) {
            let is_six = span.text("network.peer.address").as_deref() == Some("::1");
            let client = if is_six { "::1" } else { "127.0.0.1" };
            assert_eq!(span.text("client.address").as_deref(), Some(client), "{what}");
            assert_eq!(span.text("network.peer.address").as_deref(), Some(client), "{what}");
            assert!(span.number("network.peer.port").is_some(), "{what}");
        }
        let first = &of_test(&spans)[..CASES.len()];
        for span in first {
            assert_eq!(span.text("server.address").as_deref(), Some("example.test"), "{what}");
            assert_eq!(span.number("server.port"), Some(8080), "{what}");
            assert_eq!(span.text("user_agent.original").as_deref(), Some("the test/1"), "{what}");
            assert_eq!((hexadecimal(&span.trace_id), hexadecimal(&span.parent_span_id)), ids(PARENT), "{what}");
        }
        assert_eq!(spans.len(), expected.len(), "{what}");
        assert!(!stderr.contains("had no start") && !stderr.contains("lost"), "{what}: {stderr}");
    }
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The trace and the span that a header names.
fn ids(parent: &str) -> (String, String) {
    let parts: Vec<&str> = parent.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

/// Sends bytes, and reads until the server closes the connection.
fn said(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What is done while a request is served is its child, whichever way leads there; and what came with it goes on.
#[test]
fn children() {
    for (app, what) in builds() {
        let server = Server::start_with(launcher(), &app, &["plain"], 1);
        let mut client = Client::connect(server.addresses[0]);
        let paths = ["/calls", "/context", "/goroutine", "/timeout"];
        let mut answers = Vec::new();
        for (number, path) in (1..).zip(paths) {
            let parent = format!("00-{number:032x}-00000000000000aa-01");
            let headers = [("Traceparent", &*parent), ("tracestate", "a=b"), ("Baggage", "c=d")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(client.send("GET", path, &headers, ""), Some(200), "{what} {path}");
            answers.push(String::from_utf8(client.body.clone()).unwrap());
        }
        let Left { spans, stderr, .. } = server.end();
        assert_eq!(spans.len(), 3 * paths.len(), "{what}: {stderr}");
        let own = of_test(&spans);
        for ((number, path), (front, answer)) in (1..).zip(paths).zip(own.iter().zip(&answers)) {
            assert_eq!(hexadecimal(&front.trace_id), format!("{number:032x}"), "{what} {path}");
            let within: Vec<&Span> = spans.iter().filter(|span| is_child(span, front)).collect();
            let [call] = within[..] else { panic!("{what} {path}: {within:#?}: {stderr}") };
            assert_eq!(call.kind(), SpanKind::Client);
            assert!(spans.iter().any(|span| span.kind() == SpanKind::Server && is_child(span, call)), "{what} {path}");
            let sent = format!("00-{number:032x}-{}-01 a=b c=d", hexadecimal(&call.span_id));
            assert_eq!(*answer, sent, "{what} {path}");
        }
    }
}

/// The headers that are listed name the parent, whatever their case.
#[test]
fn headers_of_b3() {
    let (app, what) = builds().pop().unwrap();
    let mut command = launcher();
    command.env("OTEL_PROPAGATORS", "b3,b3multi");
    let server = Server::start_with(command, &app, &["plain", "small"], 2);
    let (trace, span) = ids(PARENT);
    let multi = [("x-b3-traceid", &trace), ("X-B3-SPANID", &span)].map(|(name, value)| (name.to_owned(), value.clone()));
    let single = [("b3".to_owned(), format!("{trace}-{span}-1")), ("traceparent".to_owned(), PARENT.replace("00f0", "00f1"))];
    let [plain, small] = server.addresses[..] else { panic!("two servers") };
    for (address, headers) in [(plain, &multi), (small, &multi), (plain, &single), (small, &single)] {
        assert_eq!(Client::connect(address).send("GET", "/pets/7", headers, ""), Some(201));
    }
    let not_sampled = [("X-B3-Sampled".to_owned(), "0".to_owned())];
    assert_eq!(Client::connect(plain).send("GET", "/pets/7", &not_sampled, ""), Some(201));
    let Left { spans, stderr, .. } = server.end();
    assert_eq!(spans.len(), 4, "{what}: {stderr}");
    assert!(spans.iter().all(|own| (hexadecimal(&own.trace_id), hexadecimal(&own.parent_span_id)) == ids(PARENT)), "{what}");
}

/// Requests that do not wait for the answer to the one before, and one whose client asks first whether it may send its body.
#[test]
fn requests_on_one_connection() {
    for (app, what) in builds() {
        let server = Server::start_with(launcher(), &app, &["plain", "stream"], 2);
        for address in &server.addresses {
            let request = "GET /pets/7 HTTP/1.1\r\nHost: a\r\n\r\n";
            let last =
                "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
            let answer = said(*address, &(request.repeat(3) + last));
            assert_eq!(answer.matches("HTTP/1.1 201").count(), 3, "{what}: {answer}");
            assert!(answer.ends_with("\r\n\r\n3"), "{what}: {answer}");
        }
        let Left { spans, stderr, .. } = server.end();
        let paths: Vec<String> = of_test(&spans).iter().map(|span| span.text("url.path").unwrap()).collect();
        let of_each = ["/pets/7", "/pets/7", "/pets/7", "/echo"];
        assert_eq!(paths, [of_each, of_each].concat(), "{what}: {stderr}");
        assert!(spans.iter().all(|span| span.parent_span_id.is_empty()), "{what}");
        let sent: Vec<Option<i64>> = of_test(&spans).iter().map(|span| span.number("http.request.body.size")).collect();
        assert_eq!(sent[3], Some(3), "{what}");
    }
}

#[test]
fn connections_that_are_taken_over() {
    for (app, what) in builds() {
        let server = Server::start_with(launcher(), &app, &["plain"], 1);
        assert_eq!(get(server.addresses[0], "/hijack"), 299);
        assert_eq!(get(server.addresses[0], "/upgrade"), 101);
        let Left { spans, stderr, .. } = server.end();
        let lines: Vec<String> = of_test(&spans).iter().map(|span| line(span)).collect();
        assert_eq!(lines, ["GET /hijack - http - - - - 1.1", "GET /upgrade - http 101 - - 0 1.1"], "{what}: {stderr}");
    }
}

/// A panic that nobody recovers from ends the program; so does `os.Exit`.
#[test]
fn ends_of_the_program() {
    for (app, what) in builds() {
        for (path, code, error) in [("/panic", 2, "string"), ("/exit", 3, "unfinished")] {
            let server = Server::start_with(launcher(), &app, &["plain"], 1);
            assert_eq!(get(server.addresses[0], path), 0);
            let Left { status, spans, stderr, .. } = server.wait();
            assert_eq!(status.code(), Some(code), "{what}: {stderr}");
            let [span] = &spans[..] else { panic!("{what} {path}: {spans:#?}: {stderr}") };
            assert_eq!(span.text("error.type").as_deref(), Some(error), "{what} {path}");
            if error == "string" {
                assert_eq!(span.status.clone().unwrap_or_default().message, "panic: as was asked", "{what}");
                let [event] = &span.events[..] else { panic!("{what}: {span:#?}") };
                assert_eq!(
                    (&*event.name, event.attributes.text("exception.message")),
                    ("exception", Some("as was asked".to_owned()))
                );
            }
        }
    }
}

/// Nothing is lost, and nothing is attributed to another request.
#[test]
fn many_at_the_same_time() {
    const REQUESTS: usize = 1_000;
    for (app, what) in builds() {
        let server = Server::start_with(launcher(), &app, &["plain"], 1);
        load::each(server.addresses[0], 32, REQUESTS, |client, number| {
            let path = if number.is_multiple_of(4) { format!("/calls?{number}") } else { format!("/pets/7?{number}") };
            let status = if number.is_multiple_of(4) { 200 } else { 201 };
            assert_eq!(client.send("GET", &path, &[], ""), Some(status), "{path}");
        });
        let Left { spans, stderr, .. } = server.end();
        assert_eq!(spans.len(), REQUESTS + 2 * REQUESTS / 4, "{what}: {stderr}");
        let mut queries: Vec<usize> =
            of_test(&spans).iter().map(|span| span.text("url.query").unwrap().parse().unwrap()).collect();
        queries.sort_unstable();
        assert!(queries.into_iter().eq(0..REQUESTS), "{what}");
        assert!(orphans(&spans).is_empty(), "{what}");
        assert!(!stderr.contains("had no start") && !stderr.contains("lost"), "{what}: {stderr}");
    }
}
