//! `--supported-versions`: the catalog as a table.

use std::fmt::Write as _;

use crate::instrumentations::CATALOG;

/// The table of supported libraries, as Markdown; README.md holds a copy, and a test compares them.
#[must_use]
pub fn supported_versions() -> String {
    let mut text = String::from("| instrumentation | what | tested versions |\n|---|---|---|\n");
    for one in CATALOG {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {} |", one.name, one.description, one.tested_versions);
    }
    text
}

/// The same for machines.
#[must_use]
pub fn supported_versions_json() -> String {
    let rows: Vec<_> = CATALOG
        .iter()
        .map(|one| serde_json::json!({"name": one.name, "description": one.description, "tested_versions": one.tested_versions}))
        .collect();
    format!("{:#}", serde_json::Value::from(rows))
}
