//! Whose child a request is: of the span that its context carries, else of what its goroutine does, else of what the
//! goroutine was started for.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Mutex;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, Variant};
use support::load;
use support::receiver::Attributes as _;
use support::server::{Client, Server};
use support::sink::Sink;
use support::traces::{by_trace, hexadecimal, is_child, of_kind, sum_of_ids};

/// Ways of deriving a context; a worker that no request has started makes the request with it.
const CONTEXTS: [&str; 13] = [
    "itself",
    "value",
    "timeout",
    "cancel-cause",
    "without-cancel",
    "embedding",
    "embedding-pointer",
    "holding",
    "all",
    "with-context",
    "gin",
    "gin-request",
    "gin-derived",
];

/// Runs the program, with `load` on its server; the spans. Into each request its own span was injected, whatever its parent is.
fn run(version: GoVersion, load: impl FnOnce(SocketAddr)) -> Vec<Span> {
    let sink = Sink::start();
    let app = apps::build("parentage", version, Variant::Stripped);
    let server = Server::start(&app, &[&sink.url], 1);
    load(server.addresses[0]);
    let left = server.end();
    let counted = sink.end();
    let clients = of_kind(&left.spans.iter().collect::<Vec<_>>(), SpanKind::Client);
    assert_eq!((counted.good, counted.missing), (clients.len() as u64, 0), "{version:?}: {}", left.stderr);
    assert_eq!(counted.sum, sum_of_ids(clients), "{version:?}: the ids on the wire are those of the spans");
    left.spans
}

/// What a request is made for: the way, the number of the server's request, and which one of several it is.
fn purpose(client: &Span) -> [String; 3] {
    let url = client.text("url.full").unwrap();
    let mut parts = url.rsplitn(4, '/');
    let [which, number, way] = [(); 3].map(|()| parts.next().unwrap().to_owned());
    [way, number, which]
}

/// Server spans by path and number.
fn served(spans: &[Span]) -> HashMap<(String, String), &Span> {
    let servers = spans.iter().filter(|span| span.kind() == SpanKind::Server);
    let named = servers.filter_map(|span| {
        let number = span.text("url.query")?.strip_prefix("id=")?.to_owned();
        Some(((span.text("url.path")?.strip_prefix('/')?.to_owned(), number), span))
    });
    named.collect()
}

/// How many requests of each purpose there are, and how many are children of the server span of exactly their number.
fn children(spans: &[Span]) -> BTreeMap<String, (usize, usize)> {
    let servers = served(spans);
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for client in spans.iter().filter(|span| span.kind() == SpanKind::Client) {
        let [way, number, which] = purpose(client);
        let count = counts.entry(format!("{way} {which}")).or_default();
        count.0 += 1;
        count.1 += usize::from(servers.get(&(way, number)).is_some_and(|server| is_child(client, server)));
    }
    counts
}

/// Each purpose has `count` requests, all of them children.
fn all_children<'a>(purposes: impl IntoIterator<Item = &'a str>, count: usize) -> BTreeMap<String, (usize, usize)> {
    purposes.into_iter().map(|purpose| (purpose.to_owned(), (count, count))).collect()
}

/// The context leads to the server span where nothing else does.
#[test]
fn through_the_context() {
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| {
            load::send(address, 8, 40 * CONTEXTS.len(), |number| format!("/{}?id={number}", CONTEXTS[number % CONTEXTS.len()]));
        });
        let purposes: Vec<String> = CONTEXTS.iter().map(|way| format!("{way} x")).collect();
        assert_eq!(children(&spans), all_children(purposes.iter().map(String::as_str), 40), "{version:?}");
    }
}

/// What outlives a request is still its child when that has been answered, also after thousands of others, and while the
/// collector gives memory to new objects; a worker that is older than the request makes the call.
#[test]
fn after_the_request_has_been_answered() {
    const WAYS: [&str; 3] = ["without-cancel", "value", "timeout"];
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| {
            for round in 0..5 {
                let number = |number: usize| round * 60 + number;
                load::send(address, 4, 60, |n| format!("/afterwards-{}?id={}", WAYS[n % WAYS.len()], number(n)));
                load::send(address, 4, 300, |n| format!("/itself?id={}", 1_000 + round * 300 + n));
                load::send(address, 1, 1, |_| format!("/make-later?id={round}"));
            }
        });
        let mut expected = all_children(["afterwards-without-cancel x", "afterwards-value x", "afterwards-timeout x"], 100);
        expected.extend(all_children(["itself x"], 1_500));
        assert_eq!(children(&spans), expected, "{version:?}");
    }
}

/// The decision about the request is that about what outlives it.
#[test]
fn after_an_unsampled_request_has_been_answered() {
    for &version in GoVersion::sampled() {
        let sink = Sink::start();
        let server = Server::start(&apps::build("parentage", version, Variant::Stripped), &[&sink.url], 1);
        let mut client = Client::connect(server.addresses[0]);
        let unsampled = ("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".to_owned());
        for number in 0..10 {
            let path = format!("/afterwards-without-cancel?id={number}");
            assert_eq!(client.send("GET", &path, std::slice::from_ref(&unsampled), ""), Some(200));
        }
        assert_eq!(client.send("GET", "/make-later?id=0", &[], ""), Some(200));
        let left = server.end();
        let counted = sink.end();
        assert_eq!((counted.good, counted.sampled), (10, 0), "{version:?}: {counted:?}");
        assert_eq!(left.spans.len(), 1, "{version:?}: that of /make-later alone; {}", left.stderr);
    }
}

