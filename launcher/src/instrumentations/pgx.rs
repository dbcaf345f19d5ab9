//! `github.com/jackc/pgx`, used directly: a CLIENT span for each statement, batch and copy, and for each of a pool's, with the time that
//! it takes to get a connection. Transactions are statements.
//!
//! Every one of them runs through exactly one of these functions, whoever calls it (4.5 to 4.18, 5.0 to 5.13); what a pool does comes
//! first. Within `database/sql` all of it is part of a statement there.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use crate::captured::Captured;
use crate::instrumentations::database::{ERRORS, span};
use crate::probes::library::{CLOSE, Close, LIBRARY, Library, OPERATION, Operation};
use crate::probes::plan::Instrumentation;

/// The catalog entry of version 5.
pub static INSTRUMENTATION_5: Instrumentation = Instrumentation::table(&PGX_5);
/// The catalog entry of version 4.
pub static INSTRUMENTATION_4: Instrumentation = Instrumentation::table(&PGX_4);

static PGX_5: Library = Library {
    name: "github.com/jackc/pgx/v5",
    description: "statements, batches, copies and pools of pgx 5",
    tested_versions: "5.0 to 5.13",
    package: "github.com/jackc/pgx/v5",
    wrappers: &["github.com/exaring/otelpgx"],
    inside: INSIDE,
    operations: OPERATIONS,
    closes: CLOSES,
    errors: ERRORS,
    ..LIBRARY
};

static PGX_4: Library = Library {
    name: "github.com/jackc/pgx/v4",
    description: "statements, batches, copies and pools of pgx 4",
    tested_versions: "4.5 to 4.18",
    package: "github.com/jackc/pgx/v4",
    wrappers: &["github.com/exaring/otelpgx"],
    inside: INSIDE,
    operations: OPERATIONS,
    closes: CLOSES,
    errors: ERRORS,
    ..LIBRARY
};

