//! What the program `database_sql` does by its paths, and the spans of that.

use super::drivers::Driver;

// Lines, with `?1` where the driver has its first placeholder.
const BY_ID: &str = "SELECT orders, op SELECT, of orders: SELECT id, name FROM orders WHERE id >= ?1";
const ONE: &str = "SELECT orders, op SELECT, of orders: SELECT name FROM orders WHERE id = ?1";
const RENAME: &str = "UPDATE orders, op UPDATE, of orders: UPDATE orders SET name = ?1 WHERE id = ?2";
const PREPARE_BY_ID: &str = "PREPARE orders, op PREPARE, of orders, no summary: SELECT id, name FROM orders WHERE id >= ?1";
const PREPARE_ONE: &str = "PREPARE orders, op PREPARE, of orders, no summary: SELECT name FROM orders WHERE id = ?1";
const PREPARE_RENAME: &str = "PREPARE orders, op PREPARE, of orders, no summary: UPDATE orders SET name = ?1 WHERE id = ?2";
const BEGIN: &str = "BEGIN, op BEGIN, no summary";
const COMMIT: &str = "COMMIT, op COMMIT, no summary";
const ROLLBACK: &str = "ROLLBACK, op ROLLBACK, no summary";
const PING: &str = "PING, op PING, no summary";
const MISSING: &str = "SELECT missing, op SELECT, of missing: SELECT id FROM missing";

