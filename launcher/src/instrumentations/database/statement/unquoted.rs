//! Values that stand in a statement without quotes, or in those of names: passwords, files, data of another format, arguments.
//!
//! They are known by their places. What may be a value there is one.

mod arguments;

use super::lexis::Kind as Sql;
use super::pieces::{Kind, Piece};

/// First words of statements that have passwords in columns, not for themselves.
const QUERIES: [&str; 10] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT", "WITH", "VALUES", "EXPLAIN"];

/// What has a password of its own.
const PEOPLE: [&str; 8] = ["USER", "ROLE", "LOGIN", "GROUP", "ACCOUNT", "CREDENTIAL", "SERVER", "IDENTITY"];

/// How the names of settings end whose values are secret.
const SECRETS: [&str; 7] = ["PASSWORD", "PWD", "PASSPHRASE", "SECRET", "TOKEN", "SECRET_KEY", "ACCESS_KEY"];

/// Makes literals of them.
pub(super) fn conceal(list: &mut Vec<Piece>, sql: Sql) {
    if sql == Sql::ClickHouse {
        cut_data(list);
    }
    for statement in list.split_mut(|piece| piece.kind == Kind::End) {
        Places::of(statement).conceal(sql);
    }
}

/// What stands behind `INSERT … FORMAT name` are rows in that format.
fn cut_data(list: &mut Vec<Piece>) {
    let (mut first, mut depth) = (None::<usize>, 0_usize);
    let mut before: Option<usize> = None;
    let is = |at: Option<usize>, words: &[&str]| at.and_then(|at| list.get(at)).is_some_and(|piece| piece.is_one_of(words));
    let mut end = None;
    for (at, piece) in list.iter().enumerate() {
        let is_format = is(before, &["FORMAT"]) && depth == 0 && is(first, &["INSERT"]) && piece.kind == Kind::Word;
        match piece.kind {
            Kind::Blank | Kind::Comment => continue,
            _ if is_format => {
                end = Some(at);
                break;
            }
            Kind::Open => depth = depth.saturating_add(1),
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::End => (first, depth) = (None, 0),
            Kind::Literal | Kind::Quoted | Kind::Word | Kind::Placeholder(_) | Kind::Period | Kind::Comma | Kind::Other => {}
        }
        // `INSERT INTO format VALUES …`
        let is_name = piece.is("FORMAT") && is(before, &["INTO", "TABLE", "FUNCTION"]);
        first = first.or(Some(at)).filter(|_| piece.kind != Kind::End);
        before = (!is_name).then_some(at);
    }
    let Some(end) = end.and_then(|end| end.checked_add(1)).filter(|end| *end < list.len()) else { return };
    list.truncate(end);
    list.extend([Piece::new(Kind::Blank, " "), Piece::literal()]);
}

