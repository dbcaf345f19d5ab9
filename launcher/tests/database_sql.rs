//! database/sql: what a program's statements, transactions and pings become, on real servers and with every driver.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod database;
mod support;

use std::path::Path;

use database::drivers::{Driver, FAKE, MYSQL, PGX_4, PGX_5, PQ, SQLITE, SQLITE_3};
use database::scenarios::{cancelled_transaction, deadlock, scenarios};
use database::{Place, is_like, lines};
use opentelemetry_proto::tonic::trace::v1::Span;
use support::apps;
use support::mariadb::MariaDb;
use support::postgres::Postgres;
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server};

/// Runs a program, and asks it for paths, one after the other; what was left of it, and its receiver's requests as text.
fn run(app: &Path, args: &[&str], paths: &[&str]) -> (Left, String) {
    let server = Server::start(app, args, 1);
    let mut client = Client::connect(server.addresses[0]);
    for path in paths {
        assert_eq!(client.send("GET", path, &[], ""), Some(200), "{path}");
    }
    let receiver = server.receiver.clone();
    let left = server.end();
    assert!(left.status.success(), "{}", left.stderr);
    (left, format!("{:?}", receiver.requests()))
}

/// Holds that a driver's statements become exactly the spans that are expected.
fn becomes(driver: &Driver, dsn: &str, place: &Place) {
    for (file, version, variant) in driver.builds() {
        let app = apps::build_tagged("database_sql", version, variant, driver.tag, file.as_ref());
        let what = app.display();
        // By the text of the oldest, by a connector of the newest.
        let is_newest = file == driver.builds().pop().unwrap().0;
        let args = if driver.has_connector && is_newest { vec![dsn, "connector"] } else { vec![dsn] };
        let expected = scenarios(driver);
        let mut paths = vec!["/setup"];
        paths.extend(expected.iter().map(|(path, _)| *path));
        paths.extend(["/cancelled-transaction", "/rows-cancelled"]);
        paths.extend(deadlock(driver).map(|_| "/deadlock"));
        // The first keeps rows open; the other leaves a connection of which a driver may learn too late.
        paths.retain(|path| *path != "/lost");
        paths.extend(["/rows-open", "/lost"]);
        let (left, exported) = run(&app, &args, &paths);
        assert!(!exported.contains("s3cret"), "{what}: a password");

        let found = lines(&left.spans, place);
        for (path, expected) in expected {
            let found = &found[path];
            let is_right = found.len() == expected.len() && found.iter().zip(&expected).all(|(found, line)| is_like(found, line));
            assert!(is_right, "{what}: {path}\nfound {found:#?}\nexpected {expected:#?}");
        }
        cancelled_transaction(driver, &found["/cancelled-transaction"]);
        if let Some(mut expected) = deadlock(driver) {
            let mut found = found["/deadlock"].clone();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{what}");
        }
        // Whether the rows see it is a matter of time.
        assert_eq!(found["/rows-cancelled"].len(), 1, "{what}");
        durations(&left.spans);
    }
}

/// A query lasts until its rows are closed, or its function has returned where they are not; a failure as long as it took.
fn durations(spans: &[Span]) {
    let children = |path: &str| {
        let server = spans.iter().find(|span| span.text("url.path").as_deref() == Some(path)).unwrap();
        let mut children: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id == server.span_id).collect();
        children.sort_by_key(|span| span.start_time_unix_nano);
        (server, children)
    };
    let (server, nested) = children("/nested");
    assert!(nested.iter().all(|span| span.end_time_unix_nano <= nested[0].end_time_unix_nano));
    assert!(nested[0].end_time_unix_nano < server.end_time_unix_nano);
    let (server, open) = children("/rows-open");
    assert!(open[0].end_time_unix_nano < server.end_time_unix_nano && open[0].status.clone().unwrap_or_default().code == 0);
    for path in ["/cancelled-meanwhile", "/deadline"] {
        if spans.iter().any(|span| span.text("url.path").as_deref() == Some(path)) {
            let (_, slow) = children(path);
            assert!(slow[0].end_time_unix_nano - slow[0].start_time_unix_nano >= 90_000_000, "{path}");
        }
    }
}

#[test]
fn postgres() {
    let server = Postgres::start();
    let place = Place::shop("postgresql", server.port());
    for driver in [&PGX_5, &PGX_4, &PQ] {
        becomes(driver, &server.dsn(), &place);
    }
}

#[test]
fn mariadb() {
    let server = MariaDb::start();
    becomes(&MYSQL, &server.dsn(), &Place::shop("mysql", server.port()));
}

#[test]
fn sqlite() {
    for (driver, parameters) in
        [(&SQLITE, "_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)"), (&SQLITE_3, "_busy_timeout=2000&_journal_mode=WAL")]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db").display().to_string();
        let place = Place::without_server("sqlite", Some(file.clone()));
        becomes(driver, &format!("file:{file}?{parameters}"), &place);
    }
}

/// Retries are one span; a panic in the driver is its end.
#[test]
fn what_no_server_can_be_asked_for() {
    becomes(&FAKE, "full", &Place::without_server("other_sql", None));
}
