//! What spans of databases may say of statements.

use std::ffi::OsString;

use super::reader::{Reader, boolean};

/// How the text of a statement is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatementPolicy {
    /// Without the values that stand in it.
    #[default]
    Sanitized,
    /// As it is.
    Raw,
    /// Not at all.
    LeftOut,
}

/// What spans of databases say of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Database {
    /// The text.
    pub statement: StatementPolicy,
    /// Operations and tables are looked for in the text.
    pub parse: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self { statement: StatementPolicy::default(), parse: true }
    }
}

impl Database {
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        let statement = reader.first(&["GO_AUTO_LAUNCH_DB_STATEMENT"], |text| match &*text.to_ascii_lowercase() {
            "sanitized" => Some(StatementPolicy::Sanitized),
            "raw" => Some(StatementPolicy::Raw),
            _ => None,
        });
        // Of two wishes the one that shows less counts.
        let is_included = reader.first(&["OTEL_GO_AUTO_INCLUDE_DB_STATEMENT"], boolean).unwrap_or(true);
        let statement = if is_included { statement.unwrap_or_default() } else { StatementPolicy::LeftOut };
        let parse = reader.first(&["OTEL_GO_AUTO_PARSE_DB_STATEMENT"], boolean).unwrap_or(true);
        Self { statement, parse }
    }
}
