//! Services that call one another, each under a launcher of its own, or without one.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::load;
use support::plain::Plain;
use support::receiver::{Attributes as _, Receiver};
use support::server::{Client, Server, launcher};
use support::traces::{by_trace, hexadecimal, is_child, of_kind, orphans};

const VERSIONS: [GoVersion; 3] = [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27];

fn app(version: GoVersion) -> PathBuf {
    apps::build("services", version, Variant::Stripped)
}

/// A service under a launcher, in a role.
fn traced(version: GoVersion, receiver: &Receiver, role: &[&str]) -> Server {
    let mut command = launcher();
    command.arg(format!("--service-name={}", role[0])).arg("--").arg(app(version));
    Server::start_sending(receiver.clone(), command, role, 1)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Ends services, the first one first; what they said.
fn end<const N: usize>(services: [Server; N]) -> String {
    services.map(|server| server.end().stderr).concat()
}

/// The first service's server span; its two clients; and the server spans of the others below one of these each.
fn is_whole(trace: &[&Span]) -> bool {
    let [servers, clients] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(trace, kind));
    let Some(root) = servers.iter().find(|span| span.parent_span_id.is_empty()) else { return false };
    let has_one = |client: &&Span| servers.iter().filter(|server| is_child(server, client)).count() == 1;
    (servers.len(), clients.len()) == (3, 2) && clients.iter().all(|client| is_child(client, root) && has_one(client))
}

/// 10,000 requests, 32 at a time: one goes on by HTTP/1 and one by HTTP/2, at the same time.
#[test]
fn every_request_is_one_trace() {
    const REQUESTS: usize = 10_000;
    for version in VERSIONS {
        let receiver = Receiver::start();
        let plain = traced(version, &receiver, &["backend"]);
        let secure = traced(version, &receiver, &["secure"]);
        let urls = [url(plain.addresses[0]), format!("https://{}", secure.addresses[0])];
        let front = traced(version, &receiver, &["front", &urls[0], &urls[1]]);
        load::send(front.addresses[0], 32, REQUESTS, |_| "/".to_owned());
        let said = end([front, plain, secure]);
        let spans = receiver.spans();
        let traces = by_trace(&spans);
        let whole = traces.values().filter(|trace| is_whole(trace)).count();
        let found = (spans.len(), traces.len(), whole, orphans(&spans).len());
        assert_eq!(found, (5 * REQUESTS, REQUESTS, REQUESTS, 0), "{version:?}: {said}");
        let over_http2 = spans.iter().filter(|span| span.text("network.protocol.version").as_deref() == Some("2"));
        assert_eq!(over_http2.count(), 2 * REQUESTS, "{version:?}");
    }
}

/// With all that can be injected at once, none of it is lost: the state that came with a request goes with what is sent for it, by HTTP/1 and
/// HTTP/2 at the same time.
#[test]
fn a_state_beside_every_other_header() {
    let requests = if tests_all() { 40_000 } else { 4_000 };
    let receiver = Receiver::start();
    let role = |role: &[&str]| {
        let mut command = launcher();
        command.env("OTEL_PROPAGATORS", "tracecontext,baggage,b3,b3multi").arg("--").arg(app(GoVersion::GO_1_27));
        Server::start_sending(receiver.clone(), command, role, 1)
    };
    let (plain, secure) = (role(&["backend"]), role(&["secure"]));
    let front = role(&["front", &url(plain.addresses[0]), &format!("https://{}", secure.addresses[0])]);
    let address = front.addresses[0];
    load::each(address, 32, requests, |client, number| {
        let parent = format!("00-{:032x}-00000000000000aa-01", number + 1);
        let headers = [("traceparent", &*parent), ("tracestate", "a=1"), ("baggage", "user=7")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(client.send("GET", "/", &headers, ""), Some(200));
    });
    let said = end([front, plain, secure]);
    let spans = receiver.spans();
    let without = spans.iter().filter(|span| span.trace_state != "a=1").count();
    assert_eq!((spans.len(), without), (5 * requests, 0), "{said}");
}

/// Sends 100 requests through three services, of which the one in the middle has no launcher.
fn around_an_untraced_one(version: GoVersion, role: &str) -> (Vec<Span>, String) {
    let receiver = Receiver::start();
    let last = traced(version, &receiver, &["backend"]);
    let middle = Plain::start(&app(version), &[role, &url(last.addresses[0])], 1);
    let first = traced(version, &receiver, &["drop", &url(middle.addresses[0])]);
    load::send(first.addresses[0], 4, 100, |_| "/".to_owned());
    end([first, last]);
    (receiver.spans(), middle.end())
}

/// A service that forwards nothing ends the trace; behind it another one begins.
#[test]
fn an_untraced_service_that_forwards_nothing() {
    for version in VERSIONS {
        let (spans, _) = around_an_untraced_one(version, "drop");
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        for trace in by_trace(&spans).values() {
            *sizes.entry(trace.len()).or_default() += 1;
        }
        assert_eq!(sizes, [(1, 100), (2, 100)].into(), "{version:?}");
        assert_eq!(orphans(&spans).len(), 0, "{version:?}");
    }
}

/// One that forwards the headers as they are is not seen: the last service's parent is the first service's client.
#[test]
fn an_untraced_service_that_forwards_headers() {
    for version in VERSIONS {
        let (spans, _) = around_an_untraced_one(version, "hand-on");
        let is_joined = |trace: &&Vec<&Span>| {
            let [servers, clients] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(trace, kind));
            matches!(clients[..], [client] if servers.iter().filter(|server| is_child(server, client)).count() == 1)
        };
        let traces = by_trace(&spans);
        let found = (spans.len(), traces.len(), traces.values().filter(is_joined).count(), orphans(&spans).len());
        assert_eq!(found, (300, 100, 100, 0), "{version:?}");
    }
}

