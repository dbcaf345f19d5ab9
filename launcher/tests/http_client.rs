//! Clients of `net/http`: the spans of their round trips, and what is injected into them.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, Variant};
use support::receiver::{Attributes as _, Receiver};
use support::server::{Server, get, launcher, sending_to};
use support::sink::Sink;
use support::traces::{by_trace, is_child, of_kind, sum_of_ids};

/// Runs `chain` under the launcher; its output, what the launcher said, and the spans.
fn run(mut command: Command, version: GoVersion, variant: Variant, arguments: &[&str]) -> (String, String, Vec<Span>) {
    let receiver = Receiver::start();
    sending_to(&mut command, &receiver);
    let app = apps::build("chain", version, variant);
    let output = command.arg("--").arg(app).args(arguments).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{version:?} {variant:?}: {stdout}{stderr}");
    (stdout, stderr, receiver.spans())
}

/// Exactly one header is injected into each request, which is that of its span.
fn every_request_passes_its_span_on(command: Command, version: GoVersion, variant: Variant, requests: u64) {
    let sink = Sink::start();
    let (stdout, stderr, spans) = run(command, version, variant, &["drive", &requests.to_string(), "20", &sink.url]);
    assert_eq!(stdout.trim(), format!("sent {requests} failed 0"), "{stderr}");
    let counted = sink.end();
    assert_eq!((counted.good, counted.missing), (requests, 0), "{version:?} {variant:?}: {stderr}");
    assert_eq!(spans.len() as u64, requests, "{version:?} {variant:?}: {stderr}");
    assert_eq!(sum_of_ids(&spans), counted.sum, "{version:?} {variant:?}: the ids on the wire are those of the spans");
    assert!(spans.iter().all(|span| span.kind() == SpanKind::Client && span.parent_span_id.is_empty()));
}

macro_rules! versions {
    ($($name:ident: $version:ident,)*) => { $(
        #[test]
        fn $name() {
            for variant in [Variant::Default, Variant::Stripped] {
                every_request_passes_its_span_on(launcher(), GoVersion::$version, variant, 1_000);
            }
        }
    )* };
}

versions! {
    go_1_21: GO_1_21,
    go_1_22: GO_1_22,
    go_1_23: GO_1_23,
    go_1_24: GO_1_24,
    go_1_25: GO_1_25,
    go_1_26: GO_1_26,
    go_1_27: GO_1_27,
}

#[test]
fn position_independent_and_cgo_programs() {
    for variant in [Variant::Pie, Variant::Cgo, Variant::CgoPieStripped] {
        every_request_passes_its_span_on(launcher(), GoVersion::GO_1_27, variant, 1_000);
    }
}

/// Collections all the time, stacks that are written out and grow, 20,000 requests.
#[test]
fn under_stress_no_byte_is_wrong() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        let mut command = launcher();
        command.envs([("CHAIN_STRESS", "1"), ("GOGC", "1")]);
        every_request_passes_its_span_on(command, version, Variant::Stripped, 20_000);
    }
}

#[test]
fn without_writing_nothing_is_passed_on() {
    let mut unwritten = launcher();
    unwritten.arg("--no-write");
    let mut without_propagators = launcher();
    without_propagators.env("OTEL_PROPAGATORS", "none");
    for command in [unwritten, without_propagators] {
        let sink = Sink::start();
        let (_, stderr, spans) = run(command, GoVersion::GO_1_26, Variant::Stripped, &["drive", "50", "5", &sink.url]);
        let counted = sink.end();
        assert_eq!((counted.good, counted.missing, spans.len()), (0, 50, 50), "{stderr}");
    }
}

#[test]
fn what_is_not_sampled_is_passed_on_as_such() {
    let mut command = launcher();
    command.env("OTEL_TRACES_SAMPLER", "always_off");
    let sink = Sink::start();
    let (_, stderr, spans) = run(command, GoVersion::GO_1_26, Variant::Stripped, &["drive", "50", "5", &sink.url]);
    let counted = sink.end();
    assert_eq!((counted.good, counted.sampled, spans.len()), (50, 0, 0), "{stderr}");
}

/// A handler's request is its child, and the header the handler sets itself is left alone.
#[test]
fn a_handlers_request_is_part_of_its_trace() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_26, GoVersion::GO_1_27] {
        let sink = Sink::start();
        let app = apps::build("chain", version, Variant::Stripped);
        let front = Server::start(&app, &["front", &sink.url], 1);
        for _ in 0..100 {
            assert_eq!(get(front.addresses[0], "/get"), 200);
        }
        assert_eq!(get(front.addresses[0], "/none"), 200);
        assert_eq!(get(front.addresses[0], "/own"), 200);
        let left = front.end();
        let counted = sink.end();
        assert_eq!((counted.good, counted.missing), (101, 0), "{}", left.stderr);
        let traces = by_trace(&left.spans);
        let connected = |spans: &&Vec<&Span>| {
            let [servers, clients] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(spans, kind));
            spans.len() == 2 && matches!((&servers[..], &clients[..]), ([server], [client]) if is_child(client, server))
        };
        assert_eq!(traces.values().filter(connected).count(), 100, "{version:?}: {}", left.stderr);
        // The one without a request, and the one whose request is in a trace of the program's own.
        assert_eq!((left.spans.len(), traces.len()), (203, 103), "{version:?}");
    }
}

