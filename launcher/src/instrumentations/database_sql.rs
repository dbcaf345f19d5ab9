//! `database/sql`: a CLIENT span for each statement, transaction and ping, whatever the driver.
//!
//! Every operation runs through exactly one of these functions, exactly once, with whatever of the exported ones it begins and however
//! often it is retried on bad connections (`database/sql/sql.go`, Go 1.18 to 1.27). What a driver does meanwhile is part of it. A query
//! lasts until its rows are closed.

use crate::captured::{Captured, Value};
use crate::instrumentations::database::{ERRORS, span};
use crate::probes::library::{CLOSE, Close, LIBRARY, Library, OPERATION, Operation};
use crate::probes::plan::Instrumentation;
use opentelemetry_sdk::trace::SpanData;

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation::table(&DATABASE_SQL);

/// An expression about the connector, wherever it is found.
macro_rules! connector {
    ($before:literal, $behind:literal) => {
        concat!(
            $before, "db.connector", $behind, " | ", $before, "c.db.connector", $behind, " | ",
            $before, "tx.db.connector", $behind, " | ", $before, "s.db.connector", $behind
        )
    };
    ($($behind:literal),+ $(,)?) => { connector!(@ $($behind),+) };
    (@ $first:literal $(, $behind:literal)*) => { concat!(connector!("", $first) $(, " | ", connector!("", $behind))*) };
}

// Which database it is: the connector says so before there is a connection.
const CONNECTOR: (&str, &str) = ("connector", connector!("typeof(", ")"));
const DRIVER: (&str, &str) = ("driver", connector!("typeof(", ".(database/sql.dsnConnector).driver)"));
const DSN: (&str, &str) = (
    "dsn",
    connector!(
        ".(database/sql.dsnConnector).dsn",
        ".(*github.com/jackc/pgx/v5/stdlib.driverConnector).name",
        ".(*github.com/jackc/pgx/v4/stdlib.driverConnector).name",
    ),
);
const ENDPOINT: (&str, &str) = ("endpoint", connector!(".(*github.com/go-sql-driver/mysql.connector).cfg.Addr",));
const NAMESPACE: (&str, &str) = (
    "namespace",
    connector!(
        ".(*github.com/go-sql-driver/mysql.connector).cfg.DBName",
        ".(github.com/jackc/pgx/v5/stdlib.connector).ConnConfig.Config.Database",
        ".(github.com/jackc/pgx/v4/stdlib.connector).ConnConfig.Config.Database",
        ".(*github.com/lib/pq.Connector).cfg.Database",
        ".(*github.com/microsoft/go-mssqldb.Connector).params.Database",
        ".(*github.com/ClickHouse/clickhouse-go/v2.stdConnOpener).opt.Auth.Database",
    ),
);
const HOST: (&str, &str) = (
    "host",
    connector!(
        ".(github.com/jackc/pgx/v5/stdlib.connector).ConnConfig.Config.Host",
        ".(github.com/jackc/pgx/v4/stdlib.connector).ConnConfig.Config.Host",
        ".(*github.com/lib/pq.Connector).cfg.Host",
        ".(*github.com/microsoft/go-mssqldb.Connector).params.Host",
    ),
);
const PORT: (&str, &str) = (
    "port",
    connector!(
        ".(github.com/jackc/pgx/v5/stdlib.connector).ConnConfig.Config.Port",
        ".(github.com/jackc/pgx/v4/stdlib.connector).ConnConfig.Config.Port",
        ".(*github.com/lib/pq.Connector).cfg.Port",
        ".(*github.com/microsoft/go-mssqldb.Connector).params.Port",
    ),
);
const INSTANCE: (&str, &str) = ("instance", connector!(".(*github.com/microsoft/go-mssqldb.Connector).params.Instance",));
const QUERY: (&str, &str) = ("query", "query | s.query");
/// Also that of a statement which was prepared in it.
const TRANSACTION: &str = "tx | s.cg.(*Tx)";
const ARGUMENTS: (&str, &str) = ("arguments", "len(args)");

const KNOWN: &[(&str, &str)] = &[CONNECTOR, DRIVER, DSN, ENDPOINT, NAMESPACE, HOST, PORT, INSTANCE];
/// What most operations have.
const OF_DATABASE: Operation = Operation { known_by: "db | c.db | tx.db | s.db", known: KNOWN, context: "ctx", ..OPERATION };

