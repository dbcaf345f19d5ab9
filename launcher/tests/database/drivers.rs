//! The drivers that the program `database_sql` may have, and what they say of statements that fail.

use crate::support::apps::{GoVersion, ModuleFile, Variant, tests_all};

/// A driver.
#[derive(Debug)]
pub(crate) struct Driver {
    /// The build tag.
    pub(crate) tag: &'static str,
    /// How the names of its module files begin; empty: it has no versions.
    pub(crate) library: &'static str,
    /// `db.system.name`
    pub(crate) system: &'static str,
    /// The type of its errors.
    error: &'static str,
    /// Code and text of its errors, by path.
    errors: &'static [(&'static str, &'static str)],
    /// Texts that are its own, by path.
    pub(crate) own: &'static [(&'static str, &'static str)],
    /// The paths that it cannot serve.
    pub(crate) without: &'static [&'static str],
    /// Whether it needs cgo.
    is_cgo: bool,
    /// Whether the program may open it by a connector.
    pub(crate) has_connector: bool,
}

impl Driver {
    /// Type, code and text of the error by which it answers a path.
    pub(crate) fn error(&self, path: &str) -> Option<String> {
        let said = self.errors.iter().find(|(of, _)| *of == path).map(|(_, said)| *said);
        match (path, said) {
            // The driver's own type, unless there is another one in front.
            (_, Some(said)) if said.starts_with(['*', '!']) => Some(said.trim_start_matches('!').to_owned()),
            (_, Some(said)) => Some(format!("{} {said}", self.error)),
            ("/cancelled" | "/cancelled-meanwhile", None) => Some("context.Canceled - context canceled".to_owned()),
            ("/deadline", None) => Some("context.DeadlineExceeded - context deadline exceeded".to_owned()),
            (_, None) => None,
        }
    }

    /// How it is built: a version of it, of Go, and the way. A sample is the oldest of all, and the newest.
    pub(crate) fn builds(&self) -> Vec<(Option<ModuleFile>, GoVersion, Variant)> {
        let ways: &[Variant] =
            if self.is_cgo { &[Variant::Cgo, Variant::CgoPieStripped] } else { &[Variant::Stripped, Variant::Default] };
        let files: Vec<Option<ModuleFile>> = match self.library {
            "" => vec![None],
            library => ModuleFile::of("database_sql", library).into_iter().map(Some).collect(),
        };
        let versions = |file: &Option<ModuleFile>| match file {
            Some(file) => file.go_versions(),
            None => [GoVersion::GO_1_21, GoVersion::GO_1_27],
        };
        if tests_all() {
            let with = |file: Option<ModuleFile>| {
                let versions = versions(&file);
                let built = versions.into_iter().flat_map(|version| ways.iter().map(move |way| (version, *way)));
                built.map(move |(version, way)| (file.clone(), version, way))
            };
            return files.into_iter().flat_map(with).collect();
        }
        let (oldest, newest) = (files[0].clone(), files[files.len() - 1].clone());
        let oldest_go = versions(&oldest)[0];
        let newest = (newest, GoVersion::GO_1_27, ways[ways.len() - 1]);
        // Each version of SQLite takes a minute to compile.
        if self.system == "sqlite" { vec![newest] } else { vec![(oldest, oldest_go, ways[0]), newest] }
    }
}

