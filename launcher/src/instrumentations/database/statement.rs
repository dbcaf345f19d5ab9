//! The text of a statement into what a span says of it, by the conventions for databases.
//!
//! Pure but for a memo, and linear in the text's length; the text may be cut, mutilated, or no SQL at all. Unless the user wants the text as it
//! is, no value that stands in it comes out.
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>

mod lexis;
mod memo;
mod names;
mod pieces;
mod sanitize;
mod summary;
mod tokens;
mod unquoted;
mod verbs;

use std::borrow::Cow;
use std::sync::Arc;

use lexis::{Kind as Sql, Lexis};
use memo::Circumstances;
use pieces::{Kind, Pieces};
use summary::{Found, MAX_SUMMARY, Target};

use super::system::System;
use crate::config::{Database, StatementPolicy};

/// What is looked at of a text, in bytes; more than is captured of one.
const MAX_TEXT: usize = 32 * 1024;

/// What a text ends with that goes on.
const CUT: char = '…';

/// What a span says of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// `db.query.text`
    pub text: Option<Arc<str>>,
    /// `db.operation.name`, where there is only one: the statement's, not those of statements within it. In capitals.
    pub operation: Option<Arc<str>>,
    /// `db.collection.name`, where there is only one. As it is written, quotes too.
    pub collection: Option<Arc<str>>,
    /// `db.query.summary`
    pub summary: Option<Arc<str>>,
    /// `db.stored_procedure.name`
    pub stored_procedure: Option<Arc<str>>,
}

impl Statement {
    /// Of a text; `is_cut`: it goes on. `has_arguments`: whether values are passed besides, if that is known.
    #[must_use]
    pub fn new(text: &[u8], is_cut: bool, has_arguments: Option<bool>, system: System, settings: &Database) -> Self {
        let with = Circumstances { is_cut: is_cut || text.len() > MAX_TEXT, has_arguments, system, settings: *settings };
        let text = text.get(..MAX_TEXT).unwrap_or(text);
        memo::recalled(text, with, || Self::read(text, with))
    }

    /// Of a batch of two statements or more: what all of them have in common; of texts that differ all, one behind the other.
    #[must_use]
    pub fn batch(statements: &[Self]) -> Self {
        let common = |part: fn(&Self) -> Option<&Arc<str>>| {
            let first = statements.first().and_then(part)?;
            statements.iter().all(|statement| part(statement) == Some(first)).then(|| first.clone())
        };
        let prefixed = |common: Option<Arc<str>>| common.map_or("BATCH".into(), |common| format!("BATCH {common}").into());
        let texts = || statements.iter().filter_map(|statement| statement.text.as_deref()).collect::<Vec<&str>>().join("; ");
        let is_parsed = statements.iter().any(|statement| statement.summary.is_some() || statement.operation.is_some());
        Self {
            text: common(|one| one.text.as_ref()).or_else(|| Some(texts().into()).filter(|texts: &Arc<str>| !texts.is_empty())),
            operation: is_parsed.then(|| prefixed(common(|one| one.operation.as_ref()))),
            collection: common(|one| one.collection.as_ref()),
            summary: is_parsed.then(|| prefixed(common(|one| one.summary.as_ref()))),
            stored_procedure: common(|one| one.stored_procedure.as_ref()),
        }
    }

    fn read(text: &[u8], Circumstances { is_cut, has_arguments, system, settings }: Circumstances) -> Self {
        let text = String::from_utf8_lossy(text);
        let is_read = settings.parse || settings.statement == StatementPolicy::Sanitized;
        if text.trim().is_empty() || !is_read {
            let is_shown = settings.statement == StatementPolicy::Raw;
            return Self { text: is_shown.then(|| text.into()), ..Self::default() };
        }
        let lexis = Lexis::of(system);
        let pieces = Pieces::of(&text, is_cut, &lexis);
        let mut statement = if settings.parse { Self::parsed(&pieces, lexis.kind) } else { Self::default() };
        statement.text = shown(text, &pieces, has_arguments, &lexis, settings.statement);
        if is_cut && settings.statement == StatementPolicy::Sanitized {
            // The mark may have stood within a literal.
            statement.text = statement.text.map(|text| if text.ends_with(CUT) { text } else { format!("{text}{CUT}").into() });
        }
        statement
    }

