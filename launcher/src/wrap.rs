//! A text's long lines, broken between words for a terminal, with a hanging indent. No word is broken: an address or a name
//! can be copied.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Narrower terminals get lines of this length, which they break themselves.
const NARROWEST: usize = 40;

/// `text` as `output` should get it: wrapped at the terminal's width, or as it is where that is no terminal.
pub(crate) fn for_output(text: &str, output: &(impl AsFd + IsTerminal)) -> String {
    match terminal_size::terminal_size_of(output) {
        Some((width, _)) if output.is_terminal() => wrapped(text, usize::from(width.0)),
        Some(_) | None => text.to_owned(),
    }
}

/// `text` with lines of at most `width` characters, unless a single word is longer.
#[must_use]
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        wrap_line(line, width, &mut lines);
        lines.push_str(end);
    }
    lines
}

fn wrap_line(line: &str, width: usize, to: &mut String) {
    if line.chars().count() <= width {
        to.push_str(line);
        return;
    }
    let indent = hanging_indent(line, width);
    let mut column = 0;
    // Each piece is a word with the blanks before it, so that columns stay as they are.
    for piece in pieces(line) {
        let length = piece.chars().count();
        if column + length > width && column > indent {
            to.push('\n');
            to.extend(std::iter::repeat_n(' ', indent));
            let word = piece.trim_start();
            to.push_str(word);
            column = indent + word.chars().count();
        } else {
            to.push_str(piece);
            column += length;
        }
    }
}

/// Below the line's last column (two blanks or more stand before one), if half of the width is left for it, and its words fit
/// there; else two more than the line's own.
fn hanging_indent(line: &str, width: usize) -> usize {
    let own = line.len() - line.trim_start().len();
    let longest = line.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
    let fits = |indent: usize| indent + longest <= width;
    let mut column = 0;
    let mut last = None;
    for piece in pieces(line) {
        let start = column + piece.len() - piece.trim_start().len();
        let is_column = start >= column + 2 && column > 0;
        // A word that fits nowhere is no reason to leave the column.
        if is_column && start <= width / 2 && (fits(start) || !fits(own + 2)) {
            last = Some(start);
        }
        column += piece.chars().count();
    }
    last.unwrap_or(own + 2)
}

/// The words of a line, each with the blanks before it.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let word = rest.find(|char| char != ' ')?;
        let end = rest[word..].find(' ').map_or(rest.len(), |length| word + length);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_last_column() {
        let line = "kernel        6.18.44 and so on, with many a word behind it\nshort\n";
        assert_eq!(wrapped(line, 40), "kernel        6.18.44 and so on, with\n              many a word behind it\nshort\n");
    }

    #[test]
    fn a_line_without_columns_goes_on_two_further_in() {
        let line = "  one two three four five six seven eight nine";
        assert_eq!(wrapped(line, 40), "  one two three four five six seven\n    eight nine");
    }

    #[test]
    fn a_column_that_begins_too_far_right_is_none() {
        let line = format!("a  {}  what is said of it", "x".repeat(30));
        assert_eq!(wrapped(&line, 40), format!("a  {}  what\n   is said of it", "x".repeat(30)));
    }

    #[test]
    fn words_are_never_broken() {
        let long = "net/http.(*Transport).roundTrip".repeat(3);
        assert_eq!(wrapped(&format!("0x401000  {long} ends here"), 40), format!("0x401000  {long}\n          ends here"));
    }

    #[test]
    fn a_word_that_is_too_long_for_its_column_gets_a_line() {
        let line = format!("  0x401000  CALL  {}: encoded", "x".repeat(30));
        assert_eq!(wrapped(&line, 40), format!("  0x401000  CALL\n    {}:\n    encoded", "x".repeat(30)));
    }

    #[test]
    fn what_fits_stays() {
        assert_eq!(wrapped("", 80), "");
        assert_eq!(wrapped("a  b   c \n\n", 80), "a  b   c \n\n");
    }
}