/// The spans that a service with the SDK has printed: trace id, span id, parent's span id.
fn printed(text: &str) -> Vec<[&str; 3]> {
    let spans = text.lines().filter_map(|line| line.strip_prefix("span "));
    spans.map(|span| span.split(' ').collect::<Vec<_>>().try_into().unwrap()).collect()
}

/// All of ours and of the SDK's: 100 traces, each of `size` spans, and every parent is there.
fn is_joined_with_the_sdk(ours: &[Span], sdk: &str, size: usize, what: &str) {
    const NO_PARENT: &str = "0000000000000000";
    let sdk = printed(sdk);
    assert_eq!(sdk.len(), 200, "{what}");
    let ours = ours.iter().map(|span| [&span.trace_id, &span.span_id, &span.parent_span_id].map(|id| hexadecimal(id)));
    let all: Vec<[String; 3]> = ours.chain(sdk.into_iter().map(|span| span.map(str::to_owned))).collect();
    let ids: HashSet<(&str, &str)> = all.iter().map(|[trace, span, _]| (trace.as_str(), span.as_str())).collect();
    let mut traces: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for [trace, _, parent] in &all {
        let counts = traces.entry(trace).or_default();
        counts.0 += 1;
        if parent.is_empty() || parent == NO_PARENT {
            counts.1 += 1;
        } else {
            assert!(ids.contains(&(trace.as_str(), parent.as_str())), "{what}: the parent {parent} is nobody's");
        }
    }
    // One of them is the root.
    let whole = traces.values().filter(|counts| **counts == (size, 1)).count();
    assert_eq!((traces.len(), whole), (100, 100), "{what}");
}

/// A service in the middle that the OpenTelemetry SDK instruments: two spans of its own for each request.
#[test]
fn the_sdk_without_a_launcher() {
    for version in VERSIONS {
        let (spans, said) = around_an_untraced_one(version, "sdk");
        is_joined_with_the_sdk(&spans, &said, 5, &format!("{version:?}"));
    }
}

/// The same under a launcher, by what the user wants: one span for each operation, or all of both, in one trace.
#[test]
fn the_sdk_under_a_launcher() {
    for (version, (wish, size)) in
        VERSIONS.into_iter().flat_map(|version| [("join", 5), ("only-auto", 7)].map(|wish| (version, wish)))
    {
        let receiver = Receiver::start();
        let last = traced(version, &receiver, &["backend"]);
        let mut command = launcher();
        command.args(["--service-name=sdk", "--sdk", wish, "--"]).arg(app(version));
        let middle = Server::start_sending(receiver.clone(), command, &["sdk", &url(last.addresses[0])], 1);
        let first = traced(version, &receiver, &["drop", &url(middle.addresses[0])]);
        load::send(first.addresses[0], 4, 100, |_| "/".to_owned());
        end([first]);
        let said = middle.end();
        end([last]);
        is_joined_with_the_sdk(&receiver.spans(), &said.stdout, size, &format!("{version:?} {wish}: {}", said.stderr));
    }
}

