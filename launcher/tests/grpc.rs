//! gRPC: what calls of every kind become on both sides, and what goes with them, in the versions in which its functions have changed.
//!
//! Needs root, or `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_PTRACE`, and a kernel with uprobes: `make test` as root.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, launcher};
use support::traces::{hexadecimal, is_child, orphans};

/// The oldest version with the oldest Go, and the newest with the newest; with `TEST_ALL` all of them, with both.
fn builds() -> Vec<(PathBuf, String)> {
    let files = ModuleFile::of("grpc", "grpc");
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
        (apps::build_with("grpc", version, variant, file), format!("{file:?} {version:?} {variant:?}"))
    };
    wanted.into_iter().map(build).collect()
}

/// A program whose requests each have a trace of their own.
struct Program {
    server: Server,
    client: std::cell::RefCell<Client>,
    traces: Cell<u64>,
}

/// What became of a request: the lines that the program has answered with, and its trace.
struct Asked {
    said: Vec<String>,
    trace: u64,
}

impl Program {
    fn start(command: std::process::Command, app: &Path) -> Self {
        let server = Server::start_with(command, app, &[], 1);
        let client = Client::connect(server.addresses[0]).into();
        Self { server, client, traces: Cell::new(0) }
    }

    fn ask(&self, path: &str) -> Asked {
        self.ask_with(path, &[])
    }

    fn ask_with(&self, path: &str, more: &[(&str, &str)]) -> Asked {
        self.ask_by(path, &["traceparent"], more)
    }

    /// A request with headers that name its parent.
    fn ask_by(&self, path: &str, names: &[&str], more: &[(&str, &str)]) -> Asked {
        let trace = self.traces.get() + 1;
        self.traces.set(trace);
        let own = names.iter().map(|name| ((*name).to_owned(), named(name, &format!("{trace:032x}"), "00000000000000aa")));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let headers: Vec<(String, String)> = own.chain(more).collect();
        let mut client = self.client.borrow_mut();
        assert_eq!(client.send("GET", path, &headers, ""), Some(200), "{path}");
        let said = String::from_utf8(client.body.clone()).unwrap();
        Asked { said: said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(), trace }
    }
}

/// What a header of a trace context says of a sampled parent.
fn named(header: &str, trace: &str, span: &str) -> String {
    match header {
        "traceparent" => format!("00-{trace}-{span}-01"),
        "b3" => format!("{trace}-{span}-1"),
        "x-b3-traceid" => trace.to_owned(),
        "x-b3-spanid" => span.to_owned(),
        "x-b3-sampled" => "1".to_owned(),
        _ => panic!("{header}"),
    }
}

/// The spans of one request: that of the HTTP server, then those of calls, each with that of its server if it has one.
fn calls<'s>(spans: &'s [Span], asked: &Asked) -> Vec<(&'s Span, Option<&'s Span>)> {
    let id = format!("{:032x}", asked.trace);
    let own: Vec<&Span> = spans.iter().filter(|span| hexadecimal(&span.trace_id) == id).collect();
    let [front] =
        own.iter().filter(|span| span.text("url.path").is_some() && span.kind() == SpanKind::Server).collect::<Vec<_>>()[..]
    else {
        panic!("{id}: not one request: {own:?}");
    };
    let clients = own.iter().filter(|span| span.kind() == SpanKind::Client);
    let mut found = Vec::new();
    for client in clients {
        assert!(is_child(client, front), "{client:?} is no child of {front:?}");
        let servers: Vec<&&Span> = own.iter().filter(|span| is_child(span, client)).collect();
        assert!(servers.len() < 2, "{servers:?}");
        found.push((*client, servers.first().map(|span| **span)));
    }
    let known = 1 + found.len() + found.iter().filter(|(_, server)| server.is_some()).count();
    assert_eq!(own.len(), known, "{own:?}");
    found
}

/// The only call of a request.
fn call<'s>(spans: &'s [Span], asked: &Asked) -> (&'s Span, Option<&'s Span>) {
    let found = calls(spans, asked);
    let [one] = found[..] else { panic!("{:?}: {found:?}", asked.said) };
    one
}

/// A span in a few words: its name, status code, and what the span itself says of that.
fn line(span: &Span) -> String {
    let code = span.text("rpc.response.status_code").unwrap_or_default();
    let status = span.status.clone().unwrap_or_default();
    let failed = if status.code() == StatusCode::Error { format!(" ! {}", status.message) } else { String::new() };
    assert_eq!(span.text("rpc.system.name").as_deref(), Some("grpc"));
    format!("{} {code}{failed}", span.name)
}

