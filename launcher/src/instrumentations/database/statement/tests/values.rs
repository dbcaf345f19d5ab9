//! No value of a statement is shown, whatever is done to the statement.

use super::*;

/// Statements whose every value is made of `Zq7` and a number, by system.
const MARKED: [(System, &str); 9] = [
    (System::PostgreSql, "SELECT a, 'Zq71' AS b FROM t WHERE c = E'it\\'s Zq72' AND d IN ('Zq73', $$Zq74$$, $x$Zq75$x$) LIMIT 5"),
    (System::PostgreSql, "INSERT INTO t (a, b) VALUES ('Zq71''Zq72', U&'Zq73'), (B'01', 'Zq74') RETURNING \"id\""),
    (System::MySql, "INSERT INTO `t` (a, b) VALUES (\"Zq71\\\"Zq72\", 'it\\'s Zq73'), (_utf8'Zq74', 'x''Zq75') -- Zq76"),
    (System::MySql, "UPDATE t SET a = 'Zq71' /*!50000 , b = 'Zq72' */ WHERE c = \"Zq73\" # Zq74"),
    (System::Sqlite, "SELECT \"a\".\"b\", 'Zq71', \"Zq72\" FROM [my t] WHERE c = 'Zq73' OR d = \"Zq74\""),
    (System::SqlServer, "EXEC dbo.p @a = N'Zq71', @b = 'Zq72'; SELECT 'Zq73' FROM [x] WHERE y = 'Zq74'"),
    (System::Oracle, "SELECT q'[Zq71's]', nq'{Zq72}' FROM dual WHERE a = 'Zq73' AND b = 'Zq74'"),
    (System::ClickHouse, "SELECT 'Zq71', `a` FROM t WHERE b = 'it\\'s Zq72' AND c = 'Zq73'"),
    (System::OtherSql, "SELECT 'Zq71', \"Zq72\" FROM t WHERE b = 'Zq73' AND c = \"Zq74\""),
];

fn leaks(found: &Statement) -> bool {
    format!("{found:?}").contains("Zq7")
}

#[test]
fn no_value_survives_a_cut() {
    for (system, text) in MARKED {
        assert!(!leaks(&of(system, text)), "{:?}", of(system, text));
        for end in 0..text.len() {
            let found = Statement::new(&text.as_bytes()[..end], true, Some(false), system, &SANITIZED);
            assert!(!leaks(&found), "{}: {found:?}", &text[..end]);
        }
    }
}

/// Whatever stands in the values, but for quotes, and whatever is appended.
#[test]
fn no_value_survives_a_mutilation() {
    let mut random = fastrand::Rng::with_seed(12);
    for round in 0..4_000 {
        let (system, text) = MARKED[round % MARKED.len()];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..random.usize(1..4) {
            // Behind a mark one is within a value.
            let marks: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"Zq7")).collect();
            let at = marks[random.usize(..marks.len())];
            let byte = loop {
                let byte = random.u8(..);
                if !b"'\"\\$]}*/\n\r`".contains(&byte) {
                    break byte;
                }
            };
            bytes.insert(at, byte);
        }
        // A full stop would make a name of what stands before it.
        let behind: Vec<u8> = (0..random.usize(..3)).map(|_| random.u8(..)).filter(|byte| *byte != b'.').collect();
        bytes.extend(behind);
        let is_cut = random.bool();
        let found = Statement::new(&bytes, is_cut, Some(false), system, &SANITIZED);
        assert!(!leaks(&found), "{}: {found:?}", String::from_utf8_lossy(&bytes));
    }
}

/// A quote too many, or one too few, turns what is within quotes and what is not around. What has lost its own quotes is a word.
#[test]
fn no_value_survives_a_missing_quote() {
    for (system, text) in MARKED {
        for (at, quote) in text.char_indices().filter(|(_, char)| *char == '\'') {
            let mut missing = text.to_owned();
            missing.remove(at);
            let marks: Vec<usize> = text.match_indices("Zq7").map(|(mark, _)| mark).collect();
            let own = marks.iter().map(|mark| &text[*mark..mark + 4]).filter(|mark| missing.contains(mark));
            let around = &text[at.saturating_sub(12)..(at + 12).min(text.len())];
            let own: Vec<&str> = own.filter(|mark| !around.contains(mark)).collect();
            let found = format!("{:?}", of(system, &missing));
            assert!(own.iter().all(|mark| !found.contains(mark)), "{system:?} {missing}: {found}");
            let mut doubled = text.to_owned();
            doubled.insert_str(at, &format!("{quote}x"));
            assert!(!leaks(&of(system, &doubled)), "{system:?} {doubled}: {:?}", of(system, &doubled));
        }
    }
}

