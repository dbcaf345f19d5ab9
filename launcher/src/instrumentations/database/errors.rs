//! The types of errors that drivers return, with the code and the text that they have.

use crate::probes::library::ErrorType;

/// By driver. The names of what is captured are those that [`super::span::failed`] looks for.
pub static ERRORS: &[ErrorType] = &[
    ErrorType { type_name: "*github.com/jackc/pgx/v5/pgconn.PgError", captures: &[("code", ".Code"), ("message", ".Message")] },
    ErrorType { type_name: "*github.com/jackc/pgconn.PgError", captures: &[("code", ".Code"), ("message", ".Message")] },
    ErrorType { type_name: "*github.com/lib/pq.Error", captures: &[("code", ".Code"), ("message", ".Message")] },
    ErrorType {
        type_name: "*github.com/go-sql-driver/mysql.MySQLError",
        captures: &[("code", ".Number"), ("message", ".Message")],
    },
    ErrorType { type_name: "github.com/mattn/go-sqlite3.Error", captures: &[("code", ".ExtendedCode"), ("message", ".err")] },
    ErrorType { type_name: "*modernc.org/sqlite.Error", captures: &[("code", ".code"), ("message", ".msg")] },
    ErrorType { type_name: "github.com/microsoft/go-mssqldb.Error", captures: &[("code", ".Number"), ("message", ".Message")] },
    ErrorType {
        type_name: "*github.com/ClickHouse/clickhouse-go/v2/lib/proto.Exception",
        captures: &[("code", ".Code"), ("message", ".Message")],
    },
];