/// A path, and the lines of its spans. Those behind a `BEGIN` are linked to it.
type Scenario = (&'static str, &'static [&'static str]);

/// `/setup` makes the tables. In the order in which they are asked for.
const SUCCEEDING: &[Scenario] = &[
    ("/query", &["SELECT orders, op SELECT, of orders: SELECT id, name FROM orders WHERE id > ? AND name <> ?"]),
    ("/query-context", &[BY_ID]),
    ("/query-row", &[ONE]),
    ("/query-row-context", &[ONE]),
    // No error.
    ("/query-row-none", &[ONE]),
    ("/join", &["SELECT orders items, op SELECT: SELECT o.id FROM orders o LEFT JOIN items i ON i.order_id = o.id"]),
    ("/exec", &["UPDATE orders, op UPDATE, of orders: UPDATE orders SET name = ? WHERE id IN (?)"]),
    ("/exec-context", &[RENAME]),
    ("/literals", &["SELECT orders, op SELECT, of orders: SELECT id FROM orders WHERE name = ? AND id IN (?)"]),
    ("/prepared", &[PREPARE_BY_ID, PREPARE_ONE, PREPARE_RENAME, BY_ID, ONE, RENAME]),
    ("/prepared-plain", &[PREPARE_BY_ID, BY_ID, BY_ID]),
    ("/conn", &[PING, BY_ID, ONE, RENAME, PREPARE_ONE, ONE, BEGIN, COMMIT]),
    ("/ping", &[PING]),
    // The text is 1 MiB long.
    ("/large", &["SELECT, op SELECT: SELECT length(?…"]),
    ("/commit", &[BEGIN, RENAME, ONE, COMMIT]),
    ("/commit-plain", &[BEGIN, RENAME, BY_ID, COMMIT]),
    ("/rollback", &[BEGIN, RENAME, ROLLBACK]),
    ("/rollback-after-commit", &[BEGIN, COMMIT]),
    ("/commit-twice", &[BEGIN, COMMIT]),
    ("/empty-transaction", &[BEGIN, ROLLBACK]),
    ("/prepared-in-transaction", &[PREPARE_ONE, BEGIN, PREPARE_RENAME, RENAME, ONE, ROLLBACK]),
    ("/panic-in-transaction", &[BEGIN, RENAME, ROLLBACK]),
    ("/transactions?count=2", &[BEGIN, ONE, BEGIN, ONE, ROLLBACK, ROLLBACK]),
    ("/rows-early", &[BY_ID]),
    ("/rows-elsewhere", &[BY_ID]),
    ("/goroutine", &[ONE]),
    ("/goroutine-context", &[ONE]),
    ("/nested", &[BY_ID, ONE, ONE, ONE]),
    ("/many?goroutines=3&statements=2", &[ONE, ONE, ONE, ONE, ONE, ONE]),
];

/// Those whose last span has an error, unless the driver has none for the path.
const FAILING: &[Scenario] = &[
    ("/missing-table", &[MISSING]),
    ("/wrapped", &[MISSING]),
    ("/constraint", &["INSERT orders, op INSERT, of orders: INSERT INTO orders (id, name) VALUES (?1, ?2)"]),
    ("/invalid-utf8", &["SELECT orders, op SELECT, of orders: SELECT id FROM orders WHERE name = ? AND id = ?"]),
    ("/unterminated", &["SELECT orders, op SELECT, of orders: SELECT id FROM orders WHERE name = ?"]),
    ("/wrong-arguments", &[BY_ID]),
    ("/cancelled", &[BY_ID]),
];

/// The paths that a driver is asked for, each with the lines of its spans.
pub(crate) fn scenarios(driver: &Driver) -> Vec<(&'static str, Vec<String>)> {
    let failing = FAILING.iter().map(|(path, lines)| {
        let mut lines = linked(lines);
        if let Some(error) = driver.error(path) {
            let last = lines.last_mut().unwrap();
            *last = format!("{last} ! {error}");
        }
        (*path, lines)
    });
    let own = driver.own.iter().map(|(path, text)| {
        let error = driver.error(path).map(|error| format!(" ! {error}"));
        (*path, vec![format!("{text}{}", error.unwrap_or_default())])
    });
    let all = SUCCEEDING.iter().map(|(path, lines)| (*path, linked(lines))).chain(failing).chain(own);
    let placed = all.map(|(path, lines)| (path, lines.iter().map(|line| placed(line, driver)).collect()));
    placed.filter(|(path, _)| !driver.without.contains(path)).collect()
}

/// What is asked for besides, and its lines in whatever order.
pub(crate) fn deadlock(driver: &Driver) -> Option<Vec<String>> {
    let error = driver.error("/deadlock")?;
    let mut lines = linked(&[BEGIN, RENAME, RENAME, RENAME, ROLLBACK, ROLLBACK]);
    lines.push(BEGIN.to_owned());
    lines.push(format!("{RENAME} ! {error} ^ BEGIN"));
    Some(lines.iter().map(|line| placed(line, driver)).collect())
}

/// What `/cancelled-transaction` may have: the program tries until it sees that the transaction is over, which `database/sql` ends
/// meanwhile.
pub(crate) fn cancelled_transaction(driver: &Driver, lines: &[String]) {
    let is_done = |line: &String| {
        line.ends_with(" ! *errors.errorString - sql: transaction has already been committed or rolled back ^ BEGIN")
    };
    let begins = |text: &str| lines.iter().filter(|line| line.starts_with(text)).count();
    assert_eq!(lines[0], BEGIN);
    assert_eq!(lines[1], placed(&format!("{RENAME} ^ BEGIN"), driver));
    assert_eq!((begins(BEGIN), begins(ROLLBACK)), (1, 1), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| is_done(line)).count(), 1, "{lines:#?}");
    assert!(lines[1..].iter().all(|line| line.ends_with(" ^ BEGIN")), "{lines:#?}");
}

/// Lines, those behind a `BEGIN` with a link to it.
fn linked(lines: &[&str]) -> Vec<String> {
    let mut has_begun = false;
    let line = |line: &&str| match *line {
        BEGIN => {
            has_begun = true;
            BEGIN.to_owned()
        }
        line if has_begun => format!("{line} ^ BEGIN"),
        line => line.to_owned(),
    };
    lines.iter().map(line).collect()
}

/// A line with the driver's placeholders.
fn placed(line: &str, driver: &Driver) -> String {
    ["1", "2"].iter().fold(line.to_owned(), |line, number| {
        let placeholder = if driver.system == "postgresql" { format!("${number}") } else { "?".to_owned() };
        line.replace(&format!("?{number}"), &placeholder)
    })
}