/// The pieces of one statement, and where those are that mean something.
struct Places<'a> {
    list: &'a mut [Piece],
    places: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(list: &'a mut [Piece]) -> Self {
        let is_one = |(at, piece): (usize, &Piece)| (!matches!(piece.kind, Kind::Blank | Kind::Comment)).then_some(at);
        let places = list.iter().enumerate().filter_map(is_one).collect();
        Self { list, places }
    }

    fn conceal(&mut self, sql: Sql) {
        let end = self.places.len();
        if self.is(0, &["CONNECT", "CONN"]) {
            self.replace(1, end);
        } else if self.is(0, &["PRAGMA"]) {
            self.pragma();
        } else if self.is(0, &["VACUUM"]) {
            if let Some(into) = self.find(1, &["INTO"]) {
                self.replace(into.saturating_add(1), end);
            }
        } else if self.is(0, &["ATTACH"]) && matches!(sql, Sql::Sqlite | Sql::Unknown) {
            self.attach();
        } else if self.is(0, &["SET"]) && self.is(1, &["PASSWORD"]) {
            let equals = (2..end).find(|&at| self.is_equals(at)).unwrap_or(1);
            self.replace(equals.saturating_add(1), end);
        } else {
            self.credentials();
        }
        let calls = |at: &usize| self.is(*at, &["EXEC", "EXECUTE"]) && (sql == Sql::SqlServer || sql == Sql::Unknown && *at == 0);
        let calls: Vec<usize> = (0..end).filter(calls).collect();
        for call in calls {
            self.arguments(call.saturating_add(1));
        }
    }

    fn piece(&self, place: usize) -> Option<&Piece> {
        self.list.get(*self.places.get(place)?)
    }

    fn kind(&self, place: usize) -> Option<Kind> {
        self.piece(place).map(|piece| piece.kind)
    }

    fn is(&self, place: usize, words: &[&str]) -> bool {
        self.piece(place).is_some_and(|piece| piece.is_one_of(words))
    }

    fn is_equals(&self, place: usize) -> bool {
        self.piece(place).is_some_and(|piece| piece.kind == Kind::Other && piece.text == "=")
    }

    fn find(&self, from: usize, words: &[&str]) -> Option<usize> {
        (from..self.places.len()).find(|&at| self.is(at, words))
    }

    /// One literal for what stands from one place up to another.
    fn replace(&mut self, from: usize, end: usize) {
        let ends = (self.places.get(from).copied(), end.checked_sub(1).and_then(|last| self.places.get(last).copied()));
        let (Some(first), Some(last)) = ends else { return };
        let Some(replaced) = self.list.get_mut(first..=last.max(first)) else { return };
        for (number, piece) in replaced.iter_mut().enumerate() {
            *piece = if number == 0 { Piece::literal() } else { Piece::new(Kind::Blank, "") };
        }
    }

    /// One literal for what stands together from here on without a blank or a comma; returns the place behind it.
    fn value(&mut self, from: usize) -> usize {
        let is_end = |kind: Option<Kind>| matches!(kind, None | Some(Kind::Comma | Kind::Close));
        if is_end(self.kind(from)) || self.kind(from) == Some(Kind::Open) {
            return from;
        }
        let mut end = from.saturating_add(1);
        let is_next = |end: usize| {
            let (before, at) = (end.checked_sub(1).and_then(|before| self.places.get(before)), self.places.get(end));
            before.zip(at).is_some_and(|(before, at)| at.checked_sub(*before) == Some(1))
        };
        while is_next(end) && !is_end(self.kind(end)) {
            end = end.saturating_add(1);
        }
        self.replace(from, end);
        end
    }

    /// `PRAGMA a = x`, `PRAGMA a(x)`
    fn pragma(&mut self) {
        let end = self.places.len();
        let Some(begin) = (1..end).find(|&at| self.is_equals(at) || self.kind(at) == Some(Kind::Open)) else { return };
        let is_closed =
            self.kind(begin) == Some(Kind::Open) && end.checked_sub(1).and_then(|last| self.kind(last)) == Some(Kind::Close);
        self.replace(begin.saturating_add(1), if is_closed { end.saturating_sub(1) } else { end });
    }

    /// `ATTACH DATABASE x AS a KEY y`
    fn attach(&mut self) {
        let end = self.places.len();
        let mut begin = 1;
        while self.is(begin, &["DATABASE", "IF", "NOT", "EXISTS"]) {
            begin = begin.saturating_add(1);
        }
        let named = self.find(begin, &["AS"]).unwrap_or(end);
        if let Some(key) = self.find(named, &["KEY"]) {
            self.replace(key.saturating_add(1), end);
        }
        self.replace(begin, named);
    }

    /// `IDENTIFIED BY x`, `PASSWORD x`, `SECRET = x`
    fn credentials(&mut self) {
        let is_query = self.is(0, &QUERIES) || self.kind(0) == Some(Kind::Open);
        let is_setting = self.is(0, &["SET"]);
        let is_of_people = self.is(0, &["CREATE", "ALTER"]) && (1..6).any(|at| self.is(at, &PEOPLE));
        let mut is_identified = false;
        let mut at = 0;
        while at < self.places.len() {
            let next = at.saturating_add(1);
            let is_assigned = || self.is_equals(next) || is_setting && self.is(next, &["TO"]);
            if self.is(at, &["IDENTIFIED"]) {
                is_identified = true;
                self.identified(next);
            } else if self.is(at, &["REPLACE"]) && is_identified {
                // `IDENTIFIED BY new REPLACE old` (Oracle)
                self.value(next);
            } else if !is_query && self.is_secret(at) && is_assigned() {
                self.value(next.saturating_add(1));
            } else if is_of_people && self.is(at, &["PASSWORD"]) {
                self.value(next);
            }
            at = next;
        }
    }

    fn is_secret(&self, place: usize) -> bool {
        let ends = |word: &str| {
            let tail = |end: &str| word.len().checked_sub(end.len()).and_then(|begin| word.get(begin..));
            SECRETS.iter().any(|end| tail(end).is_some_and(|tail| tail.eq_ignore_ascii_case(end)))
        };
        self.piece(place).is_some_and(|piece| piece.kind == Kind::Word && ends(&piece.text))
    }

    /// What stands behind `IDENTIFIED`: `BY x`, `WITH plugin BY x`, `VIA plugin USING x`.
    fn identified(&mut self, at: usize) {
        let mut at = at;
        if self.is(at, &["WITH", "VIA"]) {
            at = at.saturating_add(2);
        }
        if !self.is(at, &["BY", "AS", "USING"]) {
            return;
        }
        // Several users may have a password each (Oracle).
        loop {
            at = at.saturating_add(1);
            while self.is(at, &["VALUES", "PASSWORD"])
                && matches!(self.kind(at.saturating_add(1)), Some(Kind::Literal | Kind::Word))
            {
                self.replace(at, at.saturating_add(1));
                at = at.saturating_add(1);
            }
            at = self.value(at);
            if self.kind(at) != Some(Kind::Comma) {
                break;
            }
        }
    }
}
