//! What is wrong with the text of a declaration, and where.

/// Why a text is not the declaration of a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SignatureError {
    /// Bytes from the start of the text.
    pub at: usize,
    /// What is wrong there.
    problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("expected {0}")]
    Expected(&'static str),
    #[error("{0} is not a name")]
    NotAName(String),
    #[error("{0} is a word of the language, not a name")]
    Keyword(String),
    #[error("the function's name must follow its package, as in example.com/shop/orders.(*Store).Place or main.run")]
    NoPackage,
    #[error("parameters have names either all or none: name the type, or write _ for the name")]
    MixedNames,
    #[error("only the last parameter can be variadic, with a name of its own or none")]
    Variadic,
    #[error("the length of an array must be written as a number")]
    ArrayLength,
    #[error("a method has one receiver")]
    Receiver,
    #[error("the declaration ends before this")]
    Behind,
    #[error("types within types to such a depth are not read")]
    TooDeep,
    #[error("a declaration of more than {0} bytes is not read")]
    TooLong(usize),
}

impl SignatureError {
    pub(super) fn new(at: usize, problem: Problem) -> Self {
        Self { at, problem }
    }

    /// The line of `text` that is wrong, a caret under the place, and what is wrong there.
    #[must_use]
    pub fn with_caret(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let width = before.get(start..).unwrap_or_default().chars().count();
        format!("{line}\n{:width$}^ {self}", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let error = SignatureError::new(8, Problem::Expected("a type"));
        assert_eq!(error.with_caret("main.F(,)"), "main.F(,)\n        ^ expected a type");
        let error = SignatureError::new(5, Problem::Behind);
        assert_eq!(error.with_caret("ä\nab"), "ab\n  ^ the declaration ends before this");
        assert_eq!(SignatureError::new(99, Problem::Behind).with_caret("ab"), "ab\n  ^ the declaration ends before this");
    }
}
