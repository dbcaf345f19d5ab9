//! SQL text into pieces: the tokens of `sqlparser`, of which there are a hundred kinds, reduced to what matters to a span.
//!
//! What may be a literal is one. Of a text that cannot be cut into tokens only that is left which stands before the first quote.

use sqlparser::tokenizer::{Token, Tokenizer, Whitespace, Word};

use super::lexis::{Kind as Sql, Lexis};
use super::names::unsure_names;
use super::tokens::{has_quotes, is_misplaced, is_quoted, may_end_elsewhere};
use super::unquoted::conceal;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Blank,
    /// A comment.
    Comment,
    /// A value: text, number, binary.
    Literal,
    /// A name in quotes.
    Quoted,
    /// A keyword, or a name without quotes.
    Word,
    /// Where an argument goes.
    Placeholder(Style),
    /// `.`
    Period,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    End,
    /// An operator, or anything else.
    Other,
}

/// How a placeholder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `?`, `?1`
    Question,
    /// `$1`
    Dollar,
    /// `$name`
    DollarName,
    /// `:1`, `:name`
    Colon,
    /// `@p1`
    AtNumbered,
    /// `@name`
    At,
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl Piece {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// A value, which is not shown.
    pub(super) fn literal() -> Self {
        Self::new(Kind::Literal, "?")
    }

    /// Whether this is that keyword, which is in capitals.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether this is one of these keywords, which are in capitals.
    pub(super) fn is_one_of(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

/// A statement in pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) list: Vec<Piece>,
    /// There is more of the statement than this.
    pub(super) is_cut: bool,
}

impl Pieces {
    /// The pieces of a statement; `is_cut`: it goes on behind the text.
    pub(super) fn of(text: &str, is_cut: bool, lexis: &Lexis) -> Self {
        let mut tokens = Vec::new();
        let tokenized = Tokenizer::new(lexis, text).with_unescape(false).tokenize_with_location_into_buf(&mut tokens);
        let mut tokens: Vec<Token> = tokens.into_iter().map(|token| token.token).collect();
        let is_unsure = lexis.is_unsure_of_backslashes() && tokens.iter().any(may_end_elsewhere);
        let is_unsure = is_unsure || tokens.iter().zip(tokens.iter().skip(1)).any(|(token, next)| is_misplaced(token, next));
        // Where a text that is not cut has a quote without an end, what is within quotes and what is not cannot be known.
        let is_refused = is_unsure || tokenized.is_err() && !is_cut;
        if is_refused {
            tokens.truncate(tokens.iter().position(has_quotes).unwrap_or(tokens.len()));
        }
        let mut list = reduced(tokens, lexis);
        let ends_with_value = list.last().is_some_and(|last| last.kind == Kind::Literal);
        if (is_refused || tokenized.is_err()) && !ends_with_value {
            list.push(Piece::literal());
        }
        Self { list, is_cut: is_cut || is_refused }
    }

    /// The pieces that mean something.
    pub(super) fn significant(&self) -> impl Iterator<Item = &Piece> {
        self.list.iter().filter(|piece| !matches!(piece.kind, Kind::Blank | Kind::Comment))
    }

    /// Whether an argument goes anywhere into it. `any`: however this is written, else only as the system does.
    pub(super) fn has_placeholder(&self, any: bool, lexis: &Lexis) -> bool {
        let is_one = |piece: &Piece| matches!(piece.kind, Kind::Placeholder(style) if any || is_of(style, lexis.kind));
        self.list.iter().any(is_one)
    }
}

fn reduced(tokens: Vec<Token>, lexis: &Lexis) -> Vec<Piece> {
    let mut list: Vec<Piece> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let next = piece(token, lexis);
        match list.last_mut() {
            Some(before) if joins(before, &next, lexis) => join(before, &next),
            Some(_) | None => list.push(next),
        }
    }
    unsure_names(&mut list, lexis);
    conceal(&mut list, lexis.kind);
    list
}