/// What those of a `DB` call last.
const RETRY: &str = "func (db *DB) retry(fn func(strategy connReuseStrategy) error) error";

static DATABASE_SQL: Library = Library {
    name: "database/sql",
    description: "statements, transactions and pings of database/sql, with any driver; so gorm, sqlx, ent, bun, sqlc",
    tested_versions: "Go 1.21 to 1.27",
    package: "database/sql",
    wrappers: &[
        "github.com/XSAM/otelsql",
        "github.com/nhatthm/otelsql",
        "go.nhat.io/otelsql",
        "github.com/uptrace/opentelemetry-go-extra/otelsql",
    ],
    inside: &[],
    operations: &[
        Operation {
            functions: &[
                "func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error)",
                "func (c *Conn) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error)",
                "func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error)",
                "func (s *Stmt) QueryContext(ctx context.Context, args ...any) (*Rows, error)",
            ],
            start: &[QUERY, ARGUMENTS],
            error: "result1",
            object: "result0",
            within: TRANSACTION,
            tail: RETRY,
            span: span::statement,
            ..OF_DATABASE
        },
        Operation {
            functions: &[
                "func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (Result, error)",
                "func (c *Conn) ExecContext(ctx context.Context, query string, args ...any) (Result, error)",
                "func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (Result, error)",
                "func (s *Stmt) ExecContext(ctx context.Context, args ...any) (Result, error)",
            ],
            start: &[QUERY, ARGUMENTS],
            error: "result1",
            within: TRANSACTION,
            tail: RETRY,
            span: span::statement,
            ..OF_DATABASE
        },
        Operation {
            functions: &[
                "func (db *DB) PrepareContext(ctx context.Context, query string) (*Stmt, error)",
                "func (c *Conn) PrepareContext(ctx context.Context, query string) (*Stmt, error)",
                "func (tx *Tx) PrepareContext(ctx context.Context, query string) (*Stmt, error)",
            ],
            start: &[QUERY],
            error: "result1",
            within: "tx",
            tail: RETRY,
            span: |captured, span| span::named(captured, span, "PREPARE"),
            ..OF_DATABASE
        },
        Operation {
            functions: &[
                "func (db *DB) BeginTx(ctx context.Context, opts *TxOptions) (*Tx, error)",
                "func (c *Conn) BeginTx(ctx context.Context, opts *TxOptions) (*Tx, error)",
            ],
            error: "result1",
            makes: "result0",
            tail: RETRY,
            span: |captured, span| span::named(captured, span, "BEGIN"),
            ..OF_DATABASE
        },
        Operation {
            functions: &["func (tx *Tx) Commit() error"],
            only: "tx.done.v | tx.done == 0",
            context: "tx.ctx",
            error: "result0",
            within: "tx",
            span: |captured, span| span::named(captured, span, "COMMIT"),
            ..OF_DATABASE
        },
        Operation {
            // `Tx.Rollback` is inlined. It is also called when there is nothing to roll back any more.
            functions: &["func (tx *Tx) rollback(discardConn bool) error"],
            only: "tx.done.v | tx.done == 0",
            context: "tx.ctx",
            start: &[("discards", "discardConn")],
            error: "result0",
            within: "tx",
            span: rollback,
            ..OF_DATABASE
        },
        Operation {
            functions: &[
                "func (db *DB) PingContext(ctx context.Context) error",
                "func (c *Conn) PingContext(ctx context.Context) error",
            ],
            error: "result0",
            span: |captured, span| span::named(captured, span, "PING"),
            ..OF_DATABASE
        },
    ],
    closes: &[
        Close { function: "func (rs *Rows) close(err error) error", object: "rs", error: "rs.lasterr | err", ..CLOSE },
        Close { function: "func (db *DB) Close() error", object: "db", forgets: true, ..CLOSE },
    ],
    errors: ERRORS,
    ..LIBRARY
};

/// The span of a rollback. One that gives up its connection says `driver.ErrBadConn` to that, although all went well.
fn rollback(captured: &Captured<'_>, data: &mut SpanData) {
    if captured.get("discards") != Some(&Value::Bool(true)) {
        return span::named(captured, data, "ROLLBACK");
    }
    let values: Vec<_> = captured.values.iter().filter(|(name, _)| !matches!(&**name, "error" | "cause")).cloned().collect();
    span::named(&Captured { values: &values, ..*captured }, data, "ROLLBACK");
}
