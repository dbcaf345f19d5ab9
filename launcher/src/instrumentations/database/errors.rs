//! The types of errors that drivers return, with the code and the text that they have.

use crate::probes::library::ErrorType;

/// By driver. The names of what is captured are those that [`super::span::failed`] looks for.
pub static ERRORS: &[ErrorType] = &[
    known("*github.com/jackc/pgx/v5/pgconn.PgError", &[("code", ".Code"), ("message", ".Message")]),
    known("*github.com/jackc/pgconn.PgError", &[("code", ".Code"), ("message", ".Message")]),
    known("*github.com/lib/pq.Error", &[("code", ".Code"), ("message", ".Message")]),
    known("*github.com/go-sql-driver/mysql.MySQLError", &[("code", ".Number"), ("message", ".Message")]),
    known("github.com/mattn/go-sqlite3.Error", &[("code", ".ExtendedCode"), ("message", ".err")]),
    known("*modernc.org/sqlite.Error", &[("code", ".code"), ("message", ".msg")]),
    known("github.com/microsoft/go-mssqldb.Error", &[("code", ".Number"), ("message", ".Message")]),
    known("*github.com/ClickHouse/clickhouse-go/v2/lib/proto.Exception", &[("code", ".Code"), ("message", ".Message")]),
    // Of a statement that cannot be prepared, in newer versions; and of a deadline that passes meanwhile.
    wrapper("*github.com/jackc/pgx/v5/pgconn.PrepareError", "err"),
    wrapper("github.com/jackc/pgx/v5.ErrPreprocessingBatch", "err"),
    wrapper("*github.com/jackc/pgx/v5/pgconn.errTimeout", "err"),
    wrapper("*github.com/jackc/pgconn.errTimeout", "err"),
];

const fn known(type_name: &'static str, captures: &'static [(&'static str, &'static str)]) -> ErrorType {
    ErrorType { type_name, captures, cause: "" }
}

const fn wrapper(type_name: &'static str, cause: &'static str) -> ErrorType {
    ErrorType { type_name, captures: &[], cause }
}
