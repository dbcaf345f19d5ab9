//! Tokens of `sqlparser`: which of them have quotes, and which of those cannot be believed.

use sqlparser::tokenizer::{Token, Whitespace, Word};

/// Whether a literal would end elsewhere if a backslash hid quotes.
pub(super) fn may_end_elsewhere(token: &Token) -> bool {
    if let Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) = token {
        text.ends_with('\\') || text.contains("\\'")
    } else {
        false
    }
}

/// Whether a text in quotes is followed by a word at once: a sign that one ends where it seems to begin.
pub(super) fn is_misplaced(token: &Token, next: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::EscapedStringLiteral(_))
        && matches!(next, Token::Word(Word { quote_style: None, .. }))
}

/// Whether there are quotes in the text of a token.
pub(super) fn has_quotes(token: &Token) -> bool {
    let is_name = matches!(token, Token::Word(Word { quote_style: Some(_), .. }));
    let is_comment = matches!(
        token,
        Token::Whitespace(Whitespace::SingleLineComment { comment, .. } | Whitespace::MultiLineComment(comment))
            if comment.contains(['\'', '"', '`', '$', '['])
    );
    is_name || is_comment || is_quoted(token)
}

/// Whether a token is a literal in quotes of any kind.
pub(super) fn is_quoted(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::CopyData { .. }
    )
}
