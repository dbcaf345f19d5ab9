//! Statements that come again are not read again: a program has few that it runs all the time.

use std::cell::RefCell;
use std::collections::HashMap;

use super::Statement;
use crate::config::Database;
use crate::instrumentations::database::system::System;

/// How many bytes of text are remembered. When there are more, all are forgotten: it does not happen often.
const MAX_BYTES: usize = 256 * 1024;

/// What a statement's text is read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Circumstances {
    pub(super) is_cut: bool,
    pub(super) has_arguments: Option<bool>,
    pub(super) system: System,
    pub(super) settings: Database,
}

#[derive(Default)]
struct Memo {
    known: HashMap<Box<[u8]>, Vec<(Circumstances, Statement)>>,
    bytes: usize,
}

thread_local! {
    /// That of the one thread that makes spans.
    static MEMO: RefCell<Memo> = RefCell::default();
}

/// What was read of this text, or what `read` reads of it now.
pub(super) fn recalled(text: &[u8], with: Circumstances, read: impl FnOnce() -> Statement) -> Statement {
    let known = MEMO.with_borrow(|memo| memo.find(text, with));
    known.unwrap_or_else(|| {
        let statement = read();
        // One with values in its text will not come again.
        if statement.text.as_deref().is_none_or(|shown| shown.as_bytes() == text) {
            MEMO.with_borrow_mut(|memo| memo.remember(text, with, statement.clone()));
        }
        statement
    })
}

impl Memo {
    fn find(&self, text: &[u8], with: Circumstances) -> Option<Statement> {
        let read = self.known.get(text)?;
        read.iter().find(|(circumstances, _)| *circumstances == with).map(|(_, statement)| statement.clone())
    }

    fn remember(&mut self, text: &[u8], with: Circumstances, statement: Statement) {
        // The text is there twice, as it was found and as it is shown.
        let bytes = text.len().saturating_mul(2).saturating_add(size_of::<(Circumstances, Statement)>());
        if bytes > MAX_BYTES / 8 {
            return;
        }
        if self.bytes.saturating_add(bytes) > MAX_BYTES {
            *self = Self::default();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.known.entry(text.into()).or_default().push((with, statement));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const WITH: Circumstances = Circumstances {
        is_cut: false,
        has_arguments: None,
        system: System::MySql,
        settings: Database { statement: crate::config::StatementPolicy::Sanitized, parse: true },
    };

    #[test]
    fn a_text_is_read_once_in_the_same_circumstances() {
        let reads = Cell::new(0);
        let read = |shown: &'static str, with| {
            let read = || {
                reads.set(reads.get() + 1);
                Statement { text: Some(shown.into()), ..Statement::default() }
            };
            recalled(b"SELECT a", with, read)
        };
        let first = read("SELECT a", WITH);
        assert_eq!((read("SELECT a", WITH), reads.get()), (first, 1));
        read("SELECT a", Circumstances { is_cut: true, ..WITH });
        assert_eq!(reads.get(), 2);
        // Values have been replaced: each text is another one.
        let other = Circumstances { system: System::Oracle, ..WITH };
        read("SELECT ?", other);
        read("SELECT ?", other);
        assert_eq!(reads.get(), 4);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memo = Memo::default();
        for number in 0..100_000 {
            memo.remember(format!("SELECT {number}").as_bytes(), WITH, Statement::default());
            assert!(memo.bytes <= MAX_BYTES);
        }
        assert!(memo.known.len() > 10);
        memo.remember(&vec![0; MAX_BYTES], WITH, Statement::default());
        assert_eq!(memo.find(&vec![0; MAX_BYTES], WITH), None);
    }
}