/// Its own pools, too: a pool's statement is one of its connection.
const INSIDE: &[&str] = &["database/sql", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v4"];

const OF_CONNECTION: Operation = Operation {
    context: "ctx",
    known_by: "c.config | p.config.ConnConfig",
    known: &[
        ("host", "c.config.Host | p.config.ConnConfig.Host"),
        ("port", "c.config.Port | p.config.ConnConfig.Port"),
        ("namespace", "c.config.Database | p.config.ConnConfig.Database"),
    ],
    ..OPERATION
};

const OPERATIONS: &[Operation] = &[
    Operation {
        functions: &["func (c *Conn) Query(ctx context.Context, sql string, args ...interface{}) (Rows, error)"],
        start: &[("query", "sql"), ("arguments", "len(args)")],
        error: "result1",
        object: "result0",
        span: statement,
        ..OF_CONNECTION
    },
    Operation {
        functions: &["func (c *Conn) Exec(ctx context.Context, sql string, arguments ...interface{}) (pgconn.CommandTag, error)"],
        start: &[("query", "sql"), ("arguments", "len(arguments)")],
        error: "result1",
        span: statement,
        ..OF_CONNECTION
    },
    Operation {
        functions: &["func (c *Conn) SendBatch(ctx context.Context, b *Batch) (br BatchResults)"],
        start: BATCH,
        object: "result0",
        span: batch,
        ..OF_CONNECTION
    },
    Operation {
        functions: &[
            "func (c *Conn) CopyFrom(ctx context.Context, tableName Identifier, columnNames []string, rowSrc CopyFromSource) (int64, error)",
        ],
        start: COPY,
        error: "result1",
        span: copy,
        ..OF_CONNECTION
    },
    Operation {
        functions: &[
            "func (c *Conn) Prepare(ctx context.Context, name, sql string) (sd *pgconn.StatementDescription, err error)",
        ],
        start: &[("query", "sql")],
        error: "err",
        span: |captured, span| span::named(captured, span, "PREPARE"),
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgxpool",
        functions: &["func (p *Pool) Query(ctx context.Context, sql string, args ...interface{}) (pgx.Rows, error)"],
        start: &[("query", "sql"), ("arguments", "len(args)")],
        error: "result1",
        object: "result0.(*poolRows).r",
        span: statement,
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgxpool",
        functions: &["func (p *Pool) QueryRow(ctx context.Context, sql string, args ...interface{}) pgx.Row"],
        start: &[("query", "sql"), ("arguments", "len(args)")],
        error: "result0.(errRow).err",
        object: "result0.(*poolRow).r",
        span: statement,
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgxpool",
        functions: &["func (p *Pool) Exec(ctx context.Context, sql string, arguments ...interface{}) (pgconn.CommandTag, error)"],
        start: &[("query", "sql"), ("arguments", "len(arguments)")],
        error: "result1",
        span: statement,
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgxpool",
        functions: &["func (p *Pool) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults"],
        start: BATCH,
        error: "result0.(errBatchResults).err",
        object: "result0.(*poolBatchResults).br",
        span: batch,
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgxpool",
        functions: &[
            "func (p *Pool) CopyFrom(ctx context.Context, tableName pgx.Identifier, columnNames []string, rowSrc pgx.CopyFromSource) (int64, error)",
        ],
        start: COPY,
        error: "result1",
        span: copy,
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgxpool",
        functions: &["func (p *Pool) BeginTx(ctx context.Context, txOptions pgx.TxOptions) (pgx.Tx, error)"],
        error: "result1",
        span: |captured, span| span::named(captured, span, "BEGIN"),
        ..OF_CONNECTION
    },
    Operation {
        package: "/pgconn",
        functions: &["func (pgConn *PgConn) Ping(ctx context.Context) error"],
        error: "result0",
        context: "ctx",
        known_by: "pgConn.config",
        known: &[("host", "pgConn.config.Host"), ("port", "pgConn.config.Port"), ("namespace", "pgConn.config.Database")],
        span: |captured, span| span::named(captured, span, "PING"),
        ..OPERATION
    },
];

/// How many statements, and the first two of them: version 5.0 keeps them otherwise than 5.1, and 4 otherwise still.
const BATCH: &[(&str, &str)] = &[
    ("size", "len(b.QueuedQueries) | len(b.queuedQueries) | len(b.items)"),
    ("first", "b.QueuedQueries[0].SQL | b.queuedQueries[0].query | b.items[0].query"),
    ("second", "b.QueuedQueries[1].SQL | b.queuedQueries[1].query | b.items[1].query"),
];

const COPY: &[(&str, &str)] = &[("schema", "tableName[0]"), ("table", "tableName[1]"), ("parts", "len(tableName)")];

const CLOSES: &[Close] = &[
    close("func (rows *baseRows) Close()", "rows", "recv.err", &[("rows", "recv.rowCount")]),
    close("func (rows *connRows) Close()", "rows", "recv.err", &[("rows", "recv.rowCount")]),
    close("func (br *batchResults) Close() error", "br", "result0", &[]),
    close("func (br *pipelineBatchResults) Close() error", "br", "result0", &[]),
    Close { function: "func (c *Conn) Close(ctx context.Context) error", object: "c.config", forgets: true, ..CLOSE },
    Close { package: "/pgxpool", function: "func (p *Pool) Close()", object: "p.config.ConnConfig", forgets: true, ..CLOSE },
    Close {
        package: "/pgconn",
        function: "func (pgConn *PgConn) Close(ctx context.Context) error",
        object: "pgConn.config",
        forgets: true,
        ..CLOSE
    },
];

const fn close(
    function: &'static str,
    object: &'static str,
    error: &'static str,
    captures: &'static [(&'static str, &'static str)],
) -> Close {
    Close { function, object, at_return: true, captures, error, ..CLOSE }
}

/// The span of a statement. One without anything in it is how a connection is tried (`(*Conn).Ping`, up to 5.4).
fn statement(captured: &Captured<'_>, span: &mut SpanData) {
    match captured.text("query") {
        Some(";") => span::named(captured, span, "PING"),
        Some(_) | None => span::statement(captured, span),
    }
}

/// The span of a batch. Of more than two statements it is not known what they have in common.
fn batch(captured: &Captured<'_>, span: &mut SpanData) {
    span::batch(captured, span, captured.integer("size"), &["first", "second"]);
}

/// The span of a copy.
fn copy(captured: &Captured<'_>, span: &mut SpanData) {
    span::database(captured, span);
    let name = match captured.integer("parts") {
        Some(1) => captured.text("schema").map(str::to_owned),
        Some(_) | None => captured.text("schema").zip(captured.text("table")).map(|(schema, table)| format!("{schema}.{table}")),
    };
    span.attributes.push(KeyValue::new(semconv::DB_OPERATION_NAME, "COPY"));
    span.name = match &name {
        Some(name) => Cow::Owned(format!("COPY {name}")),
        None => Cow::Borrowed("COPY"),
    };
    span.attributes.extend(name.map(|name| KeyValue::new(semconv::DB_COLLECTION_NAME, name)));
    span::failed(captured, span);
}