/// A service that the SDK instruments and that names its span of a request in what it sends, without one for that: behind it is the launcher's.
#[test]
fn the_sdks_span_of_what_is_served_is_named() {
    for version in VERSIONS {
        let receiver = Receiver::start();
        let last = traced(version, &receiver, &["backend"]);
        let mut command = launcher();
        command.args(["--service-name=named", "--engine=native", "--"]).arg(app(version));
        let middle = Server::start_sending(receiver.clone(), command, &["named", &url(last.addresses[0])], 1);
        load::send(middle.addresses[0], 4, 100, |_| "/".to_owned());
        let said = middle.end();
        end([last]);
        let spans = receiver.spans();
        let is_row = |trace: &&Vec<&Span>| {
            let [servers, clients] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(trace, kind));
            matches!((&servers[..], &clients[..]), ([server], [client]) if is_child(server, client))
        };
        let traces = by_trace(&spans);
        let served: HashSet<String> = said.stdout.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect();
        let is_served = |span: &Span| served.contains(&hexadecimal(&span.parent_span_id));
        let clients = spans.iter().filter(|span| span.kind() == SpanKind::Client && is_served(span)).count();
        let found = (traces.len(), traces.values().filter(is_row).count(), clients);
        assert_eq!(found, (100, 100, 100), "{version:?}: {}", said.stderr);
    }
}

/// Services in a row: each span the child of the one before it, from the first on.
fn is_a_row(trace: &[&Span], length: usize) -> bool {
    let Some(mut last) = trace.iter().find(|span| span.parent_span_id.is_empty()) else { return false };
    let mut count = 1;
    while let Some(next) = trace.iter().find(|span| is_child(span, last)) {
        (last, count) = (next, count + 1);
    }
    (trace.len(), count) == (length, length)
}

/// From HTTP by gRPC to HTTP to SQL, 32 at a time: each request is one row of spans.
#[test]
fn by_grpc_to_a_database() {
    const REQUESTS: usize = 10_000;
    let newest = ModuleFile::of("grpc", "grpc").pop().unwrap();
    let receiver = Receiver::start();
    let start = |app: &Path, args: &[&str]| {
        let mut command = launcher();
        command.arg("--").arg(app);
        Server::start_sending(receiver.clone(), command, args, 1)
    };
    let store = start(&apps::build_tagged("database_sql", GoVersion::GO_1_27, Variant::Stripped, "fake", None), &["full"]);
    let front = start(&apps::build_with("grpc", GoVersion::GO_1_27, Variant::Default, &newest), &[]);
    let path = format!("/unary?say=get%20{}/query-context", url(store.addresses[0]));
    load::send(front.addresses[0], 32, REQUESTS, |_| path.clone());
    let said = end([front, store]);
    let spans = receiver.spans();
    let traces = by_trace(&spans);
    let rows = traces.values().filter(|trace| is_a_row(trace, 6)).count();
    assert_eq!((spans.len(), traces.len(), rows), (6 * REQUESTS, REQUESTS, REQUESTS), "{said}");
}

/// A proxy hands headers on, `traceparent` too: what is behind it is its child, not its caller's. The last hop is by HTTP/2 if `secure`.
/// By HTTP/1 the native engine alone can do that. With a `span` of their own, the proxies' functions lie in between.
fn through_proxies(version: GoVersion, secure: bool, propagators: &str, span: Option<&str>) {
    let requests = if tests_all() { 10_000 } else { 1_000 };
    let receiver = Receiver::start();
    let role = |role: &[&str]| {
        let mut command = launcher();
        if !secure {
            command.env("GO_AUTO_LAUNCH_ENGINE", "native");
        }
        if let Some(span) = span {
            command.args(["--span", span]);
        }
        command.env("OTEL_PROPAGATORS", propagators).arg("--").arg(app(version));
        Server::start_sending(receiver.clone(), command, role, 1)
    };
    let (last, middle) = if secure {
        let last = role(&["secure"]);
        let middle = vec![role(&["proxy", &format!("https://{}", last.addresses[0])])];
        (last, middle)
    } else {
        let last = role(&["backend"]);
        let inner = role(&["proxy", &url(last.addresses[0])]);
        let outer = role(&["proxy", &url(inner.addresses[0])]);
        (last, vec![outer, inner])
    };
    let first = role(&["drop", &url(middle[0].addresses[0])]);
    load::send(first.addresses[0], 32, requests, |_| "/".to_owned());
    let said: String = std::iter::once(first).chain(middle).chain([last]).map(|server| server.end().stderr).collect();
    let spans = receiver.spans();
    let traces = by_trace(&spans);
    let proxies = if secure { 1 } else { 2 };
    let length = 3 + proxies * if span.is_some() { 3 } else { 2 };
    let rows = traces.values().filter(|trace| is_a_row(trace, length)).count();
    let found = (spans.len(), traces.len(), rows);
    assert_eq!(found, (length * requests, requests, requests), "{version:?} {secure} {propagators}: {said}");
}

