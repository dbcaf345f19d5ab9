//! pgx by itself: what its statements, batches, copies and pools become, on a real server.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod database;
mod support;

use std::path::PathBuf;

use database::{Place, lines};
use opentelemetry_proto::tonic::trace::v1::Span;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::postgres::Postgres;
use support::receiver::Attributes as _;
use support::server::{Client, Server};

const ONE: &str = "SELECT orders, op SELECT, of orders, rows 1: SELECT name FROM orders WHERE id = $1";
const THREE: &str = "SELECT orders, op SELECT, of orders, rows 3: SELECT id, name FROM orders WHERE id >= $1";
const RENAME: &str = "UPDATE orders, op UPDATE, of orders: UPDATE orders SET name = $1 WHERE id = $2";
const BEGIN: &str = "BEGIN, op BEGIN";
const COMMIT: &str = "COMMIT, op COMMIT: commit";
const ROLLBACK: &str = "ROLLBACK, op ROLLBACK: rollback";
const PING: &str = "PING, op PING, no summary";

/// Paths, and the lines of their spans; `PG` is the type of the server's errors.
const EXPECTED: &[(&str, &[&str])] = &[
    ("/query", &["SELECT orders, op SELECT, of orders, rows 2: SELECT id, name FROM orders WHERE id >= $1"]),
    ("/query-row", &[ONE]),
    // No error.
    ("/query-row-none", &["SELECT orders, op SELECT, of orders, rows 0: SELECT name FROM orders WHERE id = $1"]),
    ("/exec", &[RENAME]),
    ("/literals", &["SELECT orders, op SELECT, of orders, rows 0: SELECT id FROM orders WHERE name = ? AND id IN (?)"]),
    ("/simple-protocol", &[THREE]),
    ("/rows-early", &["SELECT orders, op SELECT, of orders, rows 1: SELECT id, name FROM orders WHERE id >= $1"]),
    ("/pool", &[THREE, ONE, RENAME]),
    ("/pool-conn", &[THREE, ONE, RENAME]),
    ("/commit", &[BEGIN, THREE, ONE, RENAME, COMMIT]),
    ("/rollback", &[BEGIN, ROLLBACK]),
    (
        "/nested",
        &[BEGIN, "SAVEPOINT, op SAVEPOINT: savepoint sp_1", RENAME, "ROLLBACK, op ROLLBACK: rollback to savepoint sp_1", COMMIT],
    ),
    ("/panic", &[BEGIN, ROLLBACK]),
    ("/ping", &[PING]),
    ("/goroutine", &[ONE]),
    ("/conn", &[THREE, ONE, RENAME]),
    // It is asked for by its name.
    (
        "/prepared",
        &[
            "PREPARE orders, op PREPARE, of orders, no summary: SELECT id, name FROM orders WHERE id >= $1",
            "postgresql, rows 3, no summary: by_id",
        ],
    ),
    ("/conn-ping", &[PING]),
    ("/notification", &["LISTEN, op LISTEN: LISTEN news", "SELECT, op SELECT: SELECT pg_notify(?, ?)"]),
    // What the third one is, is not read.
    ("/batch", &["BATCH, op BATCH, size 3, no summary"]),
    (
        "/batch-unread",
        &["BATCH SELECT orders, op BATCH SELECT, of orders, size 2: \
           SELECT name FROM orders WHERE id = $1; SELECT id, name FROM orders WHERE id >= $1"],
    ),
    (
        "/batch-error",
        &["BATCH, op BATCH SELECT, size 2: SELECT name FROM orders WHERE id = $1; SELECT 1 FROM missing WHERE id = $1 \
           ! PG 42P01 relation \"missing\" does not exist"],
    ),
    (
        "/batch-late-error",
        &["BATCH, op BATCH SELECT, size 2: SELECT name FROM orders WHERE id = $1; SELECT 1 / ($1::int - 1) \
           ! PG 22012 division by zero"],
    ),
    (
        "/copy",
        &[
            "DELETE orders, op DELETE, of orders: DELETE FROM orders WHERE id >= $1",
            "COPY public.orders, op COPY, of public.orders, no summary",
        ],
    ),
    (
        "/copy-error",
        &["COPY orders, op COPY, of orders, no summary \
           ! PG 23505 duplicate key value violates unique constraint \"orders_pkey\""],
    ),
    ("/syntax-error", &["postgresql, no summary: SELEC id FROM orders ! PG 42601 syntax error at or near ?"]),
    (
        "/missing-table",
        &["DELETE missing, op DELETE, of missing: DELETE FROM missing ! PG 42P01 relation \"missing\" does not exist"],
    ),
    (
        "/constraint",
        &["INSERT orders, op INSERT, of orders: INSERT INTO orders (id, name) VALUES ($1, $2) \
           ! PG 23505 duplicate key value violates unique constraint \"orders_pkey\""],
    ),
    (
        "/late-error",
        &["SELECT orders, op SELECT, of orders, rows 0: SELECT ? / (? - id) FROM orders WHERE id < ? ORDER BY id \
           ! PG 22012 division by zero"],
    ),
    (
        "/cancelled",
        &[
            "SELECT orders, op SELECT, of orders: SELECT id, name FROM orders WHERE id >= $1 ! context.Canceled - context canceled",
        ],
    ),
    ("/deadline", &["SELECT, op SELECT, rows 0: SELECT pg_sleep(?) ! context.DeadlineExceeded - context deadline exceeded"]),
    (
        "/lost",
        &["SELECT, op SELECT: SELECT pg_terminate_backend(pg_backend_pid()) \
           ! PG 57P01 terminating connection due to administrator command"],
    ),
    // Nobody gives it a connection.
    (
        "/exhausted",
        &["SELECT orders, op SELECT, of orders: SELECT name FROM orders WHERE id = $1 \
           ! context.DeadlineExceeded - context deadline exceeded"],
    ),
    // Somebody does, after 200 milliseconds.
    ("/waited", &[ONE]),
];

