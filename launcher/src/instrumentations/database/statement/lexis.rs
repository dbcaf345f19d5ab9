//! How the text of a database system is cut into tokens: the lexical rules of its SQL, as a dialect of `sqlparser`.
//!
//! The dialects of the crate would do, but each brings the whole parser along (2.8 MB of code); these are words and quotes only.

use std::any::TypeId;

use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect};

use crate::instrumentations::database::system::System;

/// What text in double quotes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DoubleQuotes {
    /// A name.
    Name,
    /// A literal.
    Literal,
    /// One of both, which the server finds out.
    Unsure,
}

/// The lexical rules of one kind of SQL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexis {
    /// The kind.
    pub(super) kind: Kind,
    /// What text in double quotes is.
    pub(super) double_quotes: DoubleQuotes,
    /// The first quotes of names, but for double quotes.
    name_quotes: &'static str,
}

/// The kinds of SQL that differ in their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// PostgreSQL and what speaks its protocol.
    PostgreSql,
    /// MySQL, `MariaDB`.
    MySql,
    /// `SQLite`.
    Sqlite,
    /// SQL Server.
    SqlServer,
    /// Oracle.
    Oracle,
    /// `ClickHouse`.
    ClickHouse,
    /// What is not known: what may be a literal is one.
    Unknown,
}

impl Lexis {
    /// The rules of a system.
    pub(super) fn of(system: System) -> Self {
        let (kind, double_quotes, name_quotes) = match system {
            System::PostgreSql | System::CockroachDb | System::Redshift => (Kind::PostgreSql, DoubleQuotes::Name, ""),
            System::MySql | System::MariaDb => (Kind::MySql, DoubleQuotes::Literal, "`"),
            System::Sqlite => (Kind::Sqlite, DoubleQuotes::Unsure, "`["),
            System::SqlServer => (Kind::SqlServer, DoubleQuotes::Name, "["),
            System::Oracle => (Kind::Oracle, DoubleQuotes::Name, ""),
            System::ClickHouse => (Kind::ClickHouse, DoubleQuotes::Name, "`"),
            System::Db2
            | System::DuckDb
            | System::Firebird
            | System::Hana
            | System::Snowflake
            | System::Spanner
            | System::Databricks
            | System::Trino
            | System::Vertica
            | System::OtherSql => (Kind::Unknown, DoubleQuotes::Unsure, "`"),
        };
        Self { kind, double_quotes, name_quotes }
    }

    /// Whether a backslash may, or may not, hide the quote behind it.
    pub(super) fn is_unsure_of_backslashes(&self) -> bool {
        // `standard_conforming_strings` may be off (PostgreSQL); of the unknown nothing is known.
        matches!(self.kind, Kind::PostgreSql | Kind::Unknown)
    }

    fn is_postgresql(&self) -> bool {
        self.kind == Kind::PostgreSql
    }

    fn is_mysql(&self) -> bool {
        self.kind == Kind::MySql
    }
}

impl Dialect for Lexis {
    // The tokenizer asks for these by name.
    fn dialect(&self) -> TypeId {
        match self.kind {
            Kind::PostgreSql => TypeId::of::<PostgreSqlDialect>(),
            Kind::MySql => TypeId::of::<MySqlDialect>(),
            Kind::Sqlite | Kind::SqlServer | Kind::Oracle | Kind::ClickHouse | Kind::Unknown => TypeId::of::<Self>(),
        }
    }

    fn is_delimited_identifier_start(&self, char: char) -> bool {
        self.name_quotes.contains(char) || char == '"' && self.double_quotes != DoubleQuotes::Literal
    }

    // Neither `@`, `#` nor `$` begins a word here: that keeps marks and names apart, and `$5` is no name.
    fn is_identifier_start(&self, char: char) -> bool {
        char.is_alphabetic() || char == '_' || !char.is_ascii() && !is_currency(char)
    }

    fn is_identifier_part(&self, char: char) -> bool {
        let is_mark = char == '#' && matches!(self.kind, Kind::SqlServer | Kind::Oracle);
        char.is_alphanumeric() || "_$".contains(char) || is_mark || !char.is_ascii()
    }

    fn is_custom_operator_part(&self, char: char) -> bool {
        // https://www.postgresql.org/docs/current/sql-createoperator.html
        self.is_postgresql() && "+-*/<>=~!@#%^&|`?".contains(char)
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        matches!(self.kind, Kind::MySql | Kind::ClickHouse)
    }

    fn supports_string_escape_constant(&self) -> bool {
        self.is_postgresql()
    }

    fn supports_unicode_string_literal(&self) -> bool {
        self.is_postgresql()
    }

    fn supports_quote_delimited_string(&self) -> bool {
        self.kind == Kind::Oracle
    }

    fn supports_dollar_placeholder(&self) -> bool {
        // Where this is not so, `$$` and `$tag$` begin literals.
        self.kind == Kind::Sqlite
    }

    fn supports_dollar_as_money_prefix(&self) -> bool {
        self.kind == Kind::SqlServer
    }

    fn supports_geometric_types(&self) -> bool {
        self.is_postgresql()
    }

    fn supports_tilde_like_match_operator(&self) -> bool {
        self.is_postgresql()
    }

    fn supports_nested_comments(&self) -> bool {
        matches!(self.kind, Kind::PostgreSql | Kind::SqlServer | Kind::ClickHouse)
    }

    fn supports_hash_comment(&self) -> bool {
        matches!(self.kind, Kind::MySql | Kind::ClickHouse)
    }

    fn requires_hash_comment_space(&self) -> bool {
        self.kind == Kind::ClickHouse
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        self.is_mysql()
    }

    fn requires_single_line_comment_whitespace(&self) -> bool {
        self.is_mysql()
    }

    fn supports_unterminated_block_comments(&self) -> bool {
        self.kind == Kind::Sqlite
    }

    fn supports_numeric_prefix(&self) -> bool {
        self.is_mysql()
    }

    fn supports_copy_from_stdin_data(&self) -> bool {
        self.is_postgresql()
    }
}

/// Whether this is the sign of a currency, which stands before a number (SQL Server).
/// <https://learn.microsoft.com/en-us/sql/t-sql/data-types/money-and-smallmoney-transact-sql>
fn is_currency(char: char) -> bool {
    let others = "¢£¤¥֏؋৲৳৻૱௹฿៛﷼﹩＄￠￡￥￦";
    ('\u{20a0}'..='\u{20cf}').contains(&char) || others.contains(char)
}