    fn parsed(pieces: &Pieces, sql: Sql) -> Self {
        let found = summary::found(pieces, sql);
        let targets = |wanted: Target| {
            found.iter().filter_map(move |found| match found {
                Found::Target { name, what } => (*what == wanted).then_some(name),
                Found::Operation { .. } => None,
            })
        };
        let procedure = only(targets(Target::Procedure)).or_else(|| bare_procedure(pieces, sql).filter(|_| found.is_empty()));
        Self {
            text: None,
            operation: operation(&found),
            collection: only(targets(Target::Table)),
            summary: joined(&found),
            stored_procedure: procedure,
        }
    }
}

/// `db.query.text`
fn shown(
    text: Cow<'_, str>,
    pieces: &Pieces,
    has_arguments: Option<bool>,
    lexis: &Lexis,
    policy: StatementPolicy,
) -> Option<Arc<str>> {
    // The conventions: whoever passes arguments has no secrets in the text.
    let is_parameterised = match has_arguments {
        Some(true) => pieces.has_placeholder(true, lexis),
        Some(false) => false,
        None => pieces.has_placeholder(false, lexis),
    };
    match policy {
        StatementPolicy::LeftOut => None,
        StatementPolicy::Raw => Some(text.into()),
        StatementPolicy::Sanitized if is_parameterised => Some(text.into()),
        StatementPolicy::Sanitized => Some(sanitize::sanitized(pieces, text.len()).into()),
    }
}

/// The one value that all of these are.
fn only<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<Arc<str>> {
    let first = names.next()?;
    names.all(|name| name == first).then(|| first.as_str().into())
}

/// The operation of the statement, or of all of them.
fn operation(found: &[Found]) -> Option<Arc<str>> {
    let operations = || {
        found.iter().filter_map(|found| match found {
            Found::Operation { name, is_outer, statement } => Some((name, *is_outer, *statement)),
            Found::Target { .. } => None,
        })
    };
    let mut seen = None;
    let firsts: Vec<&String> = operations()
        .filter(|&(_, is_outer, statement)| is_outer && seen.replace(statement) != Some(statement))
        .map(|(name, _, _)| name)
        .collect();
    if firsts.is_empty() {
        // `(SELECT …) UNION (SELECT …)`
        return operations().next().map(|(name, _, _)| name.as_str().into());
    }
    only(firsts.into_iter())
}

fn joined(found: &[Found]) -> Option<Arc<str>> {
    let mut summary = String::new();
    for found in found {
        let (Found::Operation { name, .. } | Found::Target { name, .. }) = found;
        if !summary.is_empty() {
            summary.push(' ');
        }
        summary.push_str(name);
    }
    let begins_with_operation = matches!(found.first(), Some(Found::Operation { .. }));
    begins_with_operation.then(|| summary.into())
}

/// A text that is only a name is that of a procedure (SQL Server).
fn bare_procedure(pieces: &Pieces, sql: Sql) -> Option<Arc<str>> {
    if sql != Sql::SqlServer || pieces.is_cut {
        return None;
    }
    let is_name = |(at, kind): (usize, Kind)| match at % 2 {
        0 => matches!(kind, Kind::Word | Kind::Quoted),
        _ => kind == Kind::Period,
    };
    let all_are = pieces.significant().map(|piece| piece.kind).enumerate().all(is_name);
    let name: String = pieces.significant().map(|piece| &*piece.text).collect();
    (all_are && !name.is_empty() && !name.ends_with('.') && name.len() <= MAX_SUMMARY).then(|| name.into())
}

#[cfg(test)]
mod tests;
