//! Text in double quotes that may be a name or a literal (`SQLite`, and what is not known): a name only at a place where there are no values.

use super::lexis::{DoubleQuotes, Lexis};
use super::pieces::{Kind, Piece};

/// Words behind which a name stands, besides `FROM`.
const BEFORE_NAMES: [&str; 11] =
    ["JOIN", "INTO", "UPDATE", "TABLE", "AS", "VIEW", "INDEX", "EXISTS", "COLUMN", "ONLY", "REFERENCES"];

/// Makes literals of those that are not surely names.
pub(super) fn unsure_names(list: &mut [Piece], lexis: &Lexis) {
    if lexis.double_quotes != DoubleQuotes::Unsure {
        return;
    }
    let significant: Vec<usize> = (0..list.len())
        .filter(|&at| list.get(at).is_some_and(|piece| !matches!(piece.kind, Kind::Blank | Kind::Comment)))
        .collect();
    let mut clauses = Clauses::default();
    for (place, &at) in significant.iter().enumerate() {
        let neighbour = |place: Option<usize>| place.and_then(|place| list.get(*significant.get(place)?));
        let before = neighbour(place.checked_sub(1));
        let after = neighbour(place.checked_add(1));
        let is_period = |piece: Option<&Piece>| piece.is_some_and(|piece| piece.kind == Kind::Period);
        let is_word = |piece: Option<&Piece>| {
            piece.is_some_and(|piece| matches!(piece.kind, Kind::Word | Kind::Quoted) || piece.text == "*")
        };
        let is_name = is_period(before) && is_word(neighbour(place.checked_sub(2)))
            || is_period(after) && is_word(neighbour(place.checked_add(2)))
            || before.is_some_and(|before| before.is_one_of(&BEFORE_NAMES))
            || clauses.is_behind_from;
        if let Some(piece) = list.get(at) {
            clauses.push(before, piece);
        }
        let is_unsure = |piece: &&mut Piece| piece.kind == Kind::Quoted && piece.text.starts_with('"') && !is_name;
        if let Some(piece) = list.get_mut(at).filter(is_unsure) {
            *piece = Piece::literal();
        }
    }
}

/// Which `FROM` begins a clause: not that of `IS DISTINCT FROM`, nor that of `TRIM(LEADING FROM …)` and the like.
#[derive(Default)]
struct Clauses {
    /// For each bracket that is open, whether a clause is still to come; around them all stands the last of `outer`.
    open: Vec<bool>,
    outer: bool,
    /// The last piece was such a `FROM`.
    is_behind_from: bool,
}

impl Clauses {
    fn push(&mut self, before: Option<&Piece>, piece: &Piece) {
        self.is_behind_from = false;
        let begins = before.is_none_or(|before| matches!(before.kind, Kind::Open | Kind::End));
        match piece.kind {
            Kind::Open => self.open.push(false),
            Kind::Close => {
                self.open.pop();
            }
            Kind::End => *self = Self::default(),
            Kind::Word if before.is_some_and(|before| before.kind == Kind::Period) => {}
            Kind::Word if piece.is_one_of(&["SELECT", "DELETE", "UPDATE"]) => *self.awaited() = true,
            Kind::Word if piece.is("FROM") => {
                // `(FROM t)` (`DuckDB`), but `TRIM(FROM x)`.
                let is_first = begins && self.open.is_empty();
                let is_distinct = before.is_some_and(|before| before.is("DISTINCT"));
                self.is_behind_from = is_first || *self.awaited() && !is_distinct;
                if self.is_behind_from {
                    *self.awaited() = false;
                }
            }
            Kind::Word
            | Kind::Quoted
            | Kind::Blank
            | Kind::Comment
            | Kind::Literal
            | Kind::Placeholder(_)
            | Kind::Period
            | Kind::Comma
            | Kind::Other => {}
        }
    }

    fn awaited(&mut self) -> &mut bool {
        self.open.last_mut().unwrap_or(&mut self.outer)
    }
}
