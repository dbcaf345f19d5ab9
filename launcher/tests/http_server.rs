//! Real Go servers of every version under the launcher, real requests, and a real receiver for their spans.
//!
//! Needs root, or `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_PTRACE`, and a kernel with uprobes: `make test` as root.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, Variant};
use support::receiver::Attributes as _;
use support::server::{Client, Server, curl, get, launcher};
use support::traces::by_trace;

/// Variants that are run with a version of Go. The ways to build differ in where addresses come from, which is the same in all
/// versions.
fn variants(version: GoVersion) -> &'static [Variant] {
    let all = &[Variant::Default, Variant::Stripped, Variant::Pie, Variant::Cgo];
    if version.is_sampled() { all } else { &all[..2] }
}

/// Without parents and with every feature: what the tests ask for, by path.
fn by_path(spans: &[Span]) -> BTreeMap<String, Vec<&Span>> {
    let mut map: BTreeMap<String, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        map.entry(span.text("url.path").unwrap()).or_default().push(span);
    }
    map
}

fn one<'a>(spans: &BTreeMap<String, Vec<&'a Span>>, path: &str) -> &'a Span {
    let found = &spans[path];
    assert_eq!(found.len(), 1, "{path}");
    found[0]
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn start(version: GoVersion, variant: Variant) -> Server {
    Server::start(&apps::build("http_server", version, variant), &["-addr", "127.0.0.1:0"], 1)
}

/// The scenarios that every build must pass.
fn every_build(version: GoVersion, variant: Variant) {
    let what = format!("{version:?} {variant:?}");
    from_the_first_request(version, variant);
    let server = start(version, variant);
    let address = server.addresses[0];
    assert_eq!(get(address, "/hello?token=secret&x=1"), 200);
    assert_eq!(get(address, "/empty"), 200);
    assert_eq!(get(address, "/panic-error"), 0);
    assert_eq!(get(address, "/status?code=503"), 503);
    let left = server.end();
    assert!(left.status.success(), "{what}: {left:?}");
    assert_eq!(left.spans.len(), 4, "{what}: {}", left.stderr);
    let spans = by_path(&left.spans);
    let hello = one(&spans, "/hello");
    assert_eq!(hello.kind(), SpanKind::Server);
    assert_eq!(hello.text("url.query").unwrap(), "token=REDACTED&x=1");
    assert_eq!(hello.number("http.response.status_code"), Some(200));
    assert_eq!(hello.number("http.response.body.size"), Some(5));
    assert_eq!(one(&spans, "/empty").number("http.response.status_code"), Some(200));
    let panic = one(&spans, "/panic-error");
    assert!(is_error(panic), "{what}");
    assert_eq!(panic.text("error.type").unwrap(), "*errors.errorString", "{what}");
    assert_eq!(panic.events[0].attributes.text("exception.message").unwrap(), "an error as asked", "{what}");
    assert!(is_error(one(&spans, "/status")));
}

/// An address of the loopback network of this caller's own: another test's server may get any port of 127.0.0.1.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [low, high, ..] = std::process::id().to_le_bytes();
    Ipv4Addr::new(127, high | 0x80, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A client that connects as soon as the port opens finds every one of its requests traced.
fn from_the_first_request(version: GoVersion, variant: Variant) {
    const REQUESTS: usize = 100;
    // A port that was free a moment ago, on an address that nobody else uses; connecting starts before the program does.
    let address = TcpListener::bind((own_address(), 0)).unwrap().local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let stream = until_open(address);
        drop(stream);
        let mut client = Client::connect(address);
        (0..REQUESTS).filter(|_| client.send("GET", "/hello", &[], "") == Some(200)).count()
    });
    let app = apps::build("http_server", version, variant);
    let server = Server::start(&app, &["-addr", &address.to_string()], 1);
    assert_eq!(client.join().unwrap(), REQUESTS);
    let left = server.end();
    assert_eq!(left.spans.len(), REQUESTS, "{version:?} {variant:?}: {}", left.stderr);
}

fn until_open(address: SocketAddr) -> TcpStream {
    loop {
        if let Ok(stream) = TcpStream::connect(address) {
            return stream;
        }
        std::thread::yield_now();
    }
}