/// What the three drivers of PostgreSQL have in common: what the server says.
const POSTGRES: Driver = Driver {
    tag: "pgx5",
    library: "pgx-v5",
    system: "postgresql",
    error: "*github.com/jackc/pgx/v5/pgconn.PgError",
    errors: &[
        ("/syntax-error", "42601 syntax error at or near ?"),
        ("/not-sql", "42601 syntax error at or near ?"),
        ("/unterminated", "42601 syntax error at or near ?"),
        ("/late-error", "22012 division by zero"),
        ("/constraint", "23505 duplicate key value violates unique constraint \"orders_pkey\""),
        ("/missing-table", "42P01 relation \"missing\" does not exist"),
        ("/wrapped", "42P01 relation \"missing\" does not exist"),
        ("/invalid-utf8", "22021 invalid byte sequence for encoding ?: 0xff"),
        ("/wrong-arguments", "*errors.errorString - expected 1 arguments, got 3"),
        ("/deadlock", "40P01 deadlock detected"),
        ("/lost", "57P01 terminating connection due to administrator command"),
    ],
    own: &[
        ("/syntax-error", "postgresql, no summary: SELEC id FROM orders"),
        ("/not-sql", "postgresql, no summary: hello from the other side"),
        ("/empty", "postgresql, no summary"),
        ("/procedure", "CALL add_order, op CALL, procedure add_order: CALL add_order(?1, ?2)"),
        ("/late-error", "SELECT orders, op SELECT, of orders: SELECT ? / (? - id) FROM orders ORDER BY id"),
        ("/cancelled-meanwhile", "SELECT, op SELECT: SELECT pg_sleep(?)"),
        ("/deadline", "SELECT, op SELECT: SELECT pg_sleep(?)"),
        ("/lost", "SELECT, op SELECT: SELECT pg_terminate_backend(pg_backend_pid())"),
    ],
    without: &[],
    is_cgo: false,
    has_connector: true,
};

/// `pgx/stdlib`: one span for a statement, not one of `database/sql` and one of pgx.
pub(crate) static PGX_5: Driver = POSTGRES;

/// The same of version 4.
pub(crate) static PGX_4: Driver = Driver {
    tag: "pgx4",
    library: "pgx-v4",
    error: "*github.com/jackc/pgconn.PgError",
    // What a deadline is differs between versions of pgx 4, and what wrong arguments are.
    without: &["/wrong-arguments", "/cancelled-meanwhile", "/deadline"],
    ..POSTGRES
};

/// `lib/pq`
pub(crate) static PQ: Driver = Driver {
    tag: "pq",
    library: "pq",
    error: "*github.com/lib/pq.Error",
    errors: &[
        ("/syntax-error", "42601 syntax error at or near ?"),
        ("/not-sql", "42601 syntax error at or near ?"),
        ("/unterminated", "42601 syntax error at or near ?"),
        ("/late-error", "22012 division by zero"),
        ("/constraint", "23505 duplicate key value violates unique constraint \"orders_pkey\""),
        ("/missing-table", "42P01 relation \"missing\" does not exist"),
        ("/wrapped", "42P01 relation \"missing\" does not exist"),
        ("/invalid-utf8", "22021 invalid byte sequence for encoding ?: 0xff"),
        ("/wrong-arguments", "*errors.errorString - pq: got 3 parameters but the statement requires 1"),
        ("/cancelled-meanwhile", "57014 canceling statement due to user request"),
        ("/deadline", "57014 canceling statement due to user request"),
        ("/deadlock", "40P01 deadlock detected"),
        ("/lost", "*errors.errorString - driver: bad connection"),
    ],
    ..POSTGRES
};

/// `go-sql-driver/mysql`
pub(crate) static MYSQL: Driver = Driver {
    tag: "mysql",
    library: "mysql",
    system: "mysql",
    error: "*github.com/go-sql-driver/mysql.MySQLError",
    errors: &[
        ("/syntax-error", SYNTAX),
        ("/not-sql", SYNTAX),
        ("/unterminated", SYNTAX),
        ("/empty", "1065 Query was empty"),
        ("/late-error", "1242 Subquery returns more than 1 row"),
        ("/constraint", "1062 Duplicate entry ? for key 'PRIMARY'"),
        ("/missing-table", "1146 Table 'shop.missing' doesn't exist"),
        ("/wrapped", "1146 Table 'shop.missing' doesn't exist"),
        ("/invalid-utf8", "1267 Illegal mix of collations …"),
        ("/wrong-arguments", "*errors.errorString - sql: expected 1 arguments, got 3"),
        ("/deadlock", "1213 Deadlock found when trying to get lock; try restarting transaction"),
        ("/lost", "1927 Connection was killed"),
    ],
    own: &[
        ("/syntax-error", "mysql, no summary: SELEC id FROM orders"),
        ("/not-sql", "mysql, no summary: hello from the other side"),
        ("/empty", "mysql, no summary"),
        ("/procedure", "CALL add_order, op CALL, procedure add_order: CALL add_order(?, ?)"),
        (
            "/late-error",
            "SELECT SELECT orders orders, op SELECT, of orders: \
             SELECT CASE WHEN id = ? THEN (SELECT id FROM orders) ELSE id END FROM orders ORDER BY id",
        ),
        ("/cancelled-meanwhile", "SELECT, op SELECT: SELECT SLEEP(?)"),
        ("/deadline", "SELECT, op SELECT: SELECT SLEEP(?)"),
        ("/lost", "KILL, op KILL: KILL CONNECTION_ID()"),
    ],
    ..POSTGRES
};