fn lines((client, server): (&Span, Option<&Span>)) -> (String, String) {
    (line(client), server.map(line).unwrap_or_default())
}

/// The header that a call has sent, by its span.
fn traceparent(span: &Span) -> String {
    format!("traceparent: {}", named("traceparent", &hexadecimal(&span.trace_id), &hexadecimal(&span.span_id)))
}

const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Calls of every kind, over every transport: one span on each side, the server's the child of the client's.
#[test]
fn calls_of_every_kind() {
    for (app, what) in builds() {
        let program = Program::start(launcher(), &app);
        let kinds = ["/unary", "/plain", "/tls", "/unix", "/handler", "/server", "/client", "/both", "/goroutine"];
        let asked = kinds.map(|path| program.ask(&format!("{path}?say=hi")));
        let long = program.ask("/unary?length=10485760");
        let Left { spans, stderr, .. } = program.server.idle().end();
        for (path, asked) in kinds.iter().zip(&asked) {
            let (client, server) = call(&spans, asked);
            let server = server.unwrap_or_else(|| panic!("{what} {path}: no server: {stderr}"));
            let method = match *path {
                "/server" => "Server",
                "/client" => "Client",
                "/both" => "Both",
                _ => "Unary",
            };
            for span in [client, server] {
                assert_eq!(line(span), format!("test.Echo/{method} OK"), "{what} {path}");
                assert_eq!(span.text("rpc.method"), Some(format!("test.Echo/{method}")), "{what} {path}");
            }
            assert_eq!((client.kind(), server.kind()), (SpanKind::Client, SpanKind::Server), "{what} {path}");
            assert!(client.start_time_unix_nano <= server.start_time_unix_nano, "{what} {path}");
            assert!(asked.said.contains(&traceparent(client)), "{what} {path}: {:?}, not {}", asked.said, traceparent(client));
            let sent = asked.said.iter().filter(|line| line.starts_with("traceparent")).count();
            assert_eq!(sent, asked.said.iter().filter(|line| *line == "hi").count(), "{what} {path}: {:?}", asked.said);
            if *path == "/unix" {
                assert!(client.text("server.address").unwrap().ends_with("/socket"), "{what}");
                continue;
            }
            for (span, name) in [(client, "network.peer.address"), (client, "server.address"), (server, "network.peer.address")] {
                assert_eq!(span.text(name).as_deref(), Some("127.0.0.1"), "{what} {path} {name}");
            }
            assert_eq!(client.number("network.peer.port"), client.number("server.port"), "{what} {path}");
            assert!(server.number("network.peer.port").is_some(), "{what} {path}");
        }
        assert_eq!(lines(call(&spans, &long)), ("test.Echo/Unary OK".to_owned(), "test.Echo/Unary OK".to_owned()), "{what}");
    }
}