/// The scenarios that depend on the Go version, not on how it was built.
fn every_version(version: GoVersion) {
    attributes(version);
    ends(version);
    aborts(version);
    counts(version);
    http2(version);
    xnet_http2(version);
}

fn attributes(version: GoVersion) {
    let has_patterns = version >= GoVersion::GO_1_22;
    let before = SystemTime::now();
    let server = start(version, Variant::Stripped);
    let address = server.addresses[0];
    let mut client = Client::connect(address);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut many: Vec<_> = (0..200).map(|n| header(&format!("X-Header-{n}"), "value")).collect();
    many.insert(77, header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    many.push(header("tracestate", "vendor=opaque"));
    many.push(header("tracestate", "other=1"));
    many.push(header("User-Agent", "test/1.0"));
    many.push(header("X-Forwarded-For", "203.0.113.7, 10.0.0.1"));
    many.push(header("X-Forwarded-Proto", "https"));
    assert_eq!(client.send("GET", "/hello", &many, ""), Some(200));
    let unsampled = [header("traceparent", "00-11112222333344445555666677778888-0123456789abcdef-00")];
    assert_eq!(client.send("GET", "/empty", &unsampled, ""), Some(200));
    assert_eq!(client.send("BREW", "/status?code=418", &[], ""), Some(418));
    assert_eq!(client.send("POST", "/echo", &[], "0123456789"), Some(200));
    assert_eq!(client.body, b"0123456789");
    let long = format!("/long/{}", "p".repeat(1994));
    assert_eq!(client.send("GET", &long, &[], ""), Some(404));
    assert_eq!(client.send("GET", if has_patterns { "/items/7" } else { "/stream" }, &[], ""), Some(200));
    assert_eq!(client.send("GET", "/wrapped", &[], ""), Some(202));
    let left = server.end();
    let spans = by_path(&left.spans);
    assert!(!spans.contains_key("/empty"), "the parent was not sampled");
    assert_eq!(left.spans.len(), 6, "{version:?}: {}", left.stderr);

    let hello = one(&spans, "/hello");
    assert_eq!(hello.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!(hello.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(hello.trace_state, "vendor=opaque,other=1");
    assert_eq!(hello.text("user_agent.original").unwrap(), "test/1.0");
    assert_eq!(hello.text("client.address").unwrap(), "203.0.113.7");
    assert_eq!(hello.text("url.scheme").unwrap(), "https");
    assert_eq!(hello.text("network.peer.address").unwrap(), "127.0.0.1");
    assert!(hello.number("network.peer.port").unwrap() > 0);
    assert_eq!(hello.text("server.address").unwrap(), "example.test");
    assert_eq!(hello.number("server.port"), Some(8080));
    assert_eq!(hello.text("network.protocol.version").unwrap(), "1.1");
    let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let (from, to) = (u128::from(hello.start_time_unix_nano), u128::from(hello.end_time_unix_nano));
    assert!(nanos(before) <= from && from < to && to <= nanos(SystemTime::now()), "{version:?}: {from} {to}");

    let brew = one(&spans, "/status");
    assert_eq!(brew.text("http.request.method").unwrap(), "_OTHER");
    assert_eq!(brew.text("http.request.method_original").unwrap(), "BREW");
    assert_eq!(brew.number("http.response.status_code"), Some(418));
    assert!(!is_error(brew), "a client's error is none of the server");
    let echo = one(&spans, "/echo");
    assert_eq!((echo.number("http.request.body.size"), echo.number("http.response.body.size")), (Some(10), Some(10)));
    assert_eq!(one(&spans, &long).number("http.response.status_code"), Some(404));
    assert_eq!(one(&spans, "/wrapped").number("http.response.status_code"), Some(202));
    if has_patterns {
        let item = one(&spans, "/items/7");
        assert_eq!(item.name, "GET /items/{id}");
        assert_eq!(item.text("http.route").unwrap(), "/items/{id}");
        assert_eq!(brew.name, "HTTP /status");
    } else {
        assert_eq!(hello.name, "GET");
        assert_eq!(hello.text("http.route"), None);
    }
}

/// Every way in which a handler can end; afterwards the server is traced as before.
fn ends(version: GoVersion) {
    let server = Server::start(
        &apps::build("http_server", version, Variant::Stripped),
        &["-addr", "127.0.0.1:0", "-addr2", "127.0.0.1:0", "-exit-code", "7"],
        2,
    );
    let [address, second] = server.addresses[..] else { panic!("two servers") };
    assert_eq!(get(address, "/panic"), 0);
    assert_eq!(get(address, "/panic-runtime"), 0);
    assert_eq!(get(address, "/like-abort"), 0);
    assert_eq!(get(address, "/hijack"), 200);
    assert_eq!(get(second, "/empty"), 200);
    assert_eq!(get(address, "/hello"), 200);
    // Nobody waits for the handler of a hijacked connection but us.
    server.receiver.wait_for(|span| span.text("url.path").as_deref() == Some("/hijack"));
    let left = server.end();
    assert_eq!(left.status.code(), Some(7));
    assert_eq!(left.spans.len(), 6, "{version:?}: {}", left.stderr);
    let spans = by_path(&left.spans);
    for (path, error_type, message) in [
        ("/panic", "string", "as asked"),
        ("/panic-runtime", "runtime.boundsError", "runtime error: index out of range [7] with length 1"),
        // What has the text of `http.ErrAbortHandler` only is a panic as any other.
        ("/like-abort", "string", "net/http: abort Handler"),
    ] {
        let span = one(&spans, path);
        assert!(is_error(span), "{version:?} {path}");
        assert_eq!(span.text("error.type").unwrap(), error_type, "{version:?} {path}");
        assert_eq!(span.number("http.response.status_code"), None);
        let [event] = &span.events[..] else { panic!("{version:?} {path}: {:?}", span.events) };
        assert_eq!(event.name, "exception");
        assert_eq!(event.attributes.text("exception.type").unwrap(), error_type);
        assert_eq!(event.attributes.text("exception.message").unwrap(), message, "{version:?} {path}");
    }
    let hijacked = one(&spans, "/hijack");
    assert_eq!(hijacked.number("http.response.status_code"), None, "what was answered is not known");
    assert!(!is_error(hijacked));
}

/// A handler that aborts its answer, as a proxy does when its client leaves, has cut it; that is no exception.
fn aborts(version: GoVersion) {
    let app = apps::build("http_server", version, Variant::Stripped);
    let server = Server::start(&app, &["-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0"], 2);
    let [plain, secure] = server.addresses[..] else { panic!("two servers") };
    assert_eq!(get(plain, "/abort"), 0);
    assert_eq!(Client::connect(plain).send("GET", "/abort?n=7", &[], ""), None);
    assert_eq!(curl(&["--http2"], &format!("https://{secure}/abort")), "0 000", "{version:?}");
    assert_eq!(curl(&["--http2"], &format!("https://{secure}/abort?n=7")), "2 200", "{version:?}");
    let left = server.end();
    assert_eq!(left.spans.len(), 4, "{version:?}: {}", left.stderr);
    for span in &left.spans {
        let has_begun = span.text("url.query").is_some();
        let status = span.number("http.response.status_code");
        assert_eq!(status, has_begun.then_some(200), "{version:?}: {span:?}");
        assert_eq!(span.number("http.response.body.size"), has_begun.then_some(7));
        assert!(is_error(span), "{version:?}");
        assert_eq!(span.text("error.type").unwrap(), "http.ErrAbortHandler", "{version:?}");
        assert_eq!(span.events, [], "{version:?}: {span:?}");
    }
}

/// As many spans as requests, with stacks that grow and 8 connections at once.
fn counts(version: GoVersion) {
    const CONNECTIONS: usize = 8;
    const REQUESTS: usize = 125;
    let server = start(version, Variant::Stripped);
    let address = server.addresses[0];
    let clients = (0..CONNECTIONS).map(|connection| {
        std::thread::spawn(move || {
            let mut client = Client::connect(address);
            for request in 0..REQUESTS {
                if request % 10 == 0 {
                    // A fresh goroutine, whose stack has to grow.
                    client = Client::connect(address);
                }
                let path = format!("/deep?n={}", (connection + 1) * (request % 10) * 20);
                assert_eq!(client.send("GET", &path, &[], ""), Some(200));
            }
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    let left = server.end();
    assert_eq!(left.spans.len(), CONNECTIONS * REQUESTS, "{version:?}: {}", left.stderr);
    let ids: HashSet<&[u8]> = left.spans.iter().map(|span| span.span_id.as_slice()).collect();
    assert_eq!((ids.len(), by_trace(&left.spans).len()), (left.spans.len(), left.spans.len()), "ids are unique");
}

/// HTTP/2 of the standard library: by TLS, and without where the version can (Go ≥ 1.24).
fn http2(version: GoVersion) {
    let h2c = version >= GoVersion::GO_1_24;
    let mut args = vec!["-tls-addr", "127.0.0.1:0"];
    if h2c {
        args.extend(["-h2c-addr", "127.0.0.1:0"]);
    }
    let server = Server::start(&apps::build("http_server", version, Variant::Stripped), &args, if h2c { 2 } else { 1 });
    let mut expected = 0;
    for (index, address) in server.addresses.iter().enumerate() {
        let (scheme, http2) = if index == 0 { ("https", "--http2") } else { ("http", "--http2-prior-knowledge") };
        let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let url = |path: &str| format!("{scheme}://{address}{path}");
        assert_eq!(curl(&[http2, "-H", parent], &url("/hello")), "2 200", "{version:?}");
        assert_eq!(curl(&[http2], &url("/empty")), "2 200", "{version:?}");
        assert_eq!(curl(&[http2], &url("/panic")), "0 000", "{version:?}");
        assert_eq!(curl(&[http2, "-d", "0123456789"], &url("/echo")), "2 200", "{version:?}");
        expected += 4;
    }
    let left = server.end();
    assert_eq!(left.spans.len(), expected, "{version:?}: {}", left.stderr);
    check_http2(&left.spans, &format!("{version:?}"));
    let spans = by_path(&left.spans);
    assert!(spans["/echo"].iter().all(|span| span.number("http.response.body.size") == Some(10)));
    let secure = spans["/hello"].iter().filter(|span| span.text("url.scheme").unwrap() == "https").count();
    assert_eq!(secure, 1);
    if version >= GoVersion::GO_1_22 {
        assert!(spans["/hello"].iter().all(|span| span.name == "GET /hello"), "{version:?}");
    }
}

/// HTTP/2 of golang.org/x/net/http2: h2c by prior knowledge, and TLS by `ConfigureServer`.
fn xnet_http2(version: GoVersion) {
    let server = Server::start(&apps::build("xnet_http2", version, Variant::Stripped), &[], 2);
    let [plain, secure] = server.addresses[..] else { panic!("two servers") };
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (scheme, http2, address) in [("http", "--http2-prior-knowledge", plain), ("https", "--http2", secure)] {
        let url = |path: &str| format!("{scheme}://{address}{path}");
        assert_eq!(curl(&[http2, "-H", parent], &url("/hello")), "2 200", "{version:?}");
        assert_eq!(curl(&[http2], &url("/empty")), "2 200", "{version:?}");
        assert_eq!(curl(&[http2], &url("/panic")), "0 000", "{version:?}");
    }
    assert_eq!(get(plain, "/hello"), 200);
    let left = server.end();
    assert_eq!(left.spans.len(), 7, "{version:?}: {}", left.stderr);
    let over_http2: Vec<Span> =
        left.spans.into_iter().filter(|span| span.text("network.protocol.version").unwrap() == "2").collect();
    assert_eq!(over_http2.len(), 6);
    check_http2(&over_http2, &format!("{version:?} x/net"));
}

/// What is the same for every HTTP/2 server.
fn check_http2(spans: &[Span], what: &str) {
    let spans = by_path(spans);
    for span in &spans["/hello"] {
        assert_eq!(span.text("network.protocol.version").unwrap(), "2", "{what}");
        assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes(), "{what}");
        assert_eq!(span.number("http.response.status_code"), Some(200), "{what}");
        assert_eq!(span.number("http.response.body.size"), Some(5), "{what}");
    }
    assert!(spans["/empty"].iter().all(|span| span.number("http.response.status_code") == Some(200)), "{what}");
    for span in &spans["/panic"] {
        assert!(is_error(span), "{what}");
        assert_eq!(span.events[0].attributes.text("exception.message").unwrap(), "as asked", "{what}");
    }
}

macro_rules! versions {
    ($($name:ident: $version:ident,)*) => {
        $(
            #[test]
            fn $name() {
                every_version(GoVersion::$version);
                for &variant in variants(GoVersion::$version) {
                    every_build(GoVersion::$version, variant);
                }
            }
        )*
    };
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

/// Maps of Go 1.24 and 1.25 as Go 1.23 has them.
#[test]
fn no_swiss_map() {
    every_build(GoVersion::GO_1_24, Variant::NoSwissMap);
}

/// What the resource and the scope say.
#[test]
fn resource_and_scope() {
    let mut command = launcher();
    command.env("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b").arg("--service-name=shop");
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
    let program = server.program();
    get(server.addresses[0], "/hello");
    let receiver = server.receiver.clone();
    server.end();
    let requests = receiver.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let resource = &request.resource_spans[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(attributes.text("service.name").unwrap(), "shop");
    assert_eq!(attributes.text("team").unwrap(), "a b");
    assert_eq!(attributes.number("process.pid"), Some(program.as_raw().into()));
    assert_eq!(attributes.text("telemetry.distro.name").unwrap(), "go-auto-launch");
    let scope = resource.scope_spans[0].scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("go-auto-launch/net/http", env!("CARGO_PKG_VERSION")));
}

/// Methods that the user names are known, and no others: those of `WebDAV`, for example.
#[test]
fn known_methods() {
    let mut command = launcher();
    command.env("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, PROPFIND");
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
    let mut client = Client::connect(server.addresses[0]);
    for method in ["GET", "PROPFIND", "POST", "propfind"] {
        assert_eq!(client.send(method, "/hello", &[], ""), Some(200));
    }
    let left = server.end();
    let said = |span: &Span| [span.name.clone()].into_iter().chain(span.text("http.request.method_original")).collect();
    let methods: Vec<Vec<String>> = left.spans.iter().map(said).collect();
    assert_eq!(
        methods,
        [vec!["GET /hello"], vec!["PROPFIND /hello"], vec!["HTTP /hello", "POST"], vec!["HTTP /hello", "propfind"]]
    );
    let known = left.spans.iter().map(|span| span.text("http.request.method").unwrap());
    assert_eq!(known.collect::<Vec<_>>(), ["GET", "PROPFIND", "_OTHER", "_OTHER"]);
}

/// All requests are traced although the program is asked to end right after the last one.
#[test]
fn nothing_is_lost_at_the_end() {
    let server = start(GoVersion::GO_1_26, Variant::Stripped);
    let mut client = Client::connect(server.addresses[0]);
    for _ in 0..500 {
        assert_eq!(client.send("GET", "/hello", &[], ""), Some(200));
    }
    let left = server.end();
    assert_eq!(left.spans.len(), 500, "{}", left.stderr);
}

/// The program is asked to end while requests are on their way; every answer that arrived has its span.
#[test]
fn sigterm_under_load() {
    let server = start(GoVersion::GO_1_26, Variant::Stripped);
    let address = server.addresses[0];
    let (ready, started) = std::sync::mpsc::channel();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let ready = ready.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut answers = 0;
                while client.send("GET", "/hello", &[], "") == Some(200) {
                    answers += 1;
                    if answers == 100 {
                        ready.send(()).unwrap();
                    }
                }
                answers
            })
        })
        .collect();
    (0..8).for_each(|_| started.recv().unwrap());
    let left = server.end();
    let answers: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(left.status.success());
    // A request that was served while its connection was being closed has a span and no answer.
    let extra = left.spans.len().checked_sub(answers).unwrap_or_else(|| panic!("{} of {answers}", left.spans.len()));
    assert!(extra <= 8, "{extra} spans without an answer: {}", left.stderr);
}

/// A killed program's open request is reported as unfinished, and the launcher exits as a shell would.
#[test]
fn killed_program() {
    let server = start(GoVersion::GO_1_26, Variant::Stripped);
    let address = server.addresses[0];
    assert_eq!(get(address, "/hello"), 200);
    let mut client = Client::connect(address);
    let waiting = std::thread::spawn(move || client.send("GET", "/sleep?ms=60000", &[], ""));
    // The request is being handled when another one, sent later, reports one more than were served.
    let mut count = Client::connect(address);
    while server_is_idle(&server) {
        count.send("GET", "/count", &[], "").unwrap();
    }
    nix::sys::signal::kill(server.program(), nix::sys::signal::Signal::SIGKILL).unwrap();
    let left = server.wait();
    assert_eq!(waiting.join().unwrap(), None);
    assert_eq!(left.status.code(), Some(137));
    let spans = by_path(&left.spans);
    let open = one(&spans, "/sleep");
    assert!(is_error(open));
    assert_eq!(open.text("error.type").unwrap(), "unfinished");
    assert_eq!(one(&spans, "/hello").text("error.type"), None);
}

/// Whether the server has not read the sleeping request yet: its socket's receive queue is not empty, or it was not
/// accepted.
fn server_is_idle(server: &Server) -> bool {
    let port = format!(":{:04X}", server.addresses[0].port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Established connections of the server side with something unread, and the client's own connection count.
    let of_server = table.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some("01")
    });
    let unread = of_server.clone().any(|line| !line.split_whitespace().nth(4).unwrap().ends_with(":00000000"));
    unread || of_server.count() < 2
}

/// Samplers decide as the specification says for the same trace ids, and honour a parent's decision.
#[test]
fn samplers() {
    // The low eight bytes, shifted right by one, against ratio × 2^63 (OpenTelemetry Go, `TraceIDRatioBased`).
    let ids: Vec<u64> = (0..64_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let quarter = |id: u64| id >> 1 < 1 << 61;
    let below = ids.iter().filter(|id| quarter(**id)).count();
    for (sampler, ratio, flag, expected) in [
        ("always_on", "", "00", ids.len()),
        ("always_off", "", "01", 0),
        ("traceidratio", "0.25", "00", below),
        ("parentbased_always_on", "", "00", 0),
        ("parentbased_always_off", "", "01", ids.len()),
        ("parentbased_traceidratio", "0.0", "01", ids.len()),
    ] {
        let mut command = launcher();
        command.env("OTEL_TRACES_SAMPLER", sampler).env("OTEL_TRACES_SAMPLER_ARG", ratio);
        let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
        let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
        let mut client = Client::connect(server.addresses[0]);
        for id in &ids {
            let parent = format!("00-aaaaaaaaaaaaaaaa{id:016x}-00f067aa0ba902b7-{flag}");
            // A trace id of which half is zero is valid.
            client.send("GET", "/hello", &[("traceparent".to_owned(), parent)], "").unwrap();
        }
        let left = server.end();
        assert_eq!(left.spans.len(), expected, "{sampler} {ratio}: {}", left.stderr);
        if sampler == "traceidratio" {
            for span in &left.spans {
                assert!(quarter(u64::from_be_bytes(span.trace_id[8..].try_into().unwrap())));
            }
        }
    }
}

/// A collector that is absent or silent delays nothing while the program runs, and at most the deadline at its end.
#[test]
fn collector_absent_or_stuck() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stuck = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [absent, stuck.local_addr().unwrap()] {
        let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
        let mut command = launcher();
        command.arg("--flush-timeout=300ms").arg(format!("--endpoint=http://{address}"));
        let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0", "-exit-code", "3"], 1);
        assert_eq!(get(server.addresses[0], "/hello"), 200);
        let begin = std::time::Instant::now();
        let left = server.end();
        assert_eq!(left.status.code(), Some(3));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert!(left.stderr.contains("go-auto-launch: "), "the loss is said: {}", left.stderr);
    }
}