/// The server's version goes on from here.
const SYNTAX: &str = "1064 You have an error in your SQL syntax; …";

/// `modernc.org/sqlite`
pub(crate) static SQLITE: Driver = Driver {
    tag: "sqlite",
    library: "sqlite",
    system: "sqlite",
    error: "*modernc.org/sqlite.Error",
    errors: &[
        ("/syntax-error", "1 SQL logic error: near ?: syntax error (1)"),
        ("/not-sql", "1 SQL logic error: near ?: syntax error (1)"),
        ("/unterminated", "1 SQL logic error: near ?: syntax error (1)"),
        ("/late-error", "1 SQL logic error: integer overflow (1)"),
        ("/constraint", "1555 constraint failed: UNIQUE constraint failed: orders.id (1555)"),
        ("/missing-table", "1 SQL logic error: no such table: missing (1)"),
        ("/wrapped", "1 SQL logic error: no such table: missing (1)"),
    ],
    own: &[
        ("/syntax-error", "sqlite, no summary: SELEC id FROM orders"),
        ("/not-sql", "sqlite, no summary: hello from the other side"),
        (
            "/late-error",
            "SELECT orders, op SELECT, of orders: SELECT abs(CASE WHEN id = ? THEN -? - ? ELSE id END) FROM orders ORDER BY id",
        ),
        ("/cancelled-meanwhile", COUNTING),
        ("/deadline", COUNTING),
    ],
    // It panics.
    without: &["/empty"],
    has_connector: false,
    ..POSTGRES
};

const COUNTING: &str = "SELECT SELECT SELECT, op SELECT: \
    WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + ? FROM n WHERE i < ?) SELECT count(*) FROM n";

/// `mattn/go-sqlite3`
pub(crate) static SQLITE_3: Driver = Driver {
    tag: "sqlite3",
    library: "go-sqlite3",
    error: "github.com/mattn/go-sqlite3.Error",
    errors: &[
        ("/syntax-error", "1 near ?: syntax error"),
        ("/not-sql", "1 near ?: syntax error"),
        ("/unterminated", "1 near ?: syntax error"),
        ("/late-error", "1 integer overflow"),
        ("/constraint", "1555 UNIQUE constraint failed: orders.id"),
        ("/missing-table", "1 no such table: missing"),
        ("/wrapped", "1 no such table: missing"),
    ],
    is_cgo: true,
    ..SQLITE
};

/// A driver that is in the program itself.
pub(crate) static FAKE: Driver = Driver {
    tag: "fake",
    library: "",
    system: "other_sql",
    error: "*main.fakeError",
    errors: &[
        ("/missing-table", "- "),
        ("/wrapped", "- "),
        ("/late-error", "*errors.errorString - a late error"),
        ("/retries-in-vain", "*errors.errorString - driver: bad connection"),
        ("/panic-in-driver", "!string - panic: as asked # exception string as asked"),
    ],
    own: &[
        ("/late-error", "other_sql, no summary: LATE"),
        ("/cancelled-meanwhile", "other_sql, no summary: SLOW"),
        ("/deadline", "other_sql, no summary: SLOW"),
        ("/retries", "SELECT orders, op SELECT, of orders: SELECT name FROM orders WHERE id = ?"),
        ("/retries-exec", "UPDATE orders, op UPDATE, of orders: UPDATE orders SET name = ? WHERE id = ?"),
        ("/retries-in-vain", "SELECT orders, op SELECT, of orders: SELECT name FROM orders WHERE id = ?"),
        ("/panic-in-driver", "other_sql, no summary: PANIC"),
    ],
    without: &[],
    has_connector: false,
    ..POSTGRES
};
