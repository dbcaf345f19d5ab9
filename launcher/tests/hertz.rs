//! Servers of `github.com/cloudwego/hertz`: one span for each request, with the route that hertz has found, whichever transport it came by.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::load;
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, curl, get, launcher};
use support::traces::{hexadecimal, is_child, orphans};

/// The program with the oldest version, and that with the newest; whether it is the latter.
fn builds() -> Vec<(PathBuf, bool)> {
    let newest = ModuleFile::named("hertz", "newest");
    let old = |version, variant| (apps::build("hertz", version, variant), false);
    let new = |version, variant| (apps::build_tagged("hertz", version, variant, "newest", Some(&newest)), true);
    let mut builds = vec![old(GoVersion::GO_1_21, Variant::Stripped), new(GoVersion::GO_1_27, Variant::Default)];
    if tests_all() {
        builds.push(old(GoVersion::GO_1_24, Variant::PieStripped));
        builds.push(new(GoVersion::GO_1_21, Variant::Stripped));
        builds.push(new(GoVersion::GO_1_26, Variant::PieStripped));
    }
    builds
}

/// The spans of requests that the test has sent, in the order of their start.
fn of_test(spans: &[Span]) -> Vec<&Span> {
    let is_within = |span: &Span| spans.iter().any(|other| is_child(span, other));
    let mut own: Vec<&Span> = spans.iter().filter(|span| span.kind() == SpanKind::Server && !is_within(span)).collect();
    own.sort_by_key(|span| span.start_time_unix_nano);
    own
}

/// A request in a few words: name, path, query, scheme, status, error, size of its body, version.
fn line(span: &Span) -> String {
    let text = |key: &str| span.text(key).unwrap_or_else(|| "-".to_owned());
    let number = |key: &str| span.number(key).map_or("-".to_owned(), |number| number.to_string());
    let (method, route) = (text("http.request.method"), span.text("http.route"));
    assert_eq!(span.name, route.map_or(method.clone(), |route| format!("{method} {route}")));
    let is_error = span.status.clone().unwrap_or_default().code() == StatusCode::Error;
    assert_eq!(is_error, span.text("error.type").is_some(), "{span:?}");
    [
        span.name.clone(),
        text("url.path"),
        text("url.query"),
        text("url.scheme"),
        number("http.response.status_code"),
        text("error.type"),
        number("http.request.body.size"),
        text("network.protocol.version"),
    ]
    .join(" ")
}

/// Method, target, body and status; then what [`line`] says of it.
type Case = (&'static str, &'static str, &'static str, u16, &'static str);

const CASES: &[Case] = &[
    ("GET", "/pets/7?x=1&token=secret", "", 201, "GET /pets/:id /pets/7 x=1&token=REDACTED http 201 - - 1.1"),
    ("GET", "http://example.test/pets/7?y", "", 201, "GET /pets/:id /pets/7 y http 201 - - 1.1"),
    (
        "POST",
        "/api/v1/shops/7/orders/7",
        "",
        201,
        "POST /api/v1/shops/:shop/orders/:order /api/v1/shops/7/orders/7 - http 201 - - 1.1",
    ),
    ("GET", "/files/a/b", "", 201, "GET /files/*path /files/a/b - http 201 - - 1.1"),
    ("GET", "/nothing%20there", "", 404, "GET /nothing%20there - http 404 - - 1.1"),
    ("GET", "/pets/7/", "", 301, "GET /pets/7/ - http 301 - - 1.1"),
    ("POST", "/echo", "twelve bytes", 200, "POST /echo /echo - http 200 - 12 1.1"),
    ("POST", "/unread", "twelve bytes", 200, "POST /unread /unread - http 200 - 12 1.1"),
    ("GET", "/fail/7", "", 500, "GET /fail/:how /fail/7 - http 500 500 - 1.1"),
    ("GET", "/recovered/7", "", 500, "GET /recovered/:id /recovered/7 - http 500 500 - 1.1"),
    ("GET", "/teapot", "", 418, "GET /teapot /teapot - http 418 - - 1.1"),
    ("GET", STREAM, "", 200, "GET /stream /stream - http 200 - - 1.1"),
    ("GET", "/", "", 201, "GET / / - http 201 - - 1.1"),
];

