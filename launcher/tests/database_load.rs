//! database/sql under load: every statement is one span, in its trace; and nothing is left of it.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use bpf::trace::goroutine::Goroutine;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::receiver::Attributes as _;
use support::server::{Client, Server, bpf_launcher, launcher};
use support::traces::{by_trace, is_child, of_kind, orphans};
use support::until::seen;
use support::{load, maps};

/// One at a time: an unoptimized launcher has a core to itself then, and its ring never fills.
static ONE: Mutex<()> = Mutex::new(());

fn start(version: GoVersion) -> Server {
    Server::start_with(
        bpf_launcher(),
        &apps::build_tagged("database_sql", version, Variant::Stripped, "fake", None),
        &["full"],
        1,
    )
}

/// With which versions of Go a driver is tried that takes a minute to compile with each: the newest, which other tests build as well.
fn versions_of_sqlite() -> &'static [GoVersion] {
    if tests_all() { GoVersion::sampled() } else { &[GoVersion::GO_1_27] }
}

/// The same with a driver that takes its time.
fn start_with_sqlite(version: GoVersion, folder: &Path) -> Server {
    let dsn = format!("file:{}?_pragma=journal_mode(WAL)", folder.join("shop.db").display());
    let is_newest = version == GoVersion::GO_1_27;
    let newest = ModuleFile::of("database_sql", "sqlite").pop().filter(|_| is_newest);
    let variant = if is_newest { Variant::Default } else { Variant::Stripped };
    let server = Server::start_with(
        bpf_launcher(),
        &apps::build_tagged("database_sql", version, variant, "sqlite", newest.as_ref()),
        &[&dsn],
        1,
    );
    get(&server, "/setup");
    server
}

fn get(server: &Server, path: &str) {
    assert_eq!(Client::connect(server.addresses[0]).send("GET", path, &[], ""), Some(200), "{path}");
}

/// Holds that no statement is open, on any goroutine and of any rows.
fn nothing_is_left(server: &Server) {
    let word = |value: &[u8], at: usize| u64::from_ne_bytes(value[at..at + 8].try_into().unwrap());
    // The numbers of what is open stand side by side.
    let is_open = |value: &Vec<u8>| word(value, Goroutine::OPEN_AT) != 0;
    let look = || {
        let open = maps::values(server.pid(), "GOROUTINES").iter().filter(|value| is_open(value)).count();
        (open, maps::entries(server.pid())["OBJECTS"])
    };
    seen("no open goroutine and no open rows", look, |left| *left == (0, 0));
}

fn ids(spans: &[Span]) -> usize {
    spans.iter().map(|span| &span.span_id[..]).collect::<HashSet<_>>().len()
}

/// 50 goroutines of one handler, 200 statements each.
#[test]
fn ten_thousand_statements_of_one_request() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for &version in versions_of_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let server = start_with_sqlite(version, folder.path());
        get(&server, "/many?goroutines=50&statements=200");
        nothing_is_left(&server);
        let mut left = server.end();
        let setup = left.spans.iter().find(|span| span.text("url.path").as_deref() == Some("/setup")).unwrap().trace_id.clone();
        left.spans.retain(|span| span.trace_id != setup);
        let all: Vec<&Span> = left.spans.iter().collect();
        let [handler, statements] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(&all, kind));
        assert_eq!((handler.len(), statements.len(), ids(&left.spans)), (1, 10_000, 10_001), "{version:?}: {}", left.stderr);
        assert!(statements.iter().all(|statement| is_child(statement, handler[0])), "{version:?}");
        assert!(statements.iter().all(|statement| statement.name == "SELECT orders"), "{version:?}");
    }
}

/// What requests ask for, 2 at a time, and how many statements each is.
const PATHS: [(&str, usize); 8] = [
    ("/query-row-context", 1),
    ("/query", 1),
    ("/exec-context", 1),
    ("/goroutine", 1),
    ("/commit", 4),
    ("/rows-elsewhere", 1),
    ("/rollback", 3),
    ("/nested", 4),
];

#[test]
fn ten_thousand_requests_with_statements() {
    requests_with_statements(10_000, launcher, |_| ());
}

/// Fewer, for the ring buffer of BPF has room for less, and the machine may have other things to do.
#[test]
fn requests_with_statements_leave_nothing_in_maps() {
    requests_with_statements(2_000, bpf_launcher, nothing_is_left);
}