/// Each status code on both sides, with its message; which of them are errors, the conventions say.
#[test]
fn statuses() {
    for (app, what) in builds() {
        let program = Program::start(launcher(), &app);
        let unary: Vec<Asked> = (0..CODES.len()).map(|code| program.ask(&format!("/unary?say=code%20{code}"))).collect();
        let streams: Vec<Asked> = (0..CODES.len()).map(|code| program.ask(&format!("/both?say=code%20{code}"))).collect();
        let others =
            ["/deadline", "/cancelled", "/refused", "/lost", "/unary?say=panic", "/retried"].map(|path| program.ask(path));
        let unknown =
            ["/test.Echo/Nope", "/test.Nope/Unary", "/nope"].map(|method| program.ask(&format!("/unknown?method={method}")));
        let Left { spans, stderr, .. } = program.server.idle().end();
        for (kind, all) in [("Unary", &unary), ("Both", &streams)] {
            for ((number, code), asked) in CODES.iter().enumerate().zip(all) {
                let (client, server) = call(&spans, asked);
                let plain = format!("test.Echo/{kind} {code}");
                let failed = format!("{plain} ! as was asked");
                let server = server.unwrap();
                if number == 0 {
                    // An error with a status of OK is none: the answer is nil, of which no message can be made.
                    assert_eq!(line(server), line(client), "{what}: {stderr}");
                    continue;
                }
                assert_eq!(line(client), failed, "{what}: {stderr}");
                assert_eq!(client.text("error.type").as_deref(), Some(*code), "{what}");
                let is_servers = [2, 4, 12, 13, 14, 15].contains(&number);
                assert_eq!(line(server), if is_servers { failed } else { plain }, "{what}");
                assert_eq!(server.text("error.type").is_some(), is_servers, "{what} {code}");
            }
        }
        let [deadline, cancelled, refused, lost, panicked, retried] = &others;
        let (client, server) = lines(call(&spans, deadline));
        assert!(client.starts_with("test.Echo/Unary DEADLINE_EXCEEDED ! "), "{what}: {client}");
        assert!(server.starts_with("test.Echo/Unary ") && !server.ends_with("OK"), "{what}: {server}");
        let (client, server) = lines(call(&spans, cancelled));
        assert!(client.starts_with("test.Echo/Server CANCELLED ! "), "{what}: {client}");
        assert!(server.starts_with("test.Echo/Server CANCELLED"), "{what}: {server}");
        let (client, server) = call(&spans, refused);
        assert!(line(client).starts_with("test.Echo/Unary UNAVAILABLE ! "), "{what}: {}", line(client));
        assert_eq!(server, None, "{what}");
        let (client, _server) = lines(call(&spans, lost));
        assert!(client.starts_with("test.Echo/Server UNAVAILABLE ! "), "{what}: {client}");
        let (client, server) = call(&spans, panicked);
        assert_eq!(line(client), "test.Echo/Unary INTERNAL ! panicked: as was asked", "{what}");
        let server = server.unwrap();
        assert_eq!(line(server), line(client), "{what}");
        // An interceptor recovers.
        let [event] = &server.events[..] else { panic!("{what}: {server:?}") };
        assert_eq!((&*event.name, server.text("error.type").as_deref()), ("exception", Some("INTERNAL")), "{what}");
        assert_eq!(event.attributes.text("exception.message").as_deref(), Some("as was asked"), "{what}");
        if retried.said[0] == "OK" {
            // One span for the client, three for the server.
            let id = format!("{:032x}", retried.trace);
            let own: Vec<&Span> = spans.iter().filter(|span| hexadecimal(&span.trace_id) == id).collect();
            let [client] = own.iter().filter(|span| span.kind() == SpanKind::Client).collect::<Vec<_>>()[..] else {
                panic!("{what}: {own:?}");
            };
            let attempts: Vec<&&Span> = own.iter().filter(|span| is_child(span, client)).collect();
            assert_eq!((line(client), attempts.len(), own.len()), ("test.Echo/Unary OK".to_owned(), 3, 5), "{what}");
            assert_eq!(client.number("rpc.request.resend_count"), Some(2), "{what}");
        } else {
            assert!(what.contains("v1.30"), "{what}: {:?}", retried.said);
        }
        for (asked, method) in unknown.iter().zip(["test.Echo/Nope", "test.Nope/Unary", "nope"]) {
            let (client, server) = call(&spans, asked);
            assert_eq!(client.text("rpc.method").as_deref(), Some(method), "{what}");
            let Some(server) = server else { panic!("{what}: {method}") };
            assert_eq!((server.name.as_str(), server.text("rpc.method").as_deref()), ("grpc", Some("_OTHER")), "{what}");
            assert_eq!(server.text("rpc.method_original").as_deref(), Some(method), "{what}");
            let is_malformed = method == "nope" && line(client).starts_with("nope RESOURCE_EXHAUSTED ! ");
            let is_unknown = line(client).starts_with(&format!("{method} UNIMPLEMENTED ! "));
            assert!(is_unknown || is_malformed, "{what}: {}", line(client));
        }
        assert!(!stderr.contains("had no start"), "{what}: {stderr}");
    }
}

/// What goes with a call besides: baggage and a state of elsewhere; and what the program has set stays the only one.
#[test]
fn what_is_propagated() {
    for (app, what) in builds() {
        let program = Program::start(launcher(), &app);
        let came = program.ask_with("/unary", &[("tracestate", "a=1"), ("baggage", "user=7")]);
        let own = format!("00-{:032x}-00000000000000bb-01", 0xabc);
        let set = program.ask(&format!("/own?traceparent={own}"));
        let Left { spans, .. } = program.server.idle().end();
        let (client, server) = call(&spans, &came);
        assert_eq!(came.said, ["OK", "baggage: user=7", &traceparent(client), "tracestate: a=1"], "{what}");
        assert_eq!(server.unwrap().trace_state, "a=1", "{what}");
        assert_eq!(set.said, ["OK".to_owned(), format!("traceparent: {own}")], "{what}");
    }
}