/// The line as it is expected. A program that does not describe `pgx.TxOptions` has a statement for the pool's `BEGIN`; a ping may be an
/// empty statement.
fn plain(line: &str) -> String {
    match line {
        "BEGIN, op BEGIN: begin" | "BEGIN, op BEGIN, no summary" => BEGIN.to_owned(),
        "PING, op PING, no summary: ;" => PING.to_owned(),
        line => line.to_owned(),
    }
}

/// The oldest version with the oldest Go, and the newest with the newest; with `TEST_ALL` all of them.
fn builds(tag: &str, library: &str) -> Vec<(PathBuf, bool)> {
    let files = ModuleFile::of("pgx", library);
    let mut wanted: Vec<(&ModuleFile, GoVersion, Variant)> = Vec::new();
    for file in &files {
        for version in file.go_versions() {
            wanted.extend([Variant::Stripped, Variant::Default].map(|variant| (file, version, variant)));
        }
    }
    if !tests_all() {
        wanted = vec![wanted[0], wanted[wanted.len() - 1]];
    }
    let is_first = |file: &ModuleFile| *file == files[0];
    let built = wanted
        .into_iter()
        .map(|(file, version, variant)| (apps::build_tagged("pgx", version, variant, tag, Some(file)), is_first(file)));
    built.collect()
}

fn becomes(tag: &str, library: &str, error: &str) {
    let database = Postgres::start();
    for (app, is_oldest) in builds(tag, library) {
        let server = Server::start(&app, &[&database.dsn()], 1);
        let mut client = Client::connect(server.addresses[0]);
        for path in std::iter::once(&"/setup").chain(EXPECTED.iter().map(|(path, _)| path)) {
            assert_eq!(client.send("GET", path, &[], ""), Some(200), "{path}");
        }
        let receiver = server.receiver.clone();
        let left = server.end();
        let what = app.display();
        assert!(left.status.success(), "{what}: {}", left.stderr);
        assert!(!format!("{:?}", receiver.requests()).contains("s3cret"), "{what}: a password");
        // Pools of pgx 4.5 do not keep by what they were made.
        let place = Place { may_be_unknown: tag == "pgx4" && is_oldest, ..Place::shop("postgresql", database.port()) };
        let found = lines(&left.spans, &place);
        for (path, lines) in EXPECTED {
            // What a deadline is there, is the network's.
            if *path == "/deadline" && tag == "pgx4" && is_oldest {
                continue;
            }
            let expected: Vec<String> = lines.iter().map(|line| line.replace("! PG ", &format!("! {error} "))).collect();
            let found: Vec<String> = found[*path].iter().map(|line| plain(line)).collect();
            assert_eq!(found, expected, "{what}: {path}");
        }
        durations(&left.spans);
    }
}

/// What waits for a connection lasts as long as it waits.
fn durations(spans: &[Span]) {
    for (path, milliseconds) in [("/exhausted", 90), ("/waited", 150), ("/deadline", 90)] {
        let server = spans.iter().find(|span| span.text("url.path").as_deref() == Some(path)).unwrap();
        let statement = spans.iter().find(|span| span.parent_span_id == server.span_id).unwrap();
        let lasted = (statement.end_time_unix_nano - statement.start_time_unix_nano) / 1_000_000;
        assert!(lasted >= milliseconds, "{path}: {lasted}");
    }
}

#[test]
fn version_4() {
    becomes("pgx4", "pgx-v4", "*github.com/jackc/pgconn.PgError");
}

#[test]
fn version_5() {
    becomes("pgx5", "pgx-v5", "*github.com/jackc/pgx/v5/pgconn.PgError");
}
