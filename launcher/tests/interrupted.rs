//! What is open when the program ends: event streams, connections that were taken over, slow requests.
//!
//! Needs root, or `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_PTRACE`, and a kernel with uprobes: `make test` as root.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, Variant};
use support::receiver::Attributes as _;
use support::server::Server;

/// Sends a request and waits for the head of its response.
fn until_answered(address: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = sent(address, path);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 "), "{path}: {line}");
    stream
}

fn sent(address: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: example.test\r\n\r\n").unwrap();
    BufReader::new(stream)
}

/// An HTTP/2 stream of events whose first line has arrived. The caller ends it.
fn http2_events(address: SocketAddr) -> Child {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--http2", "--no-buffer", "--max-time", "20"]);
    let mut curl = curl.arg(format!("https://{address}/events?by=2")).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(curl.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "data: first\n");
    curl
}

fn one<'a>(spans: &'a [Span], path: &str, query: Option<&str>) -> &'a Span {
    let is = |span: &&Span| span.text("url.path").as_deref() == Some(path) && span.text("url.query").as_deref() == query;
    let found: Vec<&Span> = spans.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{path}");
    found[0]
}

/// Route, status and `error.type` of a span.
fn outcome(span: &Span) -> (Option<String>, Option<i64>, Option<String>) {
    let error = span.text("error.type");
    let is_error = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
    assert_eq!(is_error, error.is_some(), "{span:?}");
    (span.text("http.route"), span.number("http.response.status_code"), error)
}

fn interrupted(version: GoVersion, variant: Variant, how: &str) {
    let app = apps::build("http_server", version, variant);
    let server = Server::start(&app, &["-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0", "-grace", "1ms", how], 2);
    let [plain, tls] = server.addresses[..] else { panic!("two addresses") };
    let mut curl = http2_events(tls);
    let answered = ["/events", "/failed", "/socket"].map(|path| until_answered(plain, path));
    let waiting = ["/early", "/held"].map(|path| sent(plain, path));
    let server = server.until_printed(&["early", "held"]);
    let left = server.end();
    drop((answered, waiting));
    curl.wait().unwrap();
    let what = format!("{version:?} {variant:?} {how}: {}", left.stderr);
    assert_eq!(left.spans.len(), 6, "{what}");
    let outcome = |path: &str, query| outcome(one(&left.spans, path, query));
    let route = |path: &str| (version >= GoVersion::GO_1_22).then(|| path.to_owned());
    let error = |error: &str| Some(error.to_owned());
    // An answer was sent: that it is cut by the end of the program is no error.
    assert_eq!(outcome("/events", None), (route("/events"), Some(200), None), "{what}");
    assert_eq!(outcome("/events", Some("by=2")), (route("/events"), Some(200), None), "{what}");
    assert_eq!(outcome("/failed", None), (route("/failed"), Some(502), error("502")), "{what}");
    assert_eq!(outcome("/socket", None), (route("/socket"), None, None), "{what}");
    // A client waits, and gets nothing.
    assert_eq!(outcome("/early", None), (route("/early"), None, error("unfinished")), "{what}");
    assert_eq!(outcome("/held", None), (route("/held"), None, error("unfinished")), "{what}");
}

/// `os.Exit`, which the end of `main` calls as well.
#[test]
fn by_an_exit() {
    for &version in GoVersion::sampled() {
        interrupted(version, Variant::Default, "-exit-code=0");
    }
    interrupted(GoVersion::GO_1_26, Variant::Stripped, "-exit-code=3");
    interrupted(GoVersion::GO_1_27, Variant::Pie, "-replaced");
}

/// A signal that the program does not handle, in programs with and without C.
#[test]
fn by_a_signal() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        interrupted(version, Variant::Stripped, "-unaware");
    }
    interrupted(GoVersion::GO_1_27, Variant::Cgo, "-unaware");
}