/// The context wins over the goroutine, which serves another request.
#[test]
fn the_context_comes_before_the_goroutine() {
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| load::send(address, 2, 100, |number| format!("/lend?id={number}")));
        assert_eq!(children(&spans), all_children(["lend x"], 50), "{version:?}");
    }
}

/// Siblings that run at the same time are all children of the request they are made for.
#[test]
fn siblings_of_an_errgroup() {
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| load::send(address, 8, 100, |number| format!("/errgroup?id={number}")));
        let purposes = ["errgroup 1", "errgroup 2", "errgroup 3", "errgroup 4", "errgroup 5"];
        assert_eq!(children(&spans), all_children(purposes, 100), "{version:?}");
    }
}

/// Workers that were started at the start serve 8 requests at a time, one after the other, and take none for another.
#[test]
fn a_worker_pool_mixes_nothing_up() {
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| load::send(address, 8, 2_000, |number| format!("/value?id={number}")));
        assert_eq!(children(&spans), all_children(["value x"], 2_000), "{version:?}");
    }
}

/// Without a context: the handler's goroutine, one that it has started, and one that this one has started.
#[test]
fn through_the_goroutine_and_its_creators() {
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| load::send(address, 8, 400, |number| format!("/background?id={number}")));
        let purposes = ["background own", "background child", "background grandchild"];
        assert_eq!(children(&spans), all_children(purposes, 400), "{version:?}");
    }
}

/// A goroutine that outlives its request stays in its trace, also while its creator serves another request or has ended;
/// and the request's span has ended before.
#[test]
fn goroutines_that_outlive_their_request() {
    const ROUNDS: usize = 60;
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| {
            let get = |client: &mut Client, path: &str| assert_eq!(client.send("GET", path, &[], ""), Some(200), "{path}");
            let mut other = Client::connect(address);
            for round in 0..ROUNDS {
                let mut first = Client::connect(address);
                get(&mut first, &format!("/start?id={round}"));
                let release = format!("/release?id={round}");
                match round % 3 {
                    0 => get(&mut first, &release),
                    1 => get(&mut other, &release),
                    _ => {
                        drop(first);
                        load::send(address, 4, 20, |number| format!("/spawn?id={}", ROUNDS + round * 20 + number));
                        get(&mut other, &release);
                    }
                }
            }
        });
        let mut counts = children(&spans);
        counts.remove("spawn x");
        assert_eq!(counts, all_children(["start background", "start without-cancel"], ROUNDS), "{version:?}");
        let servers = served(&spans);
        for client in spans.iter().filter(|span| span.kind() == SpanKind::Client) {
            let [way, number, _] = purpose(client);
            let server = servers[&(way.clone(), number)];
            assert!(way != "start" || server.end_time_unix_nano < client.start_time_unix_nano, "{version:?}: {server:?}");
        }
    }
}

/// A goroutine that has served a request is used again, by the runtime, for work that no request has asked for.
#[test]
fn a_reused_goroutine_has_no_parent() {
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| {
            for round in 0..10 {
                load::send(address, 4, 20, |number| format!("/spawn?id={}", round * 20 + number));
                load::send(address, 1, 1, |_| format!("/dispatch?id={round}"));
            }
        });
        let counts = children(&spans);
        assert_eq!((counts["spawn x"], counts["dispatch x"].0), ((4_000, 4_000), 200), "{version:?}");
        let traces = by_trace(&spans);
        let of_nobody = |span: &&Span| span.kind() == SpanKind::Client && purpose(span)[0] == "dispatch";
        let strays: Vec<&Span> = spans.iter().filter(of_nobody).filter(|span| !span.parent_span_id.is_empty()).collect();
        assert!(strays.is_empty(), "{version:?}: {} of 200 have a parent", strays.len());
        assert!(spans.iter().filter(of_nobody).all(|span| traces[&span.trace_id[..]].len() == 1), "{version:?}");
    }
}

/// A span of the OpenTelemetry SDK in the context is the parent, in the handler's goroutine and in a worker's.
#[test]
fn a_span_of_the_sdk() {
    for &version in GoVersion::sampled() {
        let said: Mutex<BTreeMap<usize, String>> = Mutex::default();
        let spans = run(version, |address| {
            load::each(address, 4, 80, |client, number| {
                let path = format!("/{}?id={number}", if number % 2 == 0 { "sdk" } else { "sdk-by-worker" });
                assert_eq!(client.send("GET", &path, &[], ""), Some(200));
                let body = String::from_utf8(client.body.clone()).unwrap();
                said.lock().unwrap().insert(number, body);
            });
        });
        let clients = spans.iter().filter(|span| span.kind() == SpanKind::Client);
        let found = clients.map(|client| {
            let parent = format!("{} {}", hexadecimal(&client.trace_id), hexadecimal(&client.parent_span_id));
            (purpose(client)[1].parse().unwrap(), parent)
        });
        assert_eq!(found.collect::<BTreeMap<usize, String>>(), said.into_inner().unwrap(), "{version:?}");
    }
}

/// 32 connections; each request makes two on other goroutines, one by its context and one without.
#[test]
fn under_load_every_trace_is_whole() {
    const REQUESTS: usize = 2_000;
    for &version in GoVersion::sampled() {
        let spans = run(version, |address| load::send(address, 32, REQUESTS, |number| format!("/two?id={number}")));
        assert_eq!(children(&spans), all_children(["two x"], 2 * REQUESTS), "{version:?}");
        let is_whole = |trace: &&Vec<&Span>| {
            let [servers, clients] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(trace, kind).len());
            (servers, clients) == (1, 2)
        };
        let traces = by_trace(&spans);
        assert_eq!((traces.len(), traces.values().filter(is_whole).count()), (REQUESTS, REQUESTS), "{version:?}");
    }
}