/// What stands where the value is, without quotes or in those of names.
const UNQUOTED: &[(System, &str, &str)] = &[
    (System::ClickHouse, "INSERT INTO t (a, b) FORMAT CSV\n1,Zq71\n2,it's Zq72?", "INSERT INTO t (a, b) FORMAT CSV ?"),
    (System::ClickHouse, "insert into t format JSONEachRow {\"a\":\"Zq71\"}; Zq72", "insert into t format JSONEachRow ?"),
    (System::ClickHouse, "INSERT INTO format VALUES ('Zq71')", "INSERT INTO format VALUES (?)"),
    (System::ClickHouse, "SELECT a FROM t FORMAT JSON", "SELECT a FROM t FORMAT JSON"),
    (System::Oracle, "CREATE USER scott IDENTIFIED BY Zq71 ACCOUNT LOCK", "CREATE USER scott IDENTIFIED BY ? ACCOUNT LOCK"),
    (System::Oracle, "ALTER USER s IDENTIFIED BY \"Zq71\" REPLACE Zq72$x", "ALTER USER s IDENTIFIED BY ? REPLACE ?"),
    (System::Oracle, "GRANT CONNECT TO a, b IDENTIFIED BY Zq71, Zq72", "GRANT CONNECT TO a, b IDENTIFIED BY ?, ?"),
    (System::Oracle, "CONNECT scott/Zq71@host", "CONNECT ?"),
    (System::OtherSql, "CONNECT TO db USER u USING Zq71", "CONNECT ?"),
    (System::MySql, "ALTER USER a IDENTIFIED WITH x AS Zq71", "ALTER USER a IDENTIFIED WITH x AS ?"),
    (System::MySql, "SET PASSWORD FOR a = Zq71", "SET PASSWORD FOR a = ?"),
    (System::SqlServer, "CREATE LOGIN a WITH PASSWORD = Zq71", "CREATE LOGIN a WITH PASSWORD = ?"),
    (
        System::SqlServer,
        "CREATE CREDENTIAL c WITH IDENTITY = 'a', SECRET = Zq71",
        "CREATE CREDENTIAL c WITH IDENTITY = ?, SECRET = ?",
    ),
    (System::Snowflake, "CREATE USER a PASSWORD=Zq71 DEFAULT_ROLE = b", "CREATE USER a PASSWORD=? DEFAULT_ROLE = b"),
    (System::Hana, "CREATE USER a PASSWORD Zq71", "CREATE USER a PASSWORD ?"),
    (System::PostgreSql, "SET app.secret TO Zq71", "SET app.secret TO ?"),
    (System::PostgreSql, "SELECT password FROM t WHERE password = other", "SELECT password FROM t WHERE password = other"),
    (System::PostgreSql, "CREATE TABLE t (password text)", "CREATE TABLE t (password text)"),
    (System::Sqlite, "SELECT a IS NOT DISTINCT FROM \"Zq71\" FROM \"t\"", "SELECT a IS NOT DISTINCT FROM ? FROM \"t\""),
    (System::Spanner, "SELECT TRIM(LEADING FROM \"Zq71\") FROM t", "SELECT TRIM(LEADING FROM ?) FROM t"),
    (
        System::Sqlite,
        "SELECT SUBSTRING(a FROM \"Zq71\") FROM (SELECT b FROM \"u\")",
        "SELECT SUBSTRING(a FROM ?) FROM (SELECT b FROM \"u\")",
    ),
    (System::Sqlite, "DELETE FROM \"t\" WHERE a = \"Zq71\"", "DELETE FROM \"t\" WHERE a = ?"),
    (System::Sqlite, "UPDATE \"t\" SET a = \"Zq71\" FROM \"u\"", "UPDATE \"t\" SET a = ? FROM \"u\""),
    (System::DuckDb, "COPY t FROM \"Zq71\"", "COPY t FROM ?"),
    (System::SqlServer, "SELECT a FROM t WHERE b = £778 AND c = €7.79", "SELECT a FROM t WHERE b = £? AND c = €?"),
    (
        System::SqlServer,
        "EXEC @r = dbo.p Zq71, @c = Zq72 OUTPUT, @d = [Zq73], @e = -5",
        "EXEC @r = dbo.p ?, @c = ? OUTPUT, @d = ?, @e = -?",
    ),
    (System::SqlServer, "EXEC p @c = NULL SELECT a FROM t", "EXEC p @c = NULL SELECT a FROM t"),
    (System::SqlServer, "GRANT EXECUTE ON p TO q", "GRANT EXECUTE ON p TO q"),
    (
        System::Sqlite,
        "PRAGMA key = Zq71; PRAGMA main.key('Zq72'); PRAGMA key(Zq73)",
        "PRAGMA key = ?; PRAGMA main.key(?); PRAGMA key(?)",
    ),
    (System::Sqlite, "VACUUM INTO \"Zq71\"", "VACUUM INTO ?"),
    (System::Sqlite, "VACUUM main INTO Zq71", "VACUUM main INTO ?"),
    (System::Sqlite, "ATTACH DATABASE \"Zq71\" AS y KEY Zq72", "ATTACH DATABASE ? AS y KEY ?"),
    (System::Sqlite, "ATTACH Zq71.x AS y", "ATTACH ? AS y"),
];

