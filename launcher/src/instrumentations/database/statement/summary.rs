//! The pieces of a statement into its operations and what they are done to, by the conventions for `db.query.summary`.
//!
//! No parser: a statement of any system, mutilated or not, is read once from left to right, and what is not understood is passed over.
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/#generating-a-summary-of-the-query>

mod targets;

use super::lexis::Kind as Sql;
use super::pieces::{Kind, Piece, Pieces};
use super::verbs::{AFTER_TABLES, BEFORE_VERBS, Behind, INNER_VERBS, Verb, named};

/// How long a summary may be, in characters; also that of a name in it.
pub(super) const MAX_SUMMARY: usize = 255;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A table or view.
    Table,
    /// A stored procedure.
    Procedure,
    /// Something else.
    Object,
}

/// What stands in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An operation, in capitals; `is_outer`: within no brackets; `statement`: the number of the statement that it is in.
    Operation { name: String, is_outer: bool, statement: usize },
    /// What it is done to.
    Target { name: String, what: Target },
}

/// What is known within one pair of brackets.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// The operation in it.
    verb: Option<Behind>,
    /// `FROM` is still to come.
    wants_from: bool,
    /// A list of tables goes on.
    in_tables: bool,
    /// Names of `WITH` go on.
    in_with: bool,
}

struct Walk<'a> {
    pieces: Vec<&'a Piece>,
    is_cut: bool,
    sql: Sql,
    frames: Vec<Frame>,
    /// How many statements have ended.
    statement: usize,
    /// Names of `WITH`, which are no tables.
    with: Vec<&'a str>,
    found: Vec<Found>,
    /// Characters of what was found.
    length: usize,
}

/// The operations and their targets, in their order.
pub(super) fn found(pieces: &Pieces, sql: Sql) -> Vec<Found> {
    let mut walk = Walk {
        pieces: pieces.significant().collect(),
        is_cut: pieces.is_cut,
        sql,
        frames: vec![Frame::default()],
        statement: 0,
        with: Vec::new(),
        found: Vec::new(),
        length: 0,
    };
    let mut at = 0;
    while at < walk.pieces.len() {
        at = walk.step(at).max(at.saturating_add(1));
    }
    walk.found
}

