//! The fallback for kernels before 6.10: the launcher attaches the same probes as perf events, one for each site. All BPF programs,
//! by the launcher itself.
//!
//! Needs root, as perf-event uprobes do (`CAP_SYS_ADMIN` on kernels with the fix of CVE-2025-38466).

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;

use nix::unistd::Pid;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant};
use support::front::{Front, LIBRARIES};
use support::receiver::Attributes as _;
use support::server::{Client, Server, bpf_launcher, curl, get};
use support::traces::{by_trace, hexadecimal, is_child, of_kind};

/// With the versions of each HTTP/2 server: of Go up to 1.26, and of 1.27, which has a BPF program of its own.
const VERSIONS: [GoVersion; 2] = [GoVersion::GO_1_26, GoVersion::GO_1_27];

fn by_perf_events() -> Command {
    let mut command = bpf_launcher();
    command.args(["--uprobes", "perf-event"]);
    command
}

/// The kinds of a launcher's links: `perf` or `uprobe_multi`.
fn links(launcher: Pid) -> Vec<String> {
    let infos = std::fs::read_dir(format!("/proc/{launcher}/fdinfo")).unwrap();
    let infos = infos.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    let kind = |info: String| Some(info.lines().find_map(|line| line.strip_prefix("link_type:"))?.trim().to_owned());
    infos.filter_map(kind).collect()
}

fn served<'a>(spans: &'a [Span], path: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.text("url.path").as_deref() == Some(path)).collect()
}

/// HTTP/1 and HTTP/2, with routes that only the mux knows, a panic, and what is open when the program ends.
#[test]
fn servers() {
    const REQUESTS: usize = 50;
    for version in VERSIONS {
        let app = apps::build("http_server", version, Variant::Stripped);
        let args = ["-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0", "-grace", "1ms", "-replaced"];
        let server = Server::start_with(by_perf_events(), &app, &args, 2);
        let [plain, tls] = server.addresses[..] else { panic!("two addresses") };
        // At least two for each kind of request, one for panics, one of findHandler, and those of the program's end.
        let links = links(server.pid());
        assert!(links.len() >= 8 && links.iter().all(|kind| kind == "perf"), "{version:?}: {links:?}");
        let mut client = Client::connect(plain);
        for _ in 0..REQUESTS {
            assert_eq!(client.send("GET", "/items/7", &[], ""), Some(200));
        }
        assert_eq!(get(plain, "/panic"), 0);
        let answers = curl(&["--http2"], &format!("https://{tls}/items/8?n=[1-20]"));
        assert_eq!(answers.matches("2 200").count(), 20, "{answers}");
        let mut events = TcpStream::connect(plain).unwrap();
        write!(events, "GET /events HTTP/1.1\r\nHost: example.test\r\n\r\n").unwrap();
        BufReader::new(&events).read_line(&mut String::new()).unwrap();
        let left = server.end();
        drop(events);
        let what = format!("{version:?}: {}", left.stderr);
        for (path, count) in [("/items/7", REQUESTS), ("/items/8", 20)] {
            let spans = served(&left.spans, path);
            assert_eq!(spans.len(), count, "{path} {what}");
            for span in spans {
                assert_eq!(span.number("http.response.status_code"), Some(200), "{what}");
                assert_eq!(span.text("http.route").as_deref(), Some("/items/{id}"), "{what}");
            }
        }
        let outcome = |path: &str| match served(&left.spans, path)[..] {
            [span] => (span.text("http.route"), span.events.len(), span.text("error.type").is_some()),
            ref spans => panic!("{path}: {} spans; {what}", spans.len()),
        };
        assert_eq!(outcome("/panic"), (Some("/panic".to_owned()), 1, true), "{what}");
        assert_eq!(outcome("/events"), (Some("/events".to_owned()), 0, false), "{what}");
        assert_eq!(left.spans.len(), REQUESTS + 22, "{what}");
    }
}

/// What comes in goes on by HTTP/1, by HTTP/2 and by `golang.org/x/net/http2`; and what the program is to write, it writes.
#[test]
fn clients() {
    for version in VERSIONS {
        let front = Front::start(version, by_perf_events());
        let mut client = front.client();
        let mut sent = Vec::new();
        for library in LIBRARIES {
            for _ in 0..10 {
                sent.push(client.via(library, &[("baggage", "key=value")], &[]));
            }
        }
        let left = front.end();
        let what = format!("{version:?}: {}", left.stderr);
        let traces = by_trace(&left.spans);
        assert_eq!((left.spans.len(), traces.len()), (2 * sent.len(), sent.len()), "{what}");
        for trace in traces.values() {
            let [servers, clients] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(trace, kind));
            assert!(is_child(clients[0], servers[0]), "{what}");
            let parent = format!("00-{}-{}-01", hexadecimal(&clients[0].trace_id), hexadecimal(&clients[0].span_id));
            assert_eq!(sent.iter().filter(|sent| *sent.values("Traceparent") == [parent.as_str()]).count(), 1, "{what}");
        }
        assert!(sent.iter().all(|sent| *sent.values("Baggage") == ["key=value"]), "{what}");
    }
}

/// The server of `golang.org/x/net/http2`, in its newest version.
#[test]
fn servers_of_xnet() {
    let file = ModuleFile::all("xnet_http2").pop().unwrap();
    for version in file.go_versions() {
        let app = apps::build_with("xnet_http2", version, Variant::Stripped, &file);
        let server = Server::start_with(by_perf_events(), &app, &[], 2);
        let [plain, tls] = server.addresses[..] else { panic!("two addresses") };
        assert_eq!(curl(&["--http2-prior-knowledge"], &format!("http://{plain}/hello")), "2 200");
        assert_eq!(curl(&["--http2"], &format!("https://{tls}/hello")), "2 200");
        let left = server.end();
        assert_eq!(served(&left.spans, "/hello").len(), 2, "{version:?}: {}", left.stderr);
    }
}
