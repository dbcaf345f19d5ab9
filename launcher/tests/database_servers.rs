//! The database servers that tests start, and the programs that use them, without the launcher: what other tests rely on.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::net::{SocketAddr, TcpStream};

use support::apps::{self, GoVersion, Variant};
use support::mariadb::MariaDb;
use support::plain::Plain;
use support::postgres::Postgres;
use support::server::Client;

/// What the program `database_sql` can do on every server.
const WORKING: [&str; 32] = [
    "/setup",
    "/query",
    "/query-context",
    "/query-row",
    "/query-row-context",
    "/join",
    "/exec",
    "/exec-context",
    "/literals",
    "/prepared",
    "/prepared-plain",
    "/conn",
    "/ping",
    "/procedure",
    "/large",
    "/large-with-arguments",
    "/commit",
    "/commit-plain",
    "/rollback",
    "/rollback-after-commit",
    "/empty-transaction",
    "/prepared-in-transaction",
    "/panic-in-transaction",
    "/cancelled-transaction",
    "/transactions?count=5",
    "/rows-early",
    "/rows-cancelled",
    "/rows-elsewhere",
    "/goroutine",
    "/goroutine-context",
    "/nested",
    "/many?goroutines=5&statements=20",
];

/// What fails on every server.
const FAILING: [&str; 14] = [
    "/query-row-none",
    "/commit-twice",
    "/deadlock",
    "/syntax-error",
    "/missing-table",
    "/constraint",
    "/wrapped",
    "/late-error",
    "/not-sql",
    "/unterminated",
    "/wrong-arguments",
    "/cancelled",
    "/deadline",
    "/lost",
];

fn answer(address: SocketAddr, path: &str) -> String {
    let mut client = Client::connect(address);
    assert_eq!(client.send("GET", path, &[], ""), Some(200), "{path}");
    String::from_utf8_lossy(&client.body).into_owned()
}

/// Runs a program, and asks it for what works and what does not.
fn serves(app: &str, tag: &str, args: &[&str], working: &[&str], failing: &[&str]) {
    let program = Plain::start(&apps::build_tagged(app, GoVersion::GO_1_26, Variant::Stripped, tag, None), args, 1);
    let address = program.addresses[0];
    for path in working {
        let said = answer(address, path);
        assert!(said.starts_with("ok"), "{app} {tag} {path}: {said}");
    }
    for path in failing {
        let said = answer(address, path);
        assert!(said.starts_with("error"), "{app} {tag} {path}: {said}");
    }
    program.end();
}

/// Ended, it does not listen any more.
fn is_gone(port: u16) {
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "a server still listens on port {port}");
}

#[test]
fn postgres_serves_every_driver_and_ends() {
    let mut server = Postgres::start();
    for tag in ["pgx5", "pgx4", "pq"] {
        serves("database_sql", tag, &[&server.dsn()], &WORKING, &FAILING);
        serves("database_sql", tag, &[&server.dsn(), "connector"], &["/setup", "/query"], &["/syntax-error"]);
    }
    let working = [
        "/setup",
        "/query",
        "/query-row",
        "/exec",
        "/literals",
        "/simple-protocol",
        "/rows-early",
        "/pool",
        "/pool-conn",
        "/commit",
        "/rollback",
        "/nested",
        "/panic",
        "/ping",
        "/goroutine",
        "/conn",
        "/prepared",
        "/conn-ping",
        "/notification",
        "/batch",
        "/batch-unread",
        "/copy",
        "/waited",
    ];
    let failing = [
        "/query-row-none",
        "/batch-error",
        "/batch-late-error",
        "/copy-error",
        "/syntax-error",
        "/missing-table",
        "/constraint",
        "/late-error",
        "/cancelled",
        "/deadline",
        "/lost",
        "/exhausted",
    ];
    for tag in ["pgx5", "pgx4"] {
        serves("pgx", tag, &[&server.dsn()], &working, &failing);
    }
    serves("orm", "pgx5", &[&server.dsn()], &ORM, &["/gorm-none", "/gorm-duplicate"]);
    server.restart();
    serves("pgx", "pgx5", &[&server.dsn()], &["/query"], &[]);
    let port = server.port();
    drop(server);
    is_gone(port);
}

const ORM: [&str; 12] = [
    "/setup",
    "/gorm-create",
    "/gorm-find",
    "/gorm-first",
    "/gorm-update",
    "/gorm-transaction",
    "/sqlx-select",
    "/sqlx-get",
    "/sqlx-named",
    "/sqlx-in",
    "/sqlx-transaction",
    "/in-span",
];

#[test]
fn mariadb_serves_and_ends() {
    let mut server = MariaDb::start();
    serves("database_sql", "mysql", &[&server.dsn()], &WORKING, &FAILING);
    serves("database_sql", "mysql", &[&server.dsn(), "connector"], &["/setup", "/query"], &["/syntax-error"]);
    serves("orm", "mysql", &[&server.dsn()], &ORM, &["/gorm-none", "/gorm-duplicate"]);
    server.restart();
    serves("database_sql", "mysql", &[&server.dsn()], &["/query"], &[]);
    let port = server.port();
    drop(server);
    is_gone(port);
}

#[test]
fn the_fake_driver_does_what_no_server_can_be_asked_for() {
    let own = ["/retries", "/retries-exec", "/panic-in-driver", "/query-row", "/transactions?count=1000"];
    serves("database_sql", "fake", &["full"], &own, &["/retries-in-vain", "/late-error", "/missing-table", "/deadline"]);
    serves("database_sql", "fake", &["minimal"], &["/query-row", "/exec", "/retries", "/commit"], &["/missing-table"]);
}
