//! The text of a declaration, word by word.

use super::error::{Problem, SignatureError};

/// Longer texts are no declarations.
const MAX_LEN: usize = 8192;
/// Types within types are read to this depth.
const MAX_DEPTH: usize = 64;

const KEYWORDS: [&str; 25] = [
    "break",
    "case",
    "chan",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "fallthrough",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "map",
    "package",
    "range",
    "return",
    "select",
    "struct",
    "switch",
    "type",
    "var",
];

/// A place in a text. What is read is taken; what does not fit is an error at its place.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    pub(super) at: usize,
    depth: usize,
}

impl<'t> Scanner<'t> {
    /// # Errors
    /// The text is too long.
    pub(super) fn new(text: &'t str) -> Result<Self, SignatureError> {
        if text.len() > MAX_LEN {
            return Err(SignatureError::new(MAX_LEN, Problem::TooLong(MAX_LEN)));
        }
        Ok(Self { text, at: 0, depth: 0 })
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What has been read since `start`.
    pub(super) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn error(&self, problem: Problem) -> SignatureError {
        SignatureError::new(self.at, problem)
    }

    pub(super) fn expected<T>(&self, what: &'static str) -> Result<T, SignatureError> {
        Err(self.error(Problem::Expected(what)))
    }

    /// Skips space, and comments to the end of a line.
    pub(super) fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// The next character, behind space.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest().chars().next()
    }

    /// Takes `token` if it is next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// # Errors
    /// Something else is next.
    pub(super) fn expect(&mut self, token: &'static str) -> Result<(), SignatureError> {
        if self.eat(token) { Ok(()) } else { self.expected(token) }
    }

    /// Takes the keyword `word` if it is next, as a whole word.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let is_next = self.word() == word;
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// The name that is next, with its package's path; empty if there is none. It is not taken. Dots at its end, and those of
    /// `...`, are left.
    pub(super) fn word(&mut self) -> &'t str {
        self.skip_space();
        let rest = self.rest();
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '~' | '%' | '+');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let word = word.get(..word.find("..").unwrap_or(end)).unwrap_or_default();
        word.trim_end_matches('.')
    }

    /// Takes a name.
    ///
    /// # Errors
    /// There is none, or it has a package, or is a word of the language.
    pub(super) fn identifier(&mut self) -> Result<&'t str, SignatureError> {
        let word = self.word();
        if word.is_empty() {
            return self.expected("a name");
        }
        self.check_identifier(word)?;
        self.at += word.len();
        Ok(word)
    }

    /// # Errors
    /// `word`, which is next, is no name.
    pub(super) fn check_identifier(&self, word: &str) -> Result<(), SignatureError> {
        if KEYWORDS.contains(&word) {
            return Err(self.error(Problem::Keyword(word.to_owned())));
        }
        if is_identifier(word) { Ok(()) } else { Err(self.error(Problem::NotAName(word.to_owned()))) }
    }

    /// Whether type arguments follow the name before: a bracket without space, which is not that of a slice or array.
    pub(super) fn has_type_arguments(&self) -> bool {
        let behind = self.rest().strip_prefix('[');
        behind.is_some_and(|behind| !behind.starts_with(|c: char| c == ']' || c.is_ascii_digit()))
    }

    /// Takes everything up to `close`, which is taken too; brackets of all kinds within are in pairs.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn skip_to(&mut self, close: char) -> Result<(), SignatureError> {
        let end = end_of_item(self.rest(), |c| c == close);
        self.at += end;
        if self.rest().starts_with(close) {
            self.at += close.len_utf8();
            return Ok(());
        }
        self.expected(match close {
            ']' => "]",
            '}' => "}",
            _ => ")",
        })
    }

    /// Runs `read` one level deeper.
    ///
    /// # Errors
    /// Those of `read`, or that this is too deep.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SignatureError>) -> Result<T, SignatureError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

/// Whether `word` is a Go identifier.
pub(super) fn is_identifier(word: &str) -> bool {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    word.starts_with(is_start) && word.chars().all(|c| c.is_alphanumeric() || c == '_') && !KEYWORDS.contains(&word)
}

/// Where the first character outside brackets and strings is that `is_end` accepts, or that closes a bracket which was not
/// opened; else the end of `text`.
pub(super) fn end_of_item(text: &str, is_end: impl Fn(char) -> bool) -> usize {
    let mut depth = 0_usize;
    let (mut string, mut is_escaped) = (None, false);
    for (at, c) in text.char_indices() {
        if let Some(quote) = string {
            string = string.filter(|_| c != quote || is_escaped);
            is_escaped = c == '\\' && quote == '"' && !is_escaped;
            continue;
        }
        if depth == 0 && is_end(c) {
            return at;
        }
        match c {
            '"' | '`' => string = Some(c),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}