/// Whether two pieces that stand together without a blank are one.
fn joins(before: &Piece, next: &Piece, lexis: &Lexis) -> bool {
    let is_mark = |mark: &str| before.kind == Kind::Other && before.text == mark;
    match next.kind {
        // `1_000`, `0XFF`, `'a''b'`: whatever it is, it belongs to the value.
        Kind::Word => before.kind == Kind::Literal || is_mark(":") || is_mark("@"),
        // `:1`; elsewhere a colon and a number are the end of a slice (PostgreSQL), or nothing.
        Kind::Literal => before.kind == Kind::Literal || is_mark(":") && matches!(lexis.kind, Sql::Oracle | Sql::SqlServer),
        Kind::Blank
        | Kind::Comment
        | Kind::Quoted
        | Kind::Placeholder(_)
        | Kind::Period
        | Kind::Comma
        | Kind::Open
        | Kind::Close
        | Kind::End
        | Kind::Other => false,
    }
}

fn join(before: &mut Piece, next: &Piece) {
    if before.kind == Kind::Literal {
        return;
    }
    let digits = next.text.strip_prefix(['p', 'P']).unwrap_or_default();
    let is_numbered = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let style = match &*before.text {
        ":" => Style::Colon,
        _ if is_numbered => Style::AtNumbered,
        _ => Style::At,
    };
    before.kind = Kind::Placeholder(style);
    before.text.push_str(&next.text);
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a hundred kinds of tokens, of another crate")]
fn piece(token: Token, lexis: &Lexis) -> Piece {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => {
            // MySQL allows names that begin with a digit; so do numbers.
            let is_number = value.starts_with(|first: char| first.is_numeric());
            if is_number { Piece::literal() } else { Piece::new(Kind::Word, value) }
        }
        Token::Word(Word { value, quote_style: Some(quote), .. }) => {
            let end = if quote == '[' { ']' } else { quote };
            Piece::new(Kind::Quoted, format!("{quote}{value}{end}"))
        }
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
            Piece::new(Kind::Comment, "")
        }
        Token::Whitespace(Whitespace::Newline) => Piece::new(Kind::Blank, "\n"),
        Token::Whitespace(Whitespace::Tab) => Piece::new(Kind::Blank, "\t"),
        Token::Whitespace(Whitespace::Space) => Piece::new(Kind::Blank, " "),
        Token::Number(..) => Piece::literal(),
        token if is_quoted(&token) => Piece::literal(),
        Token::Placeholder(text) => placeholder(text, lexis),
        Token::Period => Piece::new(Kind::Period, "."),
        Token::Comma => Piece::new(Kind::Comma, ","),
        Token::LParen => Piece::new(Kind::Open, "("),
        Token::RParen => Piece::new(Kind::Close, ")"),
        Token::SemiColon => Piece::new(Kind::End, ";"),
        Token::Char(char) if char.is_numeric() => Piece::literal(),
        other => Piece::new(Kind::Other, other.to_string()),
    }
}

fn placeholder(text: String, lexis: &Lexis) -> Piece {
    let Some(name) = text.strip_prefix('$') else {
        // A number behind it is part of it in some systems; in the others it does not matter.
        return Piece::new(Kind::Placeholder(Style::Question), if is_numbered(lexis) { &text } else { "?" });
    };
    if !name.starts_with(|first: char| first.is_numeric() || first == '.') {
        return Piece::new(Kind::Placeholder(Style::DollarName), text);
    }
    // Else it is money.
    if is_of(Style::Dollar, lexis.kind) && name.bytes().all(|byte| byte.is_ascii_digit()) {
        Piece::new(Kind::Placeholder(Style::Dollar), text)
    } else {
        Piece::literal()
    }
}

fn is_numbered(lexis: &Lexis) -> bool {
    matches!(lexis.kind, Sql::Sqlite | Sql::SqlServer)
}

/// Whether a kind of SQL, or its drivers, write placeholders so.
fn is_of(style: Style, sql: Sql) -> bool {
    match (style, sql) {
        (Style::Question, _) => sql != Sql::PostgreSql && sql != Sql::Oracle,
        (Style::Dollar, _) => matches!(sql, Sql::PostgreSql | Sql::Sqlite | Sql::ClickHouse | Sql::Unknown),
        (Style::DollarName, _) => sql == Sql::Sqlite,
        (Style::Colon, _) => matches!(sql, Sql::Oracle | Sql::Sqlite | Sql::SqlServer),
        (Style::AtNumbered, _) => matches!(sql, Sql::Sqlite | Sql::SqlServer),
        (Style::At, _) => matches!(sql, Sql::Sqlite | Sql::ClickHouse),
    }
}
