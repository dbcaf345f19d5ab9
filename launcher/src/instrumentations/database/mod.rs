//! What spans of databases say, whatever the library: pure functions of captured texts.
//!
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>

pub mod address;
mod errors;
mod message;
pub mod span;
pub mod statement;
pub mod system;

pub use address::Address;
pub use errors::ERRORS;
pub use statement::Statement;
pub use system::System;

/// The name of a span: what the statement does to what, else the operation and its target, else one of them, else the system.
#[must_use]
pub fn span_name(summary: Option<&str>, operation: Option<&str>, target: Option<&str>, system: System) -> String {
    match (summary, operation, target) {
        (Some(summary), _, _) => summary.to_owned(),
        (None, Some(operation), Some(target)) => format!("{operation} {target}"),
        (None, Some(one), None) | (None, None, Some(one)) => one.to_owned(),
        (None, None, None) => system.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_conventions() {
        assert_eq!(span_name(Some("SELECT a b"), Some("SELECT"), None, System::MySql), "SELECT a b");
        assert_eq!(span_name(None, Some("PING"), Some("shop"), System::MySql), "PING shop");
        assert_eq!(span_name(None, Some("PING"), None, System::MySql), "PING");
        assert_eq!(span_name(None, None, Some("shop"), System::MySql), "shop");
        assert_eq!(span_name(None, None, None, System::MySql), "mysql");
    }
}