/// Answers as its path says, without a launcher.
fn scripted() -> (String, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    (format!("http://{}", listener.local_addr().unwrap()), listener)
}

fn serve(listener: std::net::TcpListener) {
    use std::io::Write as _;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let mut header = String::new();
                while reader.read_line(&mut header).ok()? > 2 {
                    header.clear();
                }
                if line.starts_with("GET /keep ") {
                    write!(reader.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
                    // The next request is read and the connection closed.
                    return reader.read_line(&mut header).ok().map(drop);
                }
                let answer = match line.split(' ').nth(1)? {
                    "/missing" => "404 Not Found\r\nContent-Length: 0",
                    "/first" => "302 Found\r\nLocation: /second\r\nContent-Length: 0",
                    "/second" => "302 Found\r\nLocation: /third\r\nContent-Length: 0",
                    "/head" => "200 OK\r\nContent-Length: 12",
                    "/redirect" => "302 Found\r\nLocation: /target\r\nContent-Length: 0",
                    // Held until the client gives up.
                    "/slow" => return reader.read_line(&mut header).ok().map(drop),
                    _ => "200 OK\r\nContent-Length: 2",
                };
                let body = if answer.ends_with(" 2") { "ok" } else { "" };
                write!(reader.get_mut(), "HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n{body}").ok()
            });
        }
    });
}

#[test]
fn attributes_and_failures() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        let (url, listener) = scripted();
        serve(listener);
        let port = i64::from(url.rsplit(':').next().unwrap().parse::<u16>().unwrap());
        let (stdout, stderr, spans) = run(launcher(), version, Variant::Stripped, &["errors", &url]);
        let ended: Vec<&str> = stdout.lines().collect();
        let expected = [
            "found false",
            "refused true",
            "timeout true",
            "cancelled true",
            "not found false",
            "redirected false",
            "redirected twice false",
            "head false",
            "named false",
            "bodiless true",
            "posted false",
            "kept false",
            "sent again false",
        ];
        assert_eq!(ended, expected, "{stderr}");
        let by_url = |end: &str| {
            let mut found = spans.iter().filter(|span| span.text("url.full").unwrap().ends_with(end));
            let span = found.next().unwrap_or_else(|| panic!("{version:?} {end}: {spans:#?}"));
            assert!(found.next().is_none() || end == "/slow", "{end}");
            span
        };
        assert_eq!(spans.len(), 16, "{version:?}: a redirect is one more: {stderr}");
        let found = by_url("/items/a%20b?q=1&token=REDACTED");
        assert_eq!(found.name, "GET");
        assert_eq!(found.text("http.request.method").unwrap(), "GET");
        assert_eq!(found.text("server.address").unwrap(), "127.0.0.1");
        assert_eq!(found.number("server.port"), Some(port));
        assert_eq!(found.text("network.peer.address").unwrap(), "127.0.0.1");
        assert_eq!(found.number("network.peer.port"), Some(port));
        assert_eq!(found.number("http.request.resend_count"), None);
        assert_eq!(found.number("http.response.status_code"), Some(200));
        assert_eq!(found.text("network.protocol.version").unwrap(), "1.1");
        assert_eq!(found.number("http.response.body.size"), Some(2));
        assert_eq!(found.text("error.type"), None);
        let refused = by_url("/refused");
        assert_eq!(refused.text("error.type").unwrap(), "*net.OpError");
        assert_eq!(refused.status.as_ref().unwrap().code, 2);
        assert_eq!(refused.number("http.response.status_code"), None);
        let slow: Vec<String> = spans
            .iter()
            .filter(|span| span.text("url.full").unwrap().ends_with("/slow"))
            .map(|span| span.text("error.type").unwrap())
            .collect();
        assert_eq!(slow, ["context.DeadlineExceeded", "context.Canceled"], "{version:?}");
        assert_eq!(by_url("/missing").text("error.type").unwrap(), "404");
        assert_eq!(by_url("/redirect").number("http.response.status_code"), Some(302));
        assert_eq!(by_url("/target").number("http.response.status_code"), Some(200));
        let resent = ["/redirect", "/target", "/first", "/second", "/third"];
        let resent = resent.map(|path| by_url(path).number("http.request.resend_count"));
        assert_eq!(resent, [None, Some(1), None, Some(1), Some(2)], "{version:?}");
        let head = by_url("/head");
        assert_eq!((head.number("http.response.body.size"), head.number("http.response.status_code")), (None, Some(200)));
        // The `Host` header says whom the program asks, whoever it is sent to.
        let named = by_url("/named");
        assert_eq!((named.text("server.address").unwrap().as_str(), named.number("server.port")), ("shop.example", Some(99)));
        assert_eq!(named.text("url.full").unwrap(), format!("{url}/named"));
        assert_eq!(named.number("network.peer.port"), Some(port));
        assert_eq!(by_url("/bodiless").number("http.request.body.size"), None, "{version:?}");
        assert_eq!(by_url("/keep").number("http.request.resend_count"), None);
        assert_eq!(by_url("/again").number("http.request.resend_count"), Some(1), "{version:?}");
        assert_eq!(refused.text("network.peer.address"), None);
        let posted = by_url("/post");
        assert_eq!(posted.name, "POST");
        assert_eq!(posted.number("http.request.body.size"), Some(10));
        assert!(posted.text("url.full").unwrap().starts_with("http://REDACTED:REDACTED@127.0.0.1"));
    }
}