/// A proxy by gRPC that hands on the metadata of the calls that it serves: what is behind it is its child, not its caller's.
#[test]
fn a_proxy_is_in_the_trace() {
    let b3_multi: &[&str] = &["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"];
    for (app, what) in builds() {
        for (propagators, names) in [("tracecontext", &["traceparent"][..]), ("b3", &["b3"]), ("b3multi", b3_multi)] {
            let mut command = launcher();
            command.env("OTEL_PROPAGATORS", propagators);
            let program = Program::start(command, &app);
            let is_w3c = propagators == "tracecontext";
            let asked = program.ask_by("/unary?say=relay", names, if is_w3c { &[("tracestate", "a=1")] } else { &[] });
            let Left { spans, .. } = program.server.idle().end();
            let id = format!("{:032x}", asked.trace);
            let own: Vec<&Span> = spans.iter().filter(|span| hexadecimal(&span.trace_id) == id).collect();
            let mut row: Vec<&&Span> =
                own.iter().filter(|span| hexadecimal(&span.parent_span_id) == "00000000000000aa").collect();
            while let Some(next) = row.last().and_then(|last| own.iter().find(|span| is_child(span, last))) {
                row.push(next);
            }
            assert_eq!((own.len(), row.len()), (5, 5), "{what} {propagators}: {own:#?}");
            let line = |name: &&str| format!("{name}: {}", named(name, &id, &hexadecimal(&row[3].span_id)));
            let said = ["OK", "OK"].map(str::to_owned).into_iter().chain(names.iter().map(line));
            let said: Vec<String> = said.chain(is_w3c.then(|| "tracestate: a=1".to_owned())).collect();
            assert_eq!(asked.said, said, "{what} {propagators}");
        }
    }
}

/// What it hands on is made again when it fails, by a goroutine that serves nothing.
#[test]
fn a_proxys_call_that_is_made_again() {
    for (app, what) in builds() {
        let mut command = launcher();
        // Before 1.40 they are off.
        command.env("GRPC_GO_RETRY", "on");
        let program = Program::start(command, &app);
        let asked = program.ask("/unary?say=relay-again");
        let Left { spans, .. } = program.server.idle().end();
        let id = format!("{:032x}", asked.trace);
        let own: Vec<&Span> = spans.iter().filter(|span| hexadecimal(&span.trace_id) == id).collect();
        let attempts = |client: &Span| own.iter().filter(|span| is_child(span, client)).count();
        let calls: Vec<(String, usize)> =
            own.iter().filter(|span| span.kind() == SpanKind::Client).map(|span| (traceparent(span), attempts(span))).collect();
        let [(relayed, _)] = calls.iter().filter(|(_, attempts)| *attempts == 3).collect::<Vec<_>>()[..] else {
            panic!("{what}: {calls:?}: {own:#?}");
        };
        assert_eq!((own.len(), calls.len()), (7, 2), "{what}: {own:#?}");
        assert_eq!(asked.said, ["OK", relayed, "twice"], "{what}");
    }
}

/// The cases by which implementations of gRPC are tested against each other, each with the codes of its calls.
const INTEROP: &[(&str, &[&str])] = &[
    ("/empty_unary", &["EmptyCall OK"]),
    ("/large_unary", &["UnaryCall OK"]),
    ("/client_streaming", &["StreamingInputCall OK"]),
    ("/server_streaming", &["StreamingOutputCall OK"]),
    ("/ping_pong", &["FullDuplexCall OK"]),
    ("/empty_stream", &["FullDuplexCall OK"]),
    ("/timeout_on_sleeping_server", &["FullDuplexCall DEADLINE_EXCEEDED"]),
    ("/cancel_after_begin", &["StreamingInputCall CANCELLED"]),
    ("/cancel_after_first_response", &["FullDuplexCall CANCELLED"]),
    ("/status_code_and_message", &["UnaryCall UNKNOWN", "FullDuplexCall UNKNOWN"]),
    ("/special_status_message", &["UnaryCall UNKNOWN"]),
    ("/custom_metadata", &["UnaryCall OK", "FullDuplexCall OK"]),
    ("/unimplemented_method", &["UnimplementedCall UNIMPLEMENTED"]),
    ("/unimplemented_service", &["UnimplementedCall UNIMPLEMENTED"]),
];

