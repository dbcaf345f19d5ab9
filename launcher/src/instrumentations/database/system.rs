//! The type of a driver, or of its connector, into the database system that it talks to.

/// A database system, by the values of `db.system.name`.
///
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum System {
    /// `ClickHouse`
    ClickHouse,
    /// `CockroachDB`, by drivers that are for it alone.
    CockroachDb,
    /// Databricks
    Databricks,
    /// IBM Db2
    Db2,
    /// `DuckDB`
    DuckDb,
    /// Firebird
    Firebird,
    /// SAP HANA
    Hana,
    /// `MariaDB`
    MariaDb,
    /// MySQL
    MySql,
    /// Oracle
    Oracle,
    /// PostgreSQL
    PostgreSql,
    /// Amazon Redshift
    Redshift,
    /// Snowflake
    Snowflake,
    /// Google Spanner
    Spanner,
    /// `SQLite`
    Sqlite,
    /// Microsoft SQL Server
    SqlServer,
    /// Trino, Presto
    Trino,
    /// Vertica
    Vertica,
    /// Any other that has a driver for `database/sql`.
    #[default]
    OtherSql,
}

/// Import paths of packages with drivers, up to a version or a package below.
static PACKAGES: [(&str, System); 37] = [
    ("github.com/jackc/pgx", System::PostgreSql),
    ("github.com/lib/pq", System::PostgreSql),
    ("github.com/go-pg/pg", System::PostgreSql),
    ("github.com/uptrace/bun/driver/pgdriver", System::PostgreSql),
    ("github.com/cockroachdb/cockroach-go", System::CockroachDb),
    ("github.com/go-sql-driver/mysql", System::MySql),
    ("github.com/go-mysql-org/go-mysql", System::MySql),
    ("github.com/ziutek/mymysql", System::MySql),
    ("github.com/mattn/go-sqlite3", System::Sqlite),
    ("github.com/mutecomm/go-sqlcipher", System::Sqlite),
    ("modernc.org/sqlite", System::Sqlite),
    ("github.com/glebarez/go-sqlite", System::Sqlite),
    ("github.com/ncruces/go-sqlite3", System::Sqlite),
    ("zombiezen.com/go/sqlite", System::Sqlite),
    ("github.com/tursodatabase/libsql-client-go", System::Sqlite),
    ("github.com/tursodatabase/go-libsql", System::Sqlite),
    ("github.com/microsoft/go-mssqldb", System::SqlServer),
    ("github.com/denisenkom/go-mssqldb", System::SqlServer),
    ("github.com/sijms/go-ora", System::Oracle),
    ("github.com/godror/godror", System::Oracle),
    ("github.com/mattn/go-oci8", System::Oracle),
    ("github.com/ClickHouse/clickhouse-go", System::ClickHouse),
    ("github.com/mailru/go-clickhouse", System::ClickHouse),
    ("github.com/snowflakedb/gosnowflake", System::Snowflake),
    ("github.com/googleapis/go-sql-spanner", System::Spanner),
    ("github.com/databricks/databricks-sql-go", System::Databricks),
    ("github.com/marcboeker/go-duckdb", System::DuckDb),
    ("github.com/duckdb/duckdb-go", System::DuckDb),
    ("github.com/nakagami/firebirdsql", System::Firebird),
    ("github.com/SAP/go-hdb", System::Hana),
    ("github.com/ibmdb/go_ibm_db", System::Db2),
    ("github.com/trinodb/trino-go-client", System::Trino),
    ("github.com/prestodb/presto-go-client", System::Trino),
    ("github.com/vertica/vertica-sql-go", System::Vertica),
    ("github.com/mxk/go-sqlite", System::Sqlite),
    ("gorm.io/driver/sqlite", System::Sqlite),
    ("github.com/aws/aws-advanced-go-wrapper/pgx-driver", System::PostgreSql),
];

impl System {
    /// The system that a driver, a connector or a connection of this Go type talks to. `type_name` is the whole name, such as
    /// `*github.com/lib/pq.Driver`; a pointer's star does not matter, nor does a folder `vendor`.
    #[must_use]
    pub fn of_type(type_name: &str) -> Option<Self> {
        let name = type_name.trim_start_matches('*');
        let name = name.rsplit_once("/vendor/").map_or(name, |(_, name)| name);
        let belongs = |package: &str| name.strip_prefix(package).is_some_and(|rest| rest.starts_with(['/', '.']));
        PACKAGES.iter().find(|(package, _)| belongs(package)).map(|&(_, system)| system)
    }

    /// `db.system.name`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClickHouse => "clickhouse",
            Self::CockroachDb => "cockroachdb",
            Self::Databricks => "databricks",
            Self::Db2 => "ibm.db2",
            Self::DuckDb => "duckdb",
            Self::Firebird => "firebirdsql",
            Self::Hana => "sap.hana",
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
            Self::Oracle => "oracle.db",
            Self::PostgreSql => "postgresql",
            Self::Redshift => "aws.redshift",
            Self::Snowflake => "snowflake",
            Self::Spanner => "gcp.spanner",
            Self::Sqlite => "sqlite",
            Self::SqlServer => "microsoft.sql_server",
            Self::Trino => "trino",
            Self::Vertica => "vertica",
            Self::OtherSql => "other_sql",
        }
    }

    /// The port of a server where none is said.
    #[must_use]
    pub fn default_port(self) -> Option<u16> {
        match self {
            Self::PostgreSql => Some(5432),
            Self::MySql | Self::MariaDb => Some(3306),
            Self::SqlServer => Some(1433),
            Self::Oracle => Some(1521),
            Self::ClickHouse => Some(9000),
            Self::CockroachDb => Some(26257),
            Self::Redshift => Some(5439),
            Self::Firebird => Some(3050),
            Self::Vertica => Some(5433),
            Self::Databricks
            | Self::Db2
            | Self::DuckDb
            | Self::Hana
            | Self::Snowflake
            | Self::Spanner
            | Self::Sqlite
            | Self::Trino
            | Self::OtherSql => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_known_by_their_packages() {
        for (name, system) in [
            ("*github.com/jackc/pgx/v5/stdlib.driverConnector", "postgresql"),
            ("github.com/jackc/pgx/v4/stdlib.connector", "postgresql"),
            ("*github.com/lib/pq.Driver", "postgresql"),
            ("*github.com/go-sql-driver/mysql.connector", "mysql"),
            ("*github.com/mattn/go-sqlite3.SQLiteDriver", "sqlite"),
            ("*modernc.org/sqlite.Driver", "sqlite"),
            ("*github.com/microsoft/go-mssqldb.Connector", "microsoft.sql_server"),
            ("*github.com/ClickHouse/clickhouse-go/v2.stdConnOpener", "clickhouse"),
            ("*github.com/sijms/go-ora/v2.OracleDriver", "oracle.db"),
            ("*example.com/shop/vendor/github.com/lib/pq.Driver", "postgresql"),
        ] {
            assert_eq!(System::of_type(name).map(System::name), Some(system), "{name}");
        }
        for name in ["", "*", "*main.driver", "*github.com/lib/pqx.Driver", "github.com/lib/pq", "*database/sql.dsnConnector"] {
            assert_eq!(System::of_type(name), None, "{name}");
        }
    }
}
