//! What a procedure is called with, in SQL Server: a word among it is text.

use super::{Kind, Places};

/// Reserved words of SQL Server that may stand behind `EXEC` and behind the name of a procedure: they are no arguments.
const RESERVED: [&str; 40] = [
    "AS",
    "AT",
    "BACKUP",
    "BEGIN",
    "BLOCK",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "ALTER",
    "DROP",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "ELSE",
    "END",
    "EXEC",
    "EXECUTE",
    "FETCH",
    "FROM",
    "GO",
    "GRANT",
    "IF",
    "IMMEDIATE",
    "INSERT",
    "INTO",
    "MERGE",
    "ON",
    "OPEN",
    "PRINT",
    "RESTORE",
    "RETURN",
    "ROLLBACK",
    "SELECT",
    "SET",
    "TO",
    "TRUNCATE",
    "UPDATE",
    "USING",
    "WHILE",
    "WITH",
];

impl Places<'_> {
    /// `EXEC p x, @a = y`: words are text.
    pub(super) fn arguments(&mut self, at: usize) {
        let is_name = |kind: Option<Kind>| matches!(kind, Some(Kind::Word | Kind::Quoted));
        let mut at = self.past_assignment(at);
        while self.piece(at).is_some_and(|piece| matches!(&*piece.text, "#" | "##")) {
            at = at.saturating_add(1);
        }
        if !is_name(self.kind(at)) || self.is(at, &RESERVED) {
            return;
        }
        at = at.saturating_add(1);
        while self.kind(at) == Some(Kind::Period) || is_name(self.kind(at)) && self.is_behind_period(at) {
            at = at.saturating_add(1);
        }
        loop {
            at = self.past_assignment(at);
            match self.kind(at) {
                Some(Kind::Word) if self.is(at, &RESERVED) => return,
                Some(Kind::Word) if self.is(at, &["NULL", "DEFAULT"]) => at = at.saturating_add(1),
                Some(Kind::Word | Kind::Quoted) => at = self.value(at),
                // `-5`
                Some(Kind::Other) => at = at.saturating_add(2),
                Some(Kind::Literal | Kind::Placeholder(_)) => at = at.saturating_add(1),
                Some(Kind::Blank | Kind::Comment | Kind::Period | Kind::Comma | Kind::Open | Kind::Close | Kind::End) | None => {
                    return;
                }
            }
            if self.is(at, &["OUT", "OUTPUT"]) {
                at = at.saturating_add(1);
            }
            if self.kind(at) != Some(Kind::Comma) {
                return;
            }
            at = at.saturating_add(1);
        }
    }

    fn is_behind_period(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.kind(before)) == Some(Kind::Period)
    }

    /// Behind `@a =`, if that stands here.
    fn past_assignment(&self, at: usize) -> usize {
        let assigns = matches!(self.kind(at), Some(Kind::Placeholder(_))) && self.is_equals(at.saturating_add(1));
        if assigns { at.saturating_add(2) } else { at }
    }
}