#[test]
fn values_without_quotes_become_question_marks() {
    for (system, text, shown) in UNQUOTED {
        shows(*system, text, shown);
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            for arguments in [Some(false), None] {
                let found = Statement::new(&text.as_bytes()[..end], end < text.len(), arguments, *system, &SANITIZED);
                assert!(!leaks(&found), "{}: {found:?}", &text[..end]);
            }
        }
    }
    let summary = |system, text| of(system, text).summary.unwrap_or_default();
    assert_eq!(&*summary(System::Sqlite, "VACUUM INTO \"x\""), "VACUUM");
    assert_eq!(&*summary(System::SqlServer, "EXEC p @c = Zq71"), "EXEC p");
    let immediate = of(System::Snowflake, "EXECUTE IMMEDIATE 'x'");
    assert_eq!((immediate.summary.as_deref(), immediate.stored_procedure), (Some("EXECUTE"), None));
}

#[test]
fn nothing_panics() {
    const PARTS: [&str; 46] = [
        "SELECT",
        " ",
        "FROM",
        "(",
        ")",
        ",",
        ".",
        ";",
        "'",
        "\"",
        "`",
        "[",
        "]",
        "$",
        "$$",
        "$a$",
        "$1",
        "?",
        ":a",
        "@",
        "@@",
        "#",
        "--",
        "/*",
        "*/",
        "\\",
        "\n",
        "1",
        "0x",
        "1e",
        "WITH",
        "AS",
        "INSERT INTO",
        "t",
        "E'",
        "q'[",
        "\u{fffd}",
        "ü",
        "CREATE TABLE",
        "EXEC",
        "IDENTIFIED BY",
        "PASSWORD =",
        "PRAGMA",
        "ATTACH",
        "FORMAT",
        "VACUUM INTO",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..20_000 {
        let text: String = std::iter::repeat_with(|| PARTS[random.usize(..PARTS.len())]).take(round % 40).collect();
        let mut bytes = text.into_bytes();
        if !bytes.is_empty() && random.bool() {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        for system in [
            System::PostgreSql,
            System::MySql,
            System::Sqlite,
            System::SqlServer,
            System::Oracle,
            System::ClickHouse,
            System::OtherSql,
        ] {
            let found = Statement::new(&bytes, random.bool(), None, system, &SANITIZED);
            assert!(found.summary.is_none_or(|summary| summary.chars().count() <= MAX_SUMMARY));
        }
    }
}
