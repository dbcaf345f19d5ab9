//! database/sql below gorm, sqlx and the SDK; with settings; and with a server that is restarted.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod database;
mod support;

use std::path::PathBuf;

use database::{Place, lines};
use opentelemetry_proto::tonic::trace::v1::Span;
use support::apps::{self, GoVersion, Variant, tests_all};
use support::mariadb::MariaDb;
use support::postgres::Postgres;
use support::receiver::Attributes as _;
use support::server::{Client, Server, launcher};
use support::traces::hexadecimal;

/// Those that gorm allows; each version compiles all of them.
fn versions() -> &'static [GoVersion] {
    if tests_all() { &[GoVersion::GO_1_26, GoVersion::GO_1_27] } else { &[GoVersion::GO_1_27] }
}

const BEGIN: &str = "BEGIN, op BEGIN, no summary";
const COMMIT: &str = "COMMIT, op COMMIT, no summary ^ BEGIN";
const ROLLBACK: &str = "ROLLBACK, op ROLLBACK, no summary ^ BEGIN";
const FIRST: &str =
    r#"SELECT "orders", op SELECT, of "orders": SELECT * FROM "orders" WHERE "orders"."id" = $1 ORDER BY "orders"."id" LIMIT $2"#;
const UPDATE: &str = r#"UPDATE "orders", op UPDATE, of "orders": UPDATE "orders" SET "name"=$1 WHERE "id" = $2 ^ BEGIN"#;

