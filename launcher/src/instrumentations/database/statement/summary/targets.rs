//! What stands behind an operation into its targets.

use super::{Behind, Frame, MAX_SUMMARY, Target, Walk};
use crate::instrumentations::database::statement::lexis::Kind as Sql;
use crate::instrumentations::database::statement::pieces::Kind;
use crate::instrumentations::database::statement::verbs::{ADJECTIVES, BEFORE_NAMES, NO_NAMES, OBJECTS};

impl Walk<'_> {
    /// The first place from `at` where none of these words stands.
    pub(super) fn past(&self, mut at: usize, words: &[&str]) -> usize {
        while self.is(at, words) {
            at = at.saturating_add(1);
        }
        at
    }

    pub(super) fn object(&mut self, at: usize, verb: &str) -> usize {
        let kind = self.past(at, &ADJECTIVES);
        let object = self.piece(kind).filter(|piece| piece.kind == Kind::Word);
        let object = object.and_then(|piece| OBJECTS.iter().find(|(name, _)| piece.is(name)));
        let Some(&(object, is_shown)) = object else {
            self.operation(verb);
            self.change(|frame| frame.verb = Some(Behind::Anything));
            return at;
        };
        self.operation(&format!("{verb} {object}"));
        let name = self.past(kind.saturating_add(1), &BEFORE_NAMES);
        // What else stands there is no statement, or one that is only to be run some day; but `CREATE TABLE … AS SELECT …`.
        let goes_on = verb == "CREATE" && matches!(object, "TABLE" | "VIEW");
        if !goes_on {
            self.change(|frame| frame.verb = Some(Behind::Anything));
        }
        let what = if object == "TABLE" { Target::Table } else { Target::Object };
        if is_shown { self.name(name, what, false) } else { name }
    }

    pub(super) fn procedure(&mut self, at: usize, verb: &str) -> usize {
        self.operation(verb);
        self.change(|frame| frame.verb = Some(Behind::Anything));
        // `EXEC @result = p` (SQL Server)
        let assigns = matches!(self.kind(at), Some(Kind::Placeholder(_)))
            && self.piece(at.saturating_add(1)).is_some_and(|piece| piece.text == "=");
        let at = if assigns { at.saturating_add(2) } else { at };
        self.name(at, Target::Procedure, false)
    }

    /// Where there are prepared statements, their names say nothing.
    pub(super) fn execute(&mut self, at: usize, verb: &str) -> usize {
        match self.sql {
            // A text, or a block, that is run.
            _ if self.is(at, &["IMMEDIATE", "BLOCK"]) && self.sql != Sql::SqlServer => {
                self.operation(verb);
                self.change(|frame| frame.verb = Some(Behind::Anything));
                at
            }
            Sql::PostgreSql | Sql::MySql => {
                self.operation(verb);
                self.change(|frame| frame.verb = Some(Behind::Anything));
                at
            }
            Sql::SqlServer | Sql::Oracle | Sql::Sqlite | Sql::ClickHouse | Sql::Unknown => self.procedure(at, verb),
        }
    }

    /// A table of a list, perhaps in brackets with those that it is joined with.
    pub(super) fn table(&mut self, at: usize) -> usize {
        let mut at = self.past(at, &BEFORE_NAMES);
        while self.kind(at) == Some(Kind::Open) && !self.is(at.saturating_add(1), &["SELECT", "WITH", "VALUES"]) {
            self.frames.push(Frame { in_tables: true, ..Frame::default() });
            at = at.saturating_add(1);
        }
        self.name(at, Target::Table, true)
    }

    /// A name, with what it is qualified by. What has brackets behind it is a function where that is possible.
    pub(super) fn name(&mut self, at: usize, what: Target, may_be_function: bool) -> usize {
        let is_part = |kind: Option<Kind>| matches!(kind, Some(Kind::Word | Kind::Quoted));
        let mut name = String::new();
        let mut end = at;
        // `#t`, `##t` (SQL Server)
        while self.sql == Sql::SqlServer && self.piece(end).is_some_and(|piece| matches!(&*piece.text, "#" | "##")) {
            name.push_str(self.piece(end).map_or("", |piece| &piece.text));
            end = end.saturating_add(1);
        }
        let first = self.piece(end).filter(|_| is_part(self.kind(end)));
        let Some(first) = first.filter(|first| !first.is_one_of(&NO_NAMES)) else { return at };
        let mut parts = 0_usize;
        while let Some(piece) = self.piece(end) {
            let is_period = piece.kind == Kind::Period;
            let follows_period = end > at && self.kind_before(end) == Some(Kind::Period);
            if !is_period && !(is_part(Some(piece.kind)) && (parts == 0 || follows_period)) {
                break;
            }
            if name.len() <= MAX_SUMMARY {
                name.push_str(&piece.text);
            }
            parts = parts.saturating_add(1);
            end = end.saturating_add(1);
        }
        let is_function = may_be_function && self.kind(end) == Some(Kind::Open);
        let is_with = parts == 1 && self.with.iter().any(|with| with.eq_ignore_ascii_case(&first.text));
        // There may be more of the last one.
        let is_half = self.is_cut && end == self.pieces.len();
        if !is_function && !is_with && !is_half {
            self.target(name, what);
        }
        end
    }
}
