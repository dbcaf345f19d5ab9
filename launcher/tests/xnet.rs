//! golang.org/x/net/http2 by itself, in the versions in which its functions have moved: its client, and `Upgrade: h2c`.
//!
//! Needs root, or `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_PTRACE`, and a kernel with uprobes: `make test` as root.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant};
use support::plain::Plain;
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, curl, get, launcher};
use support::traces::hexadecimal;

/// Runs `test` with each version of the library, on the oldest and the newest Go that it allows.
fn each_version(test: impl Fn(&Path, &str)) {
    for file in ModuleFile::all("xnet_http2") {
        for version in file.go_versions() {
            test(&apps::build_with("xnet_http2", version, Variant::Stripped, &file), &format!("{file:?} {version:?}"));
        }
    }
}

fn of_kind<'a>(spans: &'a [Span], kind: SpanKind, path: &str) -> Vec<&'a Span> {
    let path_of = |span: &Span| match span.text("url.path") {
        Some(path) => path,
        None => span.text("url.full").unwrap().splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap(),
    };
    spans.iter().filter(|span| span.kind() == kind && path_of(span) == path).collect()
}

/// However a transport of x/net is used by itself: one span for each request, whose context the server gets.
fn calls(app: &Path, what: &str) {
    let mut paths = vec!["/by-client", "/by-round-trip", "/by-round-trip-opt"];
    // With Go 1.27, some versions of x/net panic where a pool makes a connection (`Transport.lazyt1` is nil).
    let plain = Plain::start(app, &[], 2);
    if get(plain.addresses[0], "/by-pool") == 200 {
        paths.push("/by-pool");
    } else {
        assert!(what.contains("minor: 27"), "{what}");
    }
    plain.end();
    let server = Server::start(app, &[], 2);
    let mut client = Client::connect(server.addresses[0]);
    let parents = paths.clone().into_iter().map(|path| {
        assert_eq!(client.send("GET", path, &[], ""), Some(200), "{what} {path}");
        String::from_utf8(client.body.clone()).unwrap()
    });
    let parents: Vec<String> = parents.collect();
    let Left { spans, stderr, .. } = server.end();
    assert_eq!(of_kind(&spans, SpanKind::Client, "/parent").len(), paths.len(), "{what}: {stderr}");
    assert_eq!(of_kind(&spans, SpanKind::Server, "/parent").len(), paths.len(), "{what}: {stderr}");
    for (path, parent) in paths.iter().zip(parents) {
        let [outer] = of_kind(&spans, SpanKind::Server, path)[..] else { panic!("{what}: {path}") };
        let is_inner = |span: &&&Span| span.parent_span_id == outer.span_id;
        let calls = of_kind(&spans, SpanKind::Client, "/parent");
        let call = calls.iter().find(is_inner).unwrap_or_else(|| panic!("{what}: {path} has no client span"));
        assert_eq!(parent, format!("00-{}-{}-01", hexadecimal(&outer.trace_id), hexadecimal(&call.span_id)), "{what} {path}");
        assert_eq!(call.number("http.response.status_code"), Some(200), "{what} {path}");
        assert_eq!(call.text("network.protocol.version").as_deref(), Some("2"), "{what} {path}");
    }
}

#[test]
fn the_client_by_itself_is_traced_in_every_version() {
    each_version(calls);
}

/// Whoever asks for HTTP/2 by `Upgrade: h2c` gets one span for each request, as long as the request.
fn upgrades(app: &Path, what: &str) {
    let server = Server::start(app, &[], 2);
    let address: SocketAddr = server.addresses[0];
    let parent = ["-H", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"];
    let url = |path: &str| format!("http://{address}{path}");
    let run = |more: &[&str], urls: &[String]| {
        let mut curl = Command::new("curl");
        let curl = curl.args(["--silent", "--http2", "--max-time", "20"]).args(parent).args(more).args(urls);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    // The second request of the connection comes by HTTP/2 as such; the first one as the program sees it (Go 1.27: HTTP/2 too).
    let mut seen = run(&[], &[url("/proto"), url("/proto")]);
    assert!(seen.ends_with(" 0 <nil>HTTP/2.0 0 <nil>"), "{what}: {seen}");
    seen.push_str(&run(&["--data", "a body"], &[url("/proto")]));
    assert!(seen.ends_with(" 6 <nil>"), "{what}: {seen}");
    // A server that does not upgrade answers by HTTP/1.
    assert_eq!(curl(&["--http1.1", "-H", "Upgrade: h2c"], &url("/hello")), "1.1 200", "{what}");
    let Left { spans, stderr, .. } = server.end();
    let versions: Vec<String> = spans.iter().map(|span| span.text("network.protocol.version").unwrap()).collect();
    assert_eq!(versions.len(), 4, "{what}: {versions:?} {stderr}");
    let by_http2 = versions.iter().filter(|version| *version == "2").count();
    assert_eq!(by_http2, seen.matches("HTTP/2.0").count(), "{what}: {versions:?}, {seen}");
    for span in &spans {
        assert_eq!(span.number("http.response.status_code"), Some(200), "{what}");
        let is_hello = span.text("url.path").as_deref() == Some("/hello");
        assert_eq!(span.parent_span_id.is_empty(), is_hello, "{what}");
    }
    assert!(!stderr.contains("had no start"), "{what}: {stderr}");
}

#[test]
fn an_upgraded_request_has_one_span() {
    each_version(upgrades);
}

/// What is open by an upgraded connection when the program ends is not a second span either.
#[test]
fn an_upgraded_connection_that_is_open_has_no_span() {
    let file = ModuleFile::all("xnet_http2").pop().unwrap();
    let app = apps::build_with("xnet_http2", GoVersion::GO_1_27, Variant::Stripped, &file);
    let server = Server::start_with(launcher(), &app, &[], 2);
    let mut held = upgraded(server.addresses[0]);
    let left = server.end();
    assert_eq!(left.spans.len(), 1, "{}", left.stderr);
    assert_eq!(left.spans[0].number("http.response.status_code"), Some(200));
    let _closed = std::io::Read::read(&mut held, &mut [0; 1]);
}

/// A connection that was upgraded for a request that has been answered, and stays open.
fn upgraded(address: SocketAddr) -> std::net::TcpStream {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = "GET /hello HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // The preface, and an empty SETTINGS frame.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut got = Vec::new();
    while !got.windows(5).any(|window| window == b"hello") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the connection has ended: {got:?}");
        got.extend_from_slice(&buffer[..read]);
    }
    stream
}