/// The size of what is answered is not known.
const STREAM: &str = "/stream";
const CHUNKS: Case = ("GET", "/chunks", "", 200, "GET /chunks /chunks - http 200 - - 1.1");

#[test]
fn requests_by_the_conventions() {
    for (app, is_new) in builds() {
        let server = Server::start_with(launcher(), &app, &["netpoll", "standard", "stream"], 3);
        let headers =
            [("User-Agent", "the test/1"), ("traceparent", PARENT)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut expected = Vec::new();
        for address in &server.addresses {
            let mut client = Client::connect(*address);
            for (method, target, body, status, line) in CASES.iter().chain(is_new.then_some(&CHUNKS)) {
                assert_eq!(client.send(method, target, &headers, body), Some(*status), "{is_new} {target}");
                let is_known = ![STREAM, CHUNKS.1].contains(target);
                expected.push(((*line).to_owned(), is_known.then(|| i64::try_from(client.body.len()).unwrap())));
            }
        }
        let Left { spans, stderr, .. } = server.end();
        let own = of_test(&spans);
        let lines: Vec<_> = own.iter().map(|span| (line(span), span.number("http.response.body.size"))).collect();
        assert_eq!(lines, expected, "{is_new}: {stderr}");
        for span in own {
            assert_eq!(span.text("client.address").as_deref(), Some("127.0.0.1"), "{is_new}");
            assert_eq!(span.text("network.peer.address").as_deref(), Some("127.0.0.1"), "{is_new}");
            assert!(span.number("network.peer.port").is_some(), "{is_new}");
            assert_eq!(span.text("server.address").as_deref(), Some("example.test"), "{is_new}");
            assert_eq!(span.number("server.port"), Some(8080), "{is_new}");
            assert_eq!(span.text("user_agent.original").as_deref(), Some("the test/1"), "{is_new}");
            assert_eq!((hexadecimal(&span.trace_id), hexadecimal(&span.parent_span_id)), ids(PARENT), "{is_new}");
        }
        assert_eq!(spans.len(), expected.len(), "{is_new}");
        assert!(!stderr.contains("had no start") && !stderr.contains("lost"), "{is_new}: {stderr}");
    }
}

/// What hertz answers itself, and other connections.
#[test]
fn requests_of_other_kinds() {
    for (app, is_new) in builds() {
        let server = Server::start_with(launcher(), &app, &["small", "tls", "six", "standard"], 4);
        let [small, secure, six, standard] = server.addresses[..] else { panic!("four servers") };
        // Longer than it takes: no handler sees it.
        let too_long = if is_new { 413 } else { 400 };
        assert_eq!(Client::connect(small).send("POST", "/echo", &[], "twelve bytes"), Some(too_long), "{is_new}");
        assert_eq!(Client::connect(small).send("DELETE", "/pets/7", &[], ""), Some(405), "{is_new}");
        assert_eq!(curl(&["--http1.1"], &format!("https://{secure}/pets/7")), "1.1 201");
        assert_eq!(get(six, "/pets/7"), 201);
        for address in [small, standard] {
            let answer = said(address, "GET /pets/7 HTTP/1.0\r\nHost: a\r\n\r\n");
            assert_eq!(answer.split(' ').nth(1), Some("201"), "{is_new}: {answer}");
            // No request at all.
            let answer = said(address, "nonsense\r\nHost: a\r\n\r\n");
            assert_eq!(answer.split(' ').nth(1), Some("400"), "{is_new}: {answer}");
        }
        assert_eq!(get(standard, "/hijack"), 101);
        let Left { spans, stderr, .. } = server.end();
        let lines: Vec<String> = of_test(&spans).iter().map(|span| line(span)).collect();
        let expected = [
            &*format!("POST /echo - http {too_long} - 12 1.1"),
            "DELETE /pets/7 - http 405 - - 1.1",
            "GET /pets/:id /pets/7 - https 201 - - 1.1",
            "GET /pets/:id /pets/7 - http 201 - - 1.1",
            "GET /pets/:id /pets/7 - http 201 - - 1.0",
            "GET /pets/:id /pets/7 - http 201 - - 1.0",
            "GET /hijack /hijack - http 101 - - 1.1",
        ];
        assert_eq!(lines, expected, "{is_new}: {stderr}");
        for (number, span) in of_test(&spans).into_iter().enumerate() {
            let client = if number == 3 { "::1" } else { "127.0.0.1" };
            assert_eq!(span.text("network.peer.address").as_deref(), Some(client), "{is_new} {number}");
        }
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
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What is done while a request is served is its child, whichever way leads there; and what came with it goes on.
#[test]
fn children() {
    for (app, is_new) in builds() {
        let server = Server::start_with(launcher(), &app, &["netpoll", "standard"], 2);
        let paths = ["/calls", "/context", "/goroutine"];
        let requests: Vec<_> = server.addresses.iter().flat_map(|address| paths.map(|path| (*address, path))).collect();
        let mut answers = Vec::new();
        for (number, (address, path)) in (1..).zip(&requests) {
            let parent = format!("00-{number:032x}-00000000000000aa-01");
            let headers = [("Traceparent", &*parent), ("tracestate", "a=b"), ("Baggage", "c=d")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut client = Client::connect(*address);
            assert_eq!(client.send("GET", path, &headers, ""), Some(200), "{is_new} {path}");
            answers.push(String::from_utf8(client.body).unwrap());
        }
        let Left { spans, stderr, .. } = server.end();
        assert_eq!(spans.len(), 3 * requests.len(), "{is_new}: {stderr}");
        let own = of_test(&spans);
        for ((number, (_, path)), (front, answer)) in (1..).zip(&requests).zip(own.iter().zip(&answers)) {
            assert_eq!(hexadecimal(&front.trace_id), format!("{number:032x}"), "{is_new} {path}");
            let within: Vec<&Span> = spans.iter().filter(|span| is_child(span, front)).collect();
            let [call] = within[..] else { panic!("{is_new} {path}: {within:#?}: {stderr}") };
            assert_eq!(call.kind(), SpanKind::Client);
            assert!(spans.iter().any(|span| span.kind() == SpanKind::Server && is_child(span, call)), "{is_new} {path}");
            let sent = format!("00-{number:032x}-{}-01 a=b c=d", hexadecimal(&call.span_id));
            assert_eq!(*answer, sent, "{is_new} {path}");
        }
    }
}

/// The headers that are listed name the parent, whatever their case.
#[test]
fn headers_of_b3() {
    let (app, _) = builds().pop().unwrap();
    let mut command = launcher();
    command.env("OTEL_PROPAGATORS", "b3,b3multi");
    let server = Server::start_with(command, &app, &["netpoll", "standard"], 2);
    let (trace, span) = ids(PARENT);
    let multi = [("x-b3-traceid", &trace), ("X-B3-SPANID", &span)].map(|(name, value)| (name.to_owned(), value.clone()));
    let single = [("b3".to_owned(), format!("{trace}-{span}-1")), ("traceparent".to_owned(), PARENT.replace("00f0", "00f1"))];
    let not_sampled = [("X-B3-Sampled".to_owned(), "0".to_owned())];
    for address in &server.addresses {
        for headers in [&multi[..], &single, &not_sampled] {
            assert_eq!(Client::connect(*address).send("GET", "/pets/7", headers, ""), Some(201));
        }
    }
    let Left { spans, stderr, .. } = server.end();
    assert_eq!(spans.len(), 4, "{stderr}");
    assert!(spans.iter().all(|own| (hexadecimal(&own.trace_id), hexadecimal(&own.parent_span_id)) == ids(PARENT)));
}

/// Requests that do not wait for the answer to the one before, and one whose client asks first whether it may send its body.
#[test]
fn requests_on_one_connection() {
    for (app, is_new) in builds() {
        let server = Server::start_with(launcher(), &app, &["netpoll", "standard", "stream", "idle"], 4);
        let [several @ .., idle] = &server.addresses[..] else { panic!("four servers") };
        for address in several {
            let request = "GET /pets/7 HTTP/1.1\r\nHost: a\r\n\r\n";
            let last =
                "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
            let answer = said(*address, &(request.repeat(3) + last));
            assert_eq!(answer.matches("HTTP/1.1 201").count(), 3, "{is_new}: {answer}");
            assert!(answer.ends_with("\r\n\r\n3"), "{is_new}: {answer}");
        }
        // That serves one request and no more.
        assert_eq!(get(*idle, "/pets/7"), 201);
        let Left { spans, stderr, .. } = server.end();
        let names: Vec<&str> = of_test(&spans).iter().map(|span| &*span.name).collect();
        let of_each = ["GET /pets/:id", "GET /pets/:id", "GET /pets/:id", "POST /echo"];
        assert_eq!(names, [&[of_each; 3].concat()[..], &["GET /pets/:id"]].concat(), "{is_new}: {stderr}");
        assert!(spans.iter().all(|span| span.parent_span_id.is_empty()), "{is_new}");
    }
}

/// Of Go's own network a panic ends the program, and so does `os.Exit`; netpoll recovers from a panic, and closes the connection.
#[test]
fn panics() {
    for (app, is_new) in builds() {
        for (name, path, code, error) in [
            ("standard", "/panic/7", 2, "string"),
            ("standard", "/exit", 3, "unfinished"),
            ("netpoll", "/panic/7", 0, "string"),
            ("netpoll", "/exit", 3, "unfinished"),
        ] {
            if code == 0 && !is_new {
                // It leaves the connection open: there is nothing to wait for.
                continue;
            }
            let server = Server::start_with(launcher(), &app, &[name], 1);
            assert_eq!(get(server.addresses[0], path), 0);
            let Left { status, spans, stderr, .. } = if code == 0 { server.end() } else { server.wait() };
            assert_eq!(status.code(), Some(code), "{is_new}: {stderr}");
            let [span] = &spans[..] else { panic!("{is_new} {name} {path}: {spans:#?}: {stderr}") };
            assert_eq!(span.text("error.type").as_deref(), Some(error), "{is_new} {name} {path}");
            if error == "string" {
                assert_eq!(span.name, "GET /panic/:id", "{is_new}");
                assert_eq!(span.status.clone().unwrap_or_default().message, "panic: as was asked", "{is_new}");
                let [event] = &span.events[..] else { panic!("{is_new}: {span:#?}") };
                let message = event.attributes.text("exception.message");
                assert_eq!((&*event.name, message.as_deref()), ("exception", Some("as was asked")));
            }
        }
    }
}

/// Nothing is lost, and nothing is attributed to another request.
#[test]
fn many_at_the_same_time() {
    const REQUESTS: usize = 1_000;
    for (app, is_new) in builds() {
        for name in ["netpoll", "standard"] {
            let server = Server::start_with(launcher(), &app, &[name], 1);
            load::each(server.addresses[0], 32, REQUESTS, |client, number| {
                let path = if number.is_multiple_of(4) { format!("/calls?{number}") } else { format!("/pets/7?{number}") };
                let status = if number.is_multiple_of(4) { 200 } else { 201 };
                assert_eq!(client.send("GET", &path, &[], ""), Some(status), "{path}");
            });
            let Left { spans, stderr, .. } = server.end();
            assert_eq!(spans.len(), REQUESTS + 2 * REQUESTS / 4, "{is_new} {name}: {stderr}");
            let own = of_test(&spans);
            let mut queries: Vec<usize> = own.iter().map(|span| span.text("url.query").unwrap().parse().unwrap()).collect();
            queries.sort_unstable();
            assert!(queries.into_iter().eq(0..REQUESTS), "{is_new} {name}");
            assert!(own.iter().all(|span| span.text("http.route").is_some()), "{is_new} {name}");
            assert!(orphans(&spans).is_empty(), "{is_new} {name}");
            assert!(!stderr.contains("had no start") && !stderr.contains("lost"), "{is_new} {name}: {stderr}");
        }
    }
}