/// They pass, and their calls are spans. A case that fails ends the program.
#[test]
fn the_cases_of_the_library_itself() {
    let app = apps::build("interop", GoVersion::GO_1_27, Variant::Stripped);
    let program = Program::start(launcher(), &app);
    let asked: Vec<Asked> = INTEROP.iter().map(|(path, _)| program.ask(path)).collect();
    let Left { spans, stderr, .. } = program.server.idle().end();
    for ((path, expected), asked) in INTEROP.iter().zip(&asked) {
        let mut found = calls(&spans, asked);
        found.sort_by_key(|(client, _)| client.start_time_unix_nano);
        let codes = found.iter().map(|(client, _)| {
            let method = client.name.rsplit('/').next().unwrap();
            format!("{method} {}", client.text("rpc.response.status_code").unwrap_or_default())
        });
        assert_eq!(codes.collect::<Vec<_>>(), *expected, "{path}: {stderr}");
        // What is given up at once may not have come to the server.
        let is_given_up = path.starts_with("/timeout") || *path == "/cancel_after_begin";
        assert!(is_given_up || found.iter().all(|(_, server)| server.is_some()), "{path}: {stderr}");
    }
}

/// A thousand streams at once on one connection, and others: each call sends its own context, once.
#[test]
fn many_at_once() {
    for (app, what) in builds() {
        let program = Program::start(launcher(), &app);
        let asked = program.ask("/many?n=1000&times=4");
        let Left { spans, stderr, .. } = program.server.idle().end();
        assert_eq!(asked.said, ["4000 contexts, 0 wrong"], "{what}: {stderr}");
        let found = calls(&spans, &asked);
        assert_eq!(found.len(), 4_000, "{what}: {stderr}");
        assert!(found.iter().all(|(client, server)| server.is_some_and(|server| line(server) == line(client))), "{what}");
    }
}

/// The same with constant garbage collection, the race detector, and in other ways to build; these and the rest of the versions are built
/// with `TEST_ALL` alone.
#[test]
fn many_at_once_under_stress() {
    let newest = ModuleFile::of("grpc", "grpc").pop().unwrap();
    let ways = [Variant::Stripped, Variant::PieStripped, Variant::Cgo, Variant::CgoPieStripped, Variant::Race];
    // That of the other tests.
    let ways = if tests_all() { &ways[..] } else { &[Variant::Default] };
    for &variant in ways {
        let app = apps::build_with("grpc", GoVersion::GO_1_27, variant, &newest);
        let mut command = launcher();
        command.env("GOGC", "1").env("GODEBUG", "gcstoptheworld=1");
        let program = Program::start(command, &app);
        let asked = program.ask("/many?n=100&times=40");
        let Left { spans, stderr, .. } = program.server.idle().end();
        assert_eq!(asked.said, ["4000 contexts, 0 wrong"], "{variant:?}: {stderr}");
        let found = calls(&spans, &asked);
        assert!(found.len() == 4_000 && found.iter().all(|(_, server)| server.is_some()), "{variant:?}: {stderr}");
    }
}

/// A stream that is open when the program ends by a signal is unfinished on both sides, and lasts until then.
#[test]
fn a_stream_that_is_open_at_the_end() {
    for (app, what) in builds() {
        let program = Program::start(launcher(), &app);
        let address = program.server.addresses[0];
        program.ask("/unary?say=hi");
        let waiting = std::thread::spawn(move || Client::connect(address).send("GET", "/open", &[], ""));
        // The server has its request when it says so.
        let program = Program { server: program.server.until_printed(&["open"]), ..program };
        let Left { spans, .. } = program.server.idle().end();
        assert_eq!(waiting.join().unwrap(), None, "{what}: nobody answers");
        let open: Vec<&Span> = spans.iter().filter(|span| span.name == "test.Echo/Server").collect();
        let kinds: std::collections::BTreeSet<i32> = open.iter().map(|span| span.kind).collect();
        assert_eq!((open.len(), kinds.len()), (2, 2), "{what}: {open:?}");
        for span in open {
            assert_eq!(span.text("error.type").as_deref(), Some("unfinished"), "{what}");
        }
    }
}

/// Propagation may be off: there are spans all the same.
#[test]
fn without_writing() {
    let (app, what) = builds().pop().unwrap();
    let mut command = launcher();
    command.arg("--no-write");
    let program = Program::start(command, &app);
    let asked = program.ask("/unary?say=hi");
    let Left { spans, .. } = program.server.idle().end();
    assert_eq!(asked.said, ["OK", "hi"], "{what}");
    let servers = spans.iter().filter(|span| span.text("rpc.method").is_some() && span.kind() == SpanKind::Server);
    assert_eq!((servers.count(), calls(&spans, &asked).len(), orphans(&spans).len()), (1, 1, 1), "{what}");
}
