//! The characters of an expression.

use super::error::ExpressionError;

/// The rest of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is no blank.
    pub(super) fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// Takes `wanted` if it comes next.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        self.peek();
        let is_next = self.rest().starts_with(wanted);
        if is_next {
            self.at += wanted.len();
        }
        is_next
    }

    /// Takes `wanted`, which must come next.
    pub(super) fn expect(&mut self, wanted: &str, what: &'static str) -> Result<(), ExpressionError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(what)) }
    }

    /// An error at this place.
    pub(super) fn error(&self, what: &'static str) -> ExpressionError {
        ExpressionError { at: self.at, what }
    }

    /// An identifier.
    pub(super) fn identifier(&mut self) -> Option<&'t str> {
        self.peek();
        let rest = self.rest();
        let is_part = |(at, c): (usize, char)| c == '_' || c.is_alphabetic() || (at > 0 && c.is_numeric());
        let end = rest.char_indices().find(|&part| !is_part(part)).map_or(rest.len(), |(end, _)| end);
        (end > 0).then(|| self.split(end))
    }

    /// Decimal digits.
    pub(super) fn number(&mut self) -> Option<u64> {
        self.peek();
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest.get(..end)?.parse().ok()?;
        self.at += end;
        Some(number)
    }

    /// Everything up to the bracket that closes the one before: a type.
    pub(super) fn up_to_closing(&mut self) -> Option<&'t str> {
        let mut depth = 1_usize;
        let end = self.rest().char_indices().find(|&(_, c)| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let (end, _) = end?;
        let inside = self.split(end);
        self.at += 1;
        Some(inside.trim())
    }

    fn split(&mut self, length: usize) -> &'t str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        taken
    }
}