/// What both libraries do, and the spans of it; quotes and placeholders are PostgreSQL's.
const EXPECTED: &[(&str, &[&str])] = &[
    (
        "/gorm-create",
        &[
            BEGIN,
            r#"INSERT "orders", op INSERT, of "orders": INSERT INTO "orders" ("name","id") VALUES ($1,$2) RETURNING "id" ^ BEGIN"#,
            COMMIT,
        ],
    ),
    ("/gorm-find", &[r#"SELECT "orders", op SELECT, of "orders": SELECT * FROM "orders" WHERE name = $1"#]),
    ("/gorm-first", &[FIRST]),
    ("/gorm-none", &[FIRST]),
    ("/gorm-update", &[BEGIN, UPDATE, COMMIT]),
    ("/gorm-transaction", &[BEGIN, UPDATE, COMMIT]),
    (
        "/gorm-duplicate",
        &[
            BEGIN,
            r#"INSERT "orders", op INSERT, of "orders": INSERT INTO "orders" ("name","id") VALUES ($1,$2) RETURNING "id" ! ERROR ^ BEGIN"#,
            ROLLBACK,
        ],
    ),
    ("/sqlx-select", &["SELECT orders, op SELECT, of orders: SELECT id, name FROM orders WHERE id >= $1"]),
    ("/sqlx-get", &["SELECT orders, op SELECT, of orders: SELECT id, name FROM orders WHERE id = $1"]),
    ("/sqlx-named", &["UPDATE orders, op UPDATE, of orders: UPDATE orders SET name = $1 WHERE id = $2"]),
    ("/sqlx-in", &["SELECT orders, op SELECT, of orders: SELECT id, name FROM orders WHERE id IN ($1, $2, $3)"]),
    (
        "/sqlx-transaction",
        &[BEGIN, "UPDATE orders, op UPDATE, of orders: UPDATE orders SET name = $1 WHERE id = $2 ^ BEGIN", COMMIT],
    ),
];

fn ask(server: &Server, path: &str) -> String {
    let mut client = Client::connect(server.addresses[0]);
    assert_eq!(client.send("GET", path, &[], ""), Some(200), "{path}");
    String::from_utf8(client.body).unwrap()
}

/// Holds that both libraries' statements become these spans; `written`: a line as this system writes it.
fn orm(tag: &str, dsn: &str, place: &Place, written: impl Fn(&str) -> String) {
    for &version in versions() {
        let server = Server::start(&apps::build_tagged("orm", version, Variant::Stripped, tag, None), &[dsn], 1);
        assert!(ask(&server, "/setup").starts_with("ok"));
        for (path, _) in EXPECTED {
            ask(&server, path);
        }
        let left = server.end();
        let found = lines(&left.spans, place);
        for (path, lines) in EXPECTED {
            let expected: Vec<String> = lines.iter().map(|line| written(line)).collect();
            assert_eq!(found[*path], expected, "{tag} {version:?} {path}");
        }
    }
}

#[test]
fn postgres() {
    let server = Postgres::start();
    let place = Place::shop("postgresql", server.port());
    let error = "*github.com/jackc/pgx/v5/pgconn.PgError 23505 duplicate key value violates unique constraint \"orders_pkey\"";
    orm("pgx5", &server.dsn(), &place, |line| line.replace("ERROR", error));
}

#[test]
fn mariadb() {
    let server = MariaDb::start();
    let place = Place::shop("mysql", server.port());
    let error = "*github.com/go-sql-driver/mysql.MySQLError 1062 Duplicate entry ? for key 'PRIMARY'";
    let written = |line: &str| ["$1", "$2", "$3"].iter().fold(line.replace('"', "`"), |line, one| line.replace(one, "?"));
    orm("mysql", &server.dsn(), &place, |line| written(line).replace("ERROR", error));
}

/// The SDK's span is the parent, which the context leads to.
#[test]
fn within_a_span_of_the_sdk() {
    let database = Postgres::start();
    for &version in versions() {
        let server = Server::start(&apps::build_tagged("orm", version, Variant::Stripped, "pgx5", None), &[&database.dsn()], 1);
        let said = ask(&server, "/in-span");
        let left = server.end();
        let select = left.spans.iter().find(|span| span.name == "SELECT").unwrap();
        assert_eq!(said, format!("ok {}", hexadecimal(&select.parent_span_id)), "{version:?}");
    }
}

fn fake() -> PathBuf {
    apps::build_tagged("database_sql", GoVersion::GO_1_27, Variant::Stripped, "fake", None)
}

/// The one statement of a path with these settings: its name, and its text.
fn with(settings: &[(&str, &str)], path: &str) -> (String, Option<String>) {
    let mut command = launcher();
    command.envs(settings.iter().copied());
    let server = Server::start_with(command, &fake(), &["full"], 1);
    ask(&server, path);
    let left = server.end();
    let statements: Vec<&Span> = left.spans.iter().filter(|span| span.text("db.system.name").is_some()).collect();
    let [statement] = statements[..] else { panic!("{statements:?}") };
    (statement.name.clone(), statement.text("db.query.text"))
}

#[test]
fn settings() {
    let raw = "SELECT id FROM orders WHERE name = 'it''s secret' AND id IN (1, 2, 3) -- secret\n";
    let (is_raw, is_left_out) = (("GO_AUTO_LAUNCH_DB_STATEMENT", "raw"), ("OTEL_GO_AUTO_INCLUDE_DB_STATEMENT", "false"));
    let is_not_parsed = ("OTEL_GO_AUTO_PARSE_DB_STATEMENT", "false");
    let named = |name: &str, text: Option<&str>| (name.to_owned(), text.map(str::to_owned));
    assert_eq!(with(&[is_raw], "/literals"), named("SELECT orders", Some(raw)));
    assert_eq!(with(&[is_left_out], "/literals"), named("SELECT orders", None));
    let sanitized = "SELECT id FROM orders WHERE name = ? AND id IN (?)";
    assert_eq!(with(&[is_not_parsed], "/literals"), named("other_sql", Some(sanitized)));
    assert_eq!(with(&[is_not_parsed, is_left_out], "/literals"), named("other_sql", None));
    assert_eq!(with(&[is_not_parsed, is_raw], "/literals"), named("other_sql", Some(raw)));
    // 8 KiB of 1 MiB.
    let (name, text) = with(&[is_raw], "/large");
    let text = text.unwrap();
    assert!(text.starts_with("SELECT length('secretsecret") && text.ends_with('…'), "{name}");
    assert_eq!((name.as_str(), text.len()), ("SELECT", 8 * 1024 + '…'.len_utf8()));
    // What no text may be.
    let (_, text) = with(&[is_raw], "/invalid-utf8");
    assert_eq!(text.unwrap(), "SELECT id FROM orders WHERE name = '\u{fffd}\u{fffd} secret' AND id = 1");
}

/// Statements find that their connections are gone, and are tried on new ones: one span each.
#[test]
fn a_server_that_is_restarted() {
    let mut database = Postgres::start();
    for tag in ["pgx5", "pq"] {
        let app = apps::build_tagged("database_sql", GoVersion::GO_1_27, Variant::Stripped, tag, None);
        let server = Server::start(&app, &[&database.dsn()], 1);
        assert!(ask(&server, "/setup").starts_with("ok"));
        assert!(ask(&server, "/query-context").starts_with("ok"));
        database.restart();
        // Whether the first one fails or is tried again is the driver's.
        let first = ask(&server, "/query-row");
        assert!(ask(&server, "/query-row-context").starts_with("ok"));
        let left = server.end();
        let place = Place::shop("postgresql", database.port());
        let found = lines(&left.spans, &place);
        let one = "SELECT orders, op SELECT, of orders: SELECT name FROM orders WHERE id = $1";
        assert_eq!(found["/query-row-context"], [one], "{tag}");
        let [line] = &found["/query-row"][..] else { panic!("{tag}: {found:?}") };
        assert_eq!((line.starts_with(one), line.contains(" ! ")), (true, first.starts_with("error")), "{tag}: {line}, {first}");
    }
}