impl<'a> Walk<'a> {
    fn piece(&self, at: usize) -> Option<&'a Piece> {
        self.pieces.get(at).copied()
    }

    fn before(&self, at: usize) -> Option<&'a Piece> {
        self.piece(at.checked_sub(1)?)
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.piece(at).map(|piece| piece.kind)
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        self.piece(at).is_some_and(|piece| piece.is_one_of(words))
    }

    fn frame(&self) -> Frame {
        self.frames.last().copied().unwrap_or_default()
    }

    fn change(&mut self, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.last_mut() {
            change(frame);
        }
    }

    /// Looks at one piece; returns where to go on.
    fn step(&mut self, at: usize) -> usize {
        let next = at.saturating_add(1);
        let Some(piece) = self.piece(at) else { return next };
        match piece.kind {
            Kind::Open => self.frames.push(Frame::default()),
            Kind::Close if self.frames.len() > 1 => {
                self.frames.pop();
            }
            Kind::End => {
                self.frames = vec![Frame::default()];
                self.statement = self.statement.saturating_add(1);
                self.with.clear();
            }
            Kind::Comma if self.frame().in_tables => return self.table(next),
            // The parts of a name are no keywords.
            Kind::Word if self.kind(next) != Some(Kind::Period) && self.kind_before(at) != Some(Kind::Period) => {
                return self.word(at, piece);
            }
            Kind::Word | Kind::Quoted => return self.with_name(at, piece),
            Kind::Blank
            | Kind::Comment
            | Kind::Literal
            | Kind::Placeholder(_)
            | Kind::Period
            | Kind::Comma
            | Kind::Close
            | Kind::Other => {}
        }
        next
    }

    fn kind_before(&self, at: usize) -> Option<Kind> {
        self.before(at).map(|piece| piece.kind)
    }

    fn word(&mut self, at: usize, piece: &'a Piece) -> usize {
        let next = at.saturating_add(1);
        let frame = self.frame();
        if let Some(verb) = named(&piece.text).filter(|verb| self.is_verb(at, verb)) {
            return self.verb(at, verb);
        }
        if piece.is("WITH") && (self.begins(at) || self.is_behind_verb(at)) {
            self.change(|frame| frame.in_with = true);
        } else if frame.in_with {
            return self.with_name(at, piece);
        } else if piece.is("FROM") && frame.wants_from && !self.is_distinct_from(at) {
            self.change(|frame| {
                frame.wants_from = false;
                frame.in_tables = true;
            });
            return self.table(next);
        } else if piece.is_one_of(&["JOIN", "STRAIGHT_JOIN"]) && frame.in_tables {
            return self.table(next);
        } else if piece.is("USING") && self.takes_using() {
            self.change(|frame| frame.in_tables = true);
            return self.table(next);
        } else if piece.is_one_of(&AFTER_TABLES) {
            self.change(|frame| {
                frame.in_tables = false;
                // `UPDATE t SET … FROM u` (PostgreSQL, SQL Server)
                frame.wants_from |= piece.is("SET") && matches!(frame.verb, Some(Behind::Table(_)));
            });
        }
        next
    }

    /// `IS DISTINCT FROM`
    fn is_distinct_from(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|before| self.is(before, &["DISTINCT"]) && !self.is(before.saturating_sub(1), &["SELECT"]))
    }

    /// `DELETE FROM t USING u`, `MERGE INTO t USING u`; that of a join has brackets behind it.
    fn takes_using(&self) -> bool {
        matches!(self.frame().verb, Some(Behind::Table(_) | Behind::MaybeFrom))
    }

    /// A name that `WITH` gives to a query: it stands behind that word or a comma.
    fn with_name(&mut self, at: usize, piece: &'a Piece) -> usize {
        let is_first =
            self.before(at).is_some_and(|before| before.is_one_of(&["WITH", "RECURSIVE"]) || before.kind == Kind::Comma);
        if self.frame().in_with && is_first && !piece.is("RECURSIVE") {
            self.with.push(&piece.text);
        }
        at.saturating_add(1)
    }

    /// Whether a statement begins here.
    fn begins(&self, at: usize) -> bool {
        match self.before(at) {
            None => true,
            Some(before) => matches!(before.kind, Kind::End | Kind::Open),
        }
    }

    fn is_behind_verb(&self, at: usize) -> bool {
        let behind_bracket = || {
            let is_other = self.frame().in_with || self.frame().verb == Some(Behind::Statement);
            is_other && self.kind_before(at) == Some(Kind::Close)
        };
        self.before(at).is_some_and(|before| before.is_one_of(&BEFORE_VERBS)) || behind_bracket()
    }

    /// Whether this word, of an operation, is one here.
    fn is_verb(&self, at: usize, verb: &Verb) -> bool {
        let is_function = self.kind(at.saturating_add(1)) == Some(Kind::Open);
        match verb.behind {
            _ if self.frame().verb == Some(Behind::Anything) => false,
            Behind::From => true,
            Behind::Table(_) | Behind::MaybeFrom if INNER_VERBS.contains(&verb.name) => {
                // `REPLACE(…)` is a function.
                !is_function && (self.begins(at) || self.is_behind_verb(at))
            }
            Behind::Table(_)
            | Behind::MaybeFrom
            | Behind::Statement
            | Behind::Procedure
            | Behind::Object
            | Behind::Execute
            | Behind::Second(_)
            | Behind::Anything => self.begins(at) && self.frames.len() == 1,
        }
    }

    fn verb(&mut self, at: usize, verb: &Verb) -> usize {
        let next = at.saturating_add(1);
        self.change(|frame| {
            *frame = Frame { verb: Some(verb.behind), wants_from: verb.behind == Behind::From, ..Frame::default() };
        });
        match verb.behind {
            Behind::From | Behind::Statement | Behind::Anything => self.operation(verb.name),
            Behind::Table(between) => {
                self.operation(verb.name);
                let at = self.past(next, between);
                self.change(|frame| frame.in_tables = verb.name != "INSERT");
                return self.name(at, Target::Table, false);
            }
            Behind::MaybeFrom => {
                self.operation(verb.name);
                self.change(|frame| frame.wants_from = true);
                let at = self.past(next, &["LOW_PRIORITY", "QUICK", "IGNORE"]);
                // `DELETE t WHERE …` (SQL Server, Oracle); in `DELETE a FROM b` what follows counts.
                let has_from = (at..at.saturating_add(6)).any(|at| self.is(at, &["FROM"]));
                if !has_from {
                    return self.name(at, Target::Table, false);
                }
            }
            Behind::Object => return self.object(next, verb.name),
            Behind::Procedure => return self.procedure(next, verb.name),
            Behind::Execute => return self.execute(next, verb.name),
            Behind::Second(words) => {
                let second = self.piece(next).filter(|piece| piece.is_one_of(words));
                let name =
                    second.map_or(verb.name.to_owned(), |second| format!("{} {}", verb.name, second.text.to_ascii_uppercase()));
                self.operation(&name);
            }
        }
        next
    }

    fn operation(&mut self, name: &str) {
        if self.takes(name) {
            let is_outer = self.frames.len() == 1;
            self.found.push(Found::Operation { name: name.to_owned(), is_outer, statement: self.statement });
        }
    }

    fn target(&mut self, name: String, what: Target) {
        if self.takes(&name) {
            self.found.push(Found::Target { name, what });
        }
    }

    /// Whether there is room for it: what is too long for a summary is not remembered.
    fn takes(&mut self, name: &str) -> bool {
        let length = self.length.saturating_add(name.chars().count()).saturating_add(usize::from(self.length > 0));
        if length > MAX_SUMMARY {
            return false;
        }
        self.length = length;
        true
    }
}