fn requests_with_statements(requests: usize, launcher: fn() -> Command, look: fn(&Server)) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for &version in GoVersion::sampled() {
        let app = apps::build_tagged("database_sql", version, Variant::Stripped, "fake", None);
        let mut launcher = launcher();
        launcher.env("OTEL_BSP_SCHEDULE_DELAY", "50");
        let server = Server::start_with(launcher, &app, &["full"], 1);
        let spans_of =
            |requests: usize| PATHS.iter().map(|(_, statements)| 1 + statements).sum::<usize>() * requests / PATHS.len();
        // The receiver may be slower than the program, and the launcher keeps some megabytes.
        let part = requests / 10;
        assert_eq!(part % PATHS.len(), 0);
        for sent in 1..=10 {
            load::send(server.addresses[0], 2, part, |number| PATHS[number % PATHS.len()].0.to_owned());
            server.receiver.wait_for_number(spans_of(part * sent));
        }
        look(&server);
        let left = server.end();
        let expected = spans_of(requests);
        let traces = by_trace(&left.spans);
        let found = (left.spans.len(), ids(&left.spans), traces.len(), orphans(&left.spans).len());
        assert_eq!(found, (expected, expected, requests, 0), "{version:?}: {}", left.stderr);
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        for trace in traces.values() {
            let handler = of_kind(trace, SpanKind::Server)[0];
            assert_eq!(trace.iter().filter(|span| is_child(span, handler)).count() + 1, trace.len(), "{version:?}");
            *sizes.entry(trace.len() - 1).or_default() += 1;
        }
        let each = requests / PATHS.len();
        assert_eq!(sizes, [(1, 5 * each), (3, each), (4, 2 * each)].into(), "{version:?}");
    }
}

/// A thousand transactions are open at once: what belongs to each is linked to its begin, and to no other one.
#[test]
fn a_thousand_transactions() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for &version in GoVersion::sampled() {
        let server = start(version);
        get(&server, "/transactions?count=1000");
        nothing_is_left(&server);
        let left = server.end();
        let mut spans = left.spans;
        spans.sort_by_key(|span| span.start_time_unix_nano);
        let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
        let (begins, selects, rollbacks) = (named("BEGIN"), named("SELECT orders"), named("ROLLBACK"));
        assert_eq!((begins.len(), selects.len(), rollbacks.len()), (1_000, 1_000, 1_000), "{version:?}: {}", left.stderr);
        for ((begin, select), rollback) in begins.iter().zip(selects).zip(rollbacks) {
            for within in [select, rollback] {
                let [link] = &within.links[..] else { panic!("{version:?}: {within:?}") };
                assert_eq!((&link.trace_id, &link.span_id), (&begin.trace_id, &begin.span_id), "{version:?}");
            }
        }
    }
}

/// Rows that nobody closes are spans at the latest when the program ends, as long as their functions took; they are no error.
#[test]
fn rows_that_are_never_closed() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for &version in GoVersion::sampled() {
        let server = start(version);
        load::send(server.addresses[0], 4, 500, |_| "/rows-open".to_owned());
        assert_eq!(maps::entries(server.pid())["OBJECTS"], 500, "{version:?}");
        let left = server.end();
        let found = (left.spans.len(), ids(&left.spans), orphans(&left.spans).len());
        assert_eq!(found, (1_000, 1_000, 0), "{version:?}: {}", left.stderr);
        let traces = by_trace(&left.spans);
        for trace in traces.values() {
            let [handler, query] = [SpanKind::Server, SpanKind::Client].map(|kind| of_kind(trace, kind)[0]);
            assert!(query.end_time_unix_nano < handler.end_time_unix_nano, "{version:?}");
            assert_eq!(query.status.clone().unwrap_or_default().code, 0, "{version:?}: {query:?}");
        }
    }
}

/// Databases that are opened and closed one after the other: each statement is of its own, although it may be where another one was.
#[test]
fn reopened_databases() {
    for &version in versions_of_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let server = start_with_sqlite(version, folder.path());
        get(&server, "/reopened");
        let left = server.end();
        let mut found = 0;
        for statement in &left.spans {
            let table = statement.text("db.collection.name").unwrap_or_default();
            let Some(number) = table.strip_prefix("number_") else { continue };
            let file = folder.path().join(format!("reopened-{:03}.db", number.parse::<u32>().unwrap()));
            assert_eq!(statement.text("db.namespace").as_deref(), file.to_str(), "{version:?}: {table}");
            found += 1;
        }
        assert_eq!(found, 200, "{version:?}: {}", left.stderr);
    }
}
