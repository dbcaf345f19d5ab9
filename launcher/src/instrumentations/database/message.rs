//! The text of an error into one without values: servers and drivers quote them.
//!
//! What stands in quotes is a value, unless a word before it says that it is a name. Values may have quotes in them themselves, and
//! parts of statements do: the last quote of a text ends what the first one of a value begins.

use std::ops::Range;

use crate::config::StatementPolicy;

/// Words behind which a name stands.
const BEFORE_NAMES: [&str; 11] =
    ["constraint", "relation", "column", "table", "index", "function", "type", "schema", "database", "role", "key"];

/// What the texts of errors end with that are cut.
const CUT: char = '…';

/// What is shown of a text: all of it only to whoever wants statements as they are.
pub(super) fn shown(message: &str, policy: StatementPolicy) -> String {
    match policy {
        StatementPolicy::Raw => message.to_owned(),
        StatementPolicy::Sanitized | StatementPolicy::LeftOut => without_values(message),
    }
}

/// The text with `?` for each value.
fn without_values(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(quote) = next_quote(rest) {
        let (before, quoted) = rest.split_at(quote);
        shown.push_str(before);
        if let Some(name) = name(&shown, quoted) {
            let (name, behind) = quoted.split_at(name);
            shown.push_str(name);
            rest = behind;
        } else {
            shown.push('?');
            rest = behind_value(&shown, quoted);
        }
    }
    shown.push_str(rest);
    shown
}

/// The next quote, or bracket with values in it. What stands within a word is an apostrophe.
fn next_quote(text: &str) -> Option<usize> {
    let mut before = None::<char>;
    for (at, char) in text.char_indices() {
        let is_apostrophe = char == '\'' && before.is_some_and(char::is_alphanumeric);
        // `The duplicate key value is (x).` (SQL Server)
        let is_bracket = char == '(' && text.get(..at).is_some_and(|text| text.ends_with(" value is "));
        if is_bracket || matches!(char, '\'' | '"' | '`') && !is_apostrophe {
            return Some(at);
        }
        before = Some(char);
    }
    None
}

/// How long the name in quotes is that begins here, with its quotes; none, if it is a value.
fn name(before: &str, quoted: &str) -> Option<usize> {
    let word = before.strip_suffix(' ')?;
    let word = word.rsplit(|char: char| !char.is_alphanumeric()).next()?;
    BEFORE_NAMES.iter().find(|name| name.eq_ignore_ascii_case(word))?;
    let quote = quoted.chars().next().filter(|quote| *quote != '(')?;
    let inner = quoted.get(1..)?;
    let end = inner.find(quote)?;
    let is_plain = |char: char| char.is_alphanumeric() || "_.$#-".contains(char);
    let is_name = inner.get(..end)?.chars().all(is_plain);
    // A quote within a value is no end of a name.
    let behind = inner.get(end.saturating_add(1)..)?.chars().next();
    (is_name && !behind.is_some_and(char::is_alphanumeric)).then(|| end.saturating_add(2))
}

/// What follows a value that begins here: all behind the last quote of its kind, but for a name at the end, `for key 'orders.PRIMARY'`.
fn behind_value<'a>(shown: &str, quoted: &'a str) -> &'a str {
    let end = match quoted.chars().next() {
        Some('(') => ')',
        Some(quote) => quote,
        None => return "",
    };
    // Whether the value has an end cannot be known.
    if quoted.ends_with(CUT) {
        return "…";
    }
    let is_part_of_statement = shown.ends_with("near ?");
    let name = (!is_part_of_statement).then_some(quoted).and_then(last_name);
    let value = name.and_then(|name| quoted.get(..name.start)).unwrap_or(quoted);
    let ends = value.get(1..).and_then(|value| value.rfind(end)).and_then(|end| end.checked_add(2));
    // One without an end before the name has all of the rest.
    ends.and_then(|end| quoted.get(end..)).unwrap_or_default()
}

/// Where the last name in quotes is, with the words ` for key ` before it, if nothing in quotes follows.
fn last_name(text: &str) -> Option<Range<usize>> {
    let close = text.rfind(['\'', '"', '`'])?;
    let quote = text.get(close..)?.chars().next()?;
    let open = text.get(..close)?.rfind(quote)?;
    let before = text.get(..open)?;
    let length = name(before, text.get(open..)?)?;
    let start = before.rfind(" for ")?;
    // `for key `, and no more.
    let is_near = before.len().saturating_sub(start) <= " for constraint ".len();
    (is_near && open.saturating_add(length) == close.saturating_add(1)).then_some(start..close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_quotes_become_question_marks() {
        for (message, shown) in [
            ("division by zero", "division by zero"),
            ("syntax error at or near \"SELEC\"", "syntax error at or near ?"),
            ("near \"Zq1\": syntax error", "near ?: syntax error"),
            ("invalid input syntax for type integer: \"Zq1\"", "invalid input syntax for type integer: ?"),
            ("value \"Zq1\" is out of range for type integer", "value ? is out of range for type integer"),
            (
                "duplicate key violates unique constraint \"orders_pkey\"",
                "duplicate key violates unique constraint \"orders_pkey\"",
            ),
            ("null value in column \"a\" of relation \"b\"", "null value in column \"a\" of relation \"b\""),
            ("password authentication failed for user \"Zq1\"", "password authentication failed for user ?"),
            ("Duplicate entry 'Zq1' for key 'orders.PRIMARY'", "Duplicate entry ? for key 'orders.PRIMARY'"),
            ("Duplicate entry 'O'Zq1' for key 'Zq1' x' for key 'a'", "Duplicate entry ? for key 'a'"),
            ("Duplicate entry 'Zq1\" x' for key 'a'", "Duplicate entry ? for key 'a'"),
            ("Incorrect integer value: 'Zq1' for column 'a' at row 1", "Incorrect integer value: ? for column 'a' at row 1"),
            ("Incorrect value: 'Zq1' for column `a`.`b` at row 1", "Incorrect value: ? for column `a`.? at row 1"),
            ("Table 'shop.missing' doesn't exist", "Table 'shop.missing' doesn't exist"),
            ("near 'x WHERE type 'Zq1' AND a = 'Zq1' at line 1", "near ? at line 1"),
            ("near 'x WHERE a = Zq1 for key 'Zq1' at line 1", "near ? at line 1"),
            ("column \"Zq1 and more\" does not exist", "column ? does not exist"),
            ("The duplicate key value is (Zq1, (Zq1)).", "The duplicate key value is ?."),
            ("Duplicate entry 'it' Zq1", "Duplicate entry ? Zq1"),
            ("Duplicate entry 'Zq1", "Duplicate entry ?"),
            ("Duplicate entry 'it's Zq1…", "Duplicate entry ?…"),
            ("unrecognized token: \"'Zq1\"", "unrecognized token: ?"),
            ("'", "?"),
            ("", ""),
        ] {
            assert_eq!(without_values(message), shown, "{message}");
        }
    }

    #[test]
    fn values_are_shown_only_where_statements_are_raw() {
        let message = "Duplicate entry 'Zq1' for key 'a'";
        let with = |policy| shown(message, policy);
        assert_eq!(with(StatementPolicy::Raw), message);
        assert_eq!(with(StatementPolicy::Sanitized), "Duplicate entry ? for key 'a'");
        assert_eq!(with(StatementPolicy::LeftOut), "Duplicate entry ? for key 'a'");
    }
}
