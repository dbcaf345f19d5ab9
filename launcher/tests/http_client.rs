//! Clients of `net/http`: the spans of their round trips, and what they pass on.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, Variant};
use support::receiver::{Attributes as _, Receiver};
use support::server::{Server, get, launcher, sending_to};

/// A server without a launcher, which counts the headers it gets.
struct Sink {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    url: String,
}

/// What a sink has counted.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    good: u64,
    missing: u64,
    wrong: u64,
    sampled: u64,
    /// Of all span ids received, wrapping.
    sum: u64,
}

impl Sink {
    fn start() -> Self {
        let app = apps::build("chain", GoVersion::GO_1_26, Variant::Stripped);
        let mut process = Command::new(app).arg("sink").stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let url = format!("http://{}", line.trim().strip_prefix("listening ").unwrap());
        Self { process, output, url }
    }

    fn end(mut self) -> Counted {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        let last = text.lines().next_back().unwrap();
        let words: Vec<&str> = last.split(' ').collect();
        let numbers: HashMap<&str, u64> = words.chunks(2).map(|pair| (pair[0], pair[1].parse().unwrap())).collect();
        assert!(numbers["wrong"] == 0, "{text}");
        Counted {
            good: numbers["good"],
            missing: numbers["missing"],
            wrong: numbers["wrong"],
            sampled: numbers["sampled"],
            sum: numbers["sum"],
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

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

fn id(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

/// Each request carries exactly one header, which is that of its span.
fn every_request_passes_its_span_on(command: Command, version: GoVersion, variant: Variant, requests: u64) {
    let sink = Sink::start();
    let (stdout, stderr, spans) = run(command, version, variant, &["drive", &requests.to_string(), "20", &sink.url]);
    assert_eq!(stdout.trim(), format!("sent {requests} failed 0"), "{stderr}");
    let counted = sink.end();
    assert_eq!((counted.good, counted.missing), (requests, 0), "{version:?} {variant:?}: {stderr}");
    assert_eq!(spans.len() as u64, requests, "{version:?} {variant:?}: {stderr}");
    let sum = spans.iter().fold(0_u64, |sum, span| sum.wrapping_add(id(&span.span_id)));
    assert_eq!(sum, counted.sum, "{version:?} {variant:?}: the ids on the wire are those of the spans");
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
        every_request_passes_its_span_on(launcher(), GoVersion::GO_1_26, variant, 1_000);
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
        let mut traces: BTreeMap<Vec<u8>, Vec<&Span>> = BTreeMap::new();
        for span in &left.spans {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        let connected = |spans: &&Vec<&Span>| {
            let server = spans.iter().find(|span| span.kind() == SpanKind::Server);
            let client = spans.iter().find(|span| span.kind() == SpanKind::Client);
            spans.len() == 2 && server.zip(client).is_some_and(|(server, client)| client.parent_span_id == server.span_id)
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
                let answer = match line.split(' ').nth(1)? {
                    "/missing" => "404 Not Found\r\nContent-Length: 0",
                    "/redirect" => "302 Found\r\nLocation: /target\r\nContent-Length: 0",
                    // Held until the client gives up.
                    "/slow" => return reader.read_line(&mut header).ok().map(drop),
                    _ => "200 OK\r\nContent-Length: 2",
                };
                let body = if answer.ends_with('2') { "ok" } else { "" };
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
            "posted false",
        ];
        assert_eq!(ended, expected, "{stderr}");
        let by_url = |end: &str| {
            let mut found = spans.iter().filter(|span| span.text("url.full").unwrap().ends_with(end));
            let span = found.next().unwrap_or_else(|| panic!("{version:?} {end}: {spans:#?}"));
            assert!(found.next().is_none() || end == "/slow", "{end}");
            span
        };
        assert_eq!(spans.len(), 8, "{version:?}: a redirect is one more: {stderr}");
        let found = by_url("/items/a%20b?q=1&token=REDACTED");
        assert_eq!(found.name, "GET");
        assert_eq!(found.text("http.request.method").unwrap(), "GET");
        assert_eq!(found.text("server.address").unwrap(), "127.0.0.1");
        assert_eq!(found.number("server.port"), Some(port));
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
        let posted = by_url("/post");
        assert_eq!(posted.name, "POST");
        assert_eq!(posted.number("http.request.body.size"), Some(10));
        assert!(posted.text("url.full").unwrap().starts_with("http://REDACTED:REDACTED@127.0.0.1"));
    }
}
