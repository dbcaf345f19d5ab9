//! The text by which a program opens a database (its DSN) into the server's address and the database's name.
//!
//! A DSN holds a password. Where one is not exactly as its driver wants it, nothing is taken of it, so that no part of a password is
//! mistaken for something else.

mod forms;

use super::system::System;
use crate::instrumentations::http::split_host_port;

/// Where a database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `server.address`: a name, an IP address, or the path of a socket.
    pub host: Option<String>,
    /// `server.port`
    pub port: Option<u16>,
    /// `db.namespace`
    pub namespace: Option<String>,
}

impl Address {
    /// Of its parts, as a driver keeps them; what is empty, or 0, is unknown.
    #[must_use]
    pub fn new(host: &str, port: u16, namespace: &str) -> Self {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        // A socket has no port, though a driver may keep one.
        let port = Some(port).filter(|&port| port != 0 && !host.is_empty() && !host.starts_with(['/', '@']));
        Self { host: known(host), port, namespace: known(namespace) }
    }

    /// Of `host:port`, or the path of a socket, and a database.
    #[must_use]
    pub fn of_endpoint(endpoint: &str, namespace: &str) -> Self {
        if endpoint.starts_with(['/', '@']) {
            return Self::new(endpoint, 0, namespace);
        }
        let (host, port) = split_host_port(endpoint);
        Self::new(host.unwrap_or_default(), port.unwrap_or_default(), namespace)
    }

    /// Of an instance of SQL Server, whose name belongs to the database's.
    #[must_use]
    pub fn of_instance(host: &str, port: u16, instance: &str, database: &str) -> Self {
        match (instance, database) {
            ("", namespace) | (namespace, "") => Self::new(host, port, namespace),
            (instance, database) => Self::new(host, port, &format!("{instance}|{database}")),
        }
    }

    /// Of a DSN, as the drivers for this system understand it. A malformed one gives nothing.
    #[must_use]
    pub fn of_dsn(dsn: &str, system: System) -> Self {
        let dsn = dsn.trim();
        let found = match system {
            System::PostgreSql | System::CockroachDb | System::Redshift => forms::postgresql(dsn),
            System::MySql | System::MariaDb => forms::mysql(dsn),
            System::Sqlite | System::DuckDb => forms::file(dsn),
            System::SqlServer => forms::sql_server(dsn),
            System::Oracle => forms::oracle(dsn),
            System::ClickHouse => forms::clickhouse(dsn),
            System::Databricks
            | System::Db2
            | System::Firebird
            | System::Hana
            | System::Snowflake
            | System::Spanner
            | System::Trino
            | System::Vertica
            | System::OtherSql => forms::any(dsn),
        };
        found.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