#[test]
fn reverse_proxies_are_in_the_trace() {
    for &version in GoVersion::sampled() {
        for propagators in ["tracecontext,baggage", "b3", "b3multi"] {
            through_proxies(version, true, propagators, None);
            through_proxies(version, false, propagators, None);
        }
    }
}

#[test]
fn reverse_proxies_with_a_span_of_their_own() {
    let span = "net/http/httputil.(*ReverseProxy).ServeHTTP(rw http.ResponseWriter, req *http.Request)";
    for &version in GoVersion::sampled() {
        through_proxies(version, true, "tracecontext", Some(span));
        through_proxies(version, false, "tracecontext", Some(span));
    }
}

/// Requests that share one header map, one at a time and many: none carries another one's span, and alone each carries its own.
fn sharing_a_header_map(version: GoVersion, role: &str) {
    const REQUESTS: usize = 2_000;
    let receiver = Receiver::start();
    let last = traced(version, &receiver, &[role]);
    let scheme = if role == "secure" { "https" } else { "http" };
    let first = traced(version, &receiver, &["shared", &format!("{scheme}://{}", last.addresses[0])]);
    load::send(first.addresses[0], 1, 100, |number| format!("/alone/{number}"));
    load::send(first.addresses[0], 32, REQUESTS, |number| format!("/many/{number}"));
    let said = end([first, last]);
    let spans = receiver.spans();
    let clients: HashMap<&[u8], &Span> =
        spans.iter().filter(|span| span.kind() == SpanKind::Client).map(|span| (&*span.span_id, span)).collect();
    let mut joined: BTreeMap<String, usize> = BTreeMap::new();
    for served in spans.iter().filter(|span| span.kind() == SpanKind::Server) {
        let Some(client) = clients.get(&*served.parent_span_id) else { continue };
        let path = served.text("url.path").unwrap();
        let sent = client.text("url.full").unwrap();
        assert!(sent.ends_with(&path), "{version:?} {role}: {path} carries the span of {sent}: {said}");
        *joined.entry(path.split('/').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(clients.len(), 100 + REQUESTS, "{version:?} {role}: {said}");
    assert_eq!(joined.get("alone"), Some(&100), "{version:?} {role}: {said}");
}

#[test]
fn requests_that_share_a_header_map() {
    for &version in GoVersion::sampled() {
        sharing_a_header_map(version, "backend");
        sharing_a_header_map(version, "secure");
    }
}

/// What `httputil.DumpRequestOut` shows is not sent: it has no span, and what is sent afterwards has its own.
#[test]
fn a_request_that_is_only_dumped() {
    for version in VERSIONS {
        let receiver = Receiver::start();
        let last = traced(version, &receiver, &["backend"]);
        let first = traced(version, &receiver, &["dump", &url(last.addresses[0])]);
        load::send(first.addresses[0], 4, 100, |_| "/".to_owned());
        let said = end([first, last]);
        let spans = receiver.spans();
        let traces = by_trace(&spans);
        let rows = traces.values().filter(|trace| is_a_row(trace, 3)).count();
        assert_eq!((spans.len(), traces.len(), rows), (300, 100, 100), "{version:?}: {said}");
    }
}

/// The head of the first request to a listener, which is answered.
fn first_request(listener: &TcpListener) -> String {
    let (connection, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (&connection).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    head
}

/// The SDK's propagator knows no baggage: that of the request is passed on under the SDK's span all the same; its state the SDK passes on.
#[test]
fn baggage_under_a_span_of_the_sdk() {
    for version in VERSIONS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Receiver::start();
        let middle = traced(version, &receiver, &["sdk", &url(listener.local_addr().unwrap())]);
        let sink = std::thread::spawn(move || first_request(&listener));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            header("tracestate", "vendor=opaque"),
            header("baggage", "key=value"),
        ];
        assert_eq!(Client::connect(middle.addresses[0]).send("GET", "/", &headers, ""), Some(200));
        let head = sink.join().unwrap();
        for (name, value) in [("Baggage: ", "key=value"), ("Tracestate: ", "vendor=opaque"), ("Traceparent: ", "00-4bf92f")] {
            let values: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix(name)).collect();
            assert!(matches!(values[..], [one] if one.starts_with(value)), "{version:?} {name}: {head}");
        }
        middle.end();
    }
}
