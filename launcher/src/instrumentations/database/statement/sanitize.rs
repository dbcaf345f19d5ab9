//! The pieces of a statement into text without values.
//!
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/#sanitization-of-dbquerytext>

use super::pieces::{Kind, Piece, Pieces};

/// The statement with `?` for each literal, lists of them after `IN` as one, and without comments, which may hold values too.
pub(super) fn sanitized(pieces: &Pieces, capacity: usize) -> String {
    let mut text = String::with_capacity(capacity);
    let mut values = List::default();
    let mut before: Option<&Piece> = None;
    for piece in &pieces.list {
        // Two words with a comment between them stay two.
        let shown = if piece.kind == Kind::Comment { " " } else { value(piece) };
        values.push(before, piece, shown, &mut text);
        if !matches!(piece.kind, Kind::Blank | Kind::Comment) {
            before = Some(piece);
        }
    }
    text.push_str(&values.pending);
    text.truncate(text.trim_end().len());
    text
}

/// What is shown of a piece.
fn value(piece: &Piece) -> &str {
    // The conventions count them among the literals.
    if piece.is_one_of(&["TRUE", "FALSE"]) { "?" } else { &piece.text }
}

/// A list of literals behind `IN`, of which one is shown.
#[derive(Default)]
struct List {
    /// Within one.
    is_open: bool,
    /// One literal has been shown.
    has_value: bool,
    /// What follows it and is left out if a literal comes next.
    pending: String,
}

impl List {
    fn push(&mut self, before: Option<&Piece>, piece: &Piece, shown: &str, text: &mut String) {
        if piece.kind == Kind::Open {
            self.leave(text);
            self.is_open = before.is_some_and(|before| before.is("IN"));
            text.push_str(shown);
        } else if !self.is_open {
            text.push_str(shown);
        } else if matches!(piece.kind, Kind::Blank | Kind::Comment | Kind::Comma) {
            self.pending.push_str(shown);
        } else if shown == "?" {
            if self.has_value {
                self.pending.clear();
            } else {
                self.has_value = true;
                text.push_str(&self.pending);
                self.pending.clear();
                text.push_str(shown);
            }
        } else {
            self.leave(text);
            text.push_str(shown);
        }
    }

    fn leave(&mut self, text: &mut String) {
        text.push_str(&self.pending);
        *self = Self::default();
    }
}
