//! Statements of all systems: what is shown of them, and what they are called.

mod values;

use super::*;

const SANITIZED: Database = Database { statement: StatementPolicy::Sanitized, parse: true };

fn of(system: System, text: &str) -> Statement {
    Statement::new(text.as_bytes(), false, Some(false), system, &SANITIZED)
}

#[track_caller]
fn shows(system: System, text: &str, shown: &str) {
    assert_eq!(of(system, text).text.as_deref(), Some(shown), "{text}");
}

#[track_caller]
fn says(text: &str, summary: &str) {
    for system in [System::PostgreSql, System::MySql, System::Sqlite, System::SqlServer, System::Oracle, System::OtherSql] {
        assert_eq!(of(system, text).summary.as_deref().unwrap_or_default(), summary, "{system:?}: {text}");
    }
}

#[test]
fn values_become_question_marks() {
    let shows = |text, shown| shows(System::PostgreSql, text, shown);
    shows("SELECT * FROM t WHERE a = 'x''y' AND b = 1.5e-3", "SELECT * FROM t WHERE a = ? AND b = ?");
    shows("SELECT E'it\\'s', U&'d\\0061t', B'01', x'1F', 0xFF, 1_000, $$a'b$$, $q$it's$q$", "SELECT ?, ?, ?, ?, ?, ?, ?, ?");
    shows("SELECT DATE '2020-01-01', TRUE, a IS NULL", "SELECT DATE ?, ?, a IS NULL");
    shows("SELECT a -- it's a secret\nFROM t /* 'x' /* nested */ */ WHERE b=-5", "SELECT a  \nFROM t   WHERE b=-?");
    shows("SELECT a[1:2], \"My Col\" FROM \"My Table\"", "SELECT a[?:?], \"My Col\" FROM \"My Table\"");
    shows("SELECT * FROM t WHERE data ? 'key' AND a::int = $1", "SELECT * FROM t WHERE data ? ? AND a::int = $1");
    shows("COPY t FROM STDIN;\n1\tsecret\n\\.\n", "COPY t FROM STDIN?;");
}

#[test]
fn lists_become_one() {
    let shows = |text, shown| shows(System::MySql, text, shown);
    shows("SELECT * FROM t WHERE a IN (1, 2,3 , 'x') AND b IN(1)", "SELECT * FROM t WHERE a IN (?) AND b IN(?)");
    shows("SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT * FROM t WHERE (a, b) IN ((?, ?), (?, ?))");
    shows("SELECT * FROM t WHERE a IN (SELECT 1, 2)", "SELECT * FROM t WHERE a IN (SELECT ?, ?)");
    shows("SELECT * FROM t WHERE a IN (1, b, 2)", "SELECT * FROM t WHERE a IN (?, b, ?)");
    shows("INSERT INTO t VALUES (1, 2), (3, 4)", "INSERT INTO t VALUES (?, ?), (?, ?)");
    shows("SELECT * FROM t WHERE a IN (1, 2", "SELECT * FROM t WHERE a IN (?");
}

#[test]
fn each_system_has_its_quotes() {
    shows(System::MySql, r#"SELECT "a", 'it\'s', `b` FROM t # x"#, "SELECT ?, ?, `b` FROM t");
    shows(System::MySql, "SELECT /*!50110 'x' */ 1, _utf8'x', 0b01, 1abc", "SELECT  ?  ?, _utf8?, ?, ?");
    shows(System::MySql, "SELECT 5--3, @a := 'x'", "SELECT ?--?, @a := ?");
    shows(
        System::SqlServer,
        "SELECT [a'b], N'x', \"c\", $5.00, 0xFF FROM [my table]",
        "SELECT [a'b], ?, \"c\", ?, ? FROM [my table]",
    );
    shows(System::Oracle, "SELECT q'[it's]', nq'{x}', 'C:\\' FROM dual", "SELECT ?, ?, ? FROM dual");
    shows(System::ClickHouse, r"SELECT 'it\'s', `b`, {id:UInt8}", "SELECT ?, `b`, {id:UInt8}");
    shows(
        System::Sqlite,
        "SELECT \"u\".\"id\" FROM \"users\" AS \"u\" WHERE a = \"secret\"",
        "SELECT \"u\".\"id\" FROM \"users\" AS \"u\" WHERE a = ?",
    );
    shows(System::Sqlite, "SELECT [a b], `c`, x'00', 1_0", "SELECT [a b], `c`, ?, ?");
}

#[test]
fn parameterised_statements_are_as_they_are() {
    let text = |system, text: &str, has_arguments| Statement::new(text.as_bytes(), false, has_arguments, system, &SANITIZED).text;
    for (system, statement) in [
        (System::PostgreSql, "SELECT * FROM t WHERE a = $1 AND b = 'x'"),
        (System::MySql, "SELECT * FROM t WHERE a = ? AND b = 1 -- y"),
        (System::Sqlite, "SELECT * FROM t WHERE a = :a AND b = 1"),
        (System::SqlServer, "SELECT * FROM t WHERE a = @p1 AND b = 1"),
        (System::Oracle, "SELECT * FROM t WHERE a = :1 AND b = 1"),
        (System::OtherSql, "SELECT * FROM t WHERE a = ? AND b = 1"),
    ] {
        assert_eq!(text(system, statement, Some(true)).as_deref(), Some(statement));
        assert_eq!(text(system, statement, None).as_deref(), Some(statement), "prepared: {system:?}");
        assert_ne!(text(system, statement, Some(false)).as_deref(), Some(statement), "no arguments: {system:?}");
    }
    // pgx rewrites named arguments, and takes options as arguments.
    assert_eq!(text(System::PostgreSql, "SELECT @id, 1", Some(true)).as_deref(), Some("SELECT @id, 1"));
    assert_eq!(text(System::PostgreSql, "SELECT @id, 1", None).as_deref(), Some("SELECT @id, ?"));
    assert_eq!(text(System::PostgreSql, "SELECT 1", Some(true)).as_deref(), Some("SELECT ?"));
    assert_eq!(text(System::PostgreSql, "SELECT data ? 'x'", None).as_deref(), Some("SELECT data ? ?"));
    assert_eq!(text(System::MySql, "SELECT '?', 1", None).as_deref(), Some("SELECT ?, ?"));
}

#[test]
fn what_the_user_wants() {
    let with = |statement, parse| {
        let found = Statement::new(b"SELECT 1 FROM t", false, None, System::MySql, &Database { statement, parse });
        (found.text, found.summary)
    };
    let owned = |text: &str| Some(Arc::from(text));
    assert_eq!(with(StatementPolicy::Sanitized, true), (owned("SELECT ? FROM t"), owned("SELECT t")));
    assert_eq!(with(StatementPolicy::Sanitized, false), (owned("SELECT ? FROM t"), None));
    assert_eq!(with(StatementPolicy::Raw, true), (owned("SELECT 1 FROM t"), owned("SELECT t")));
    assert_eq!(with(StatementPolicy::Raw, false), (owned("SELECT 1 FROM t"), None));
    assert_eq!(with(StatementPolicy::LeftOut, true), (None, owned("SELECT t")));
    assert_eq!(with(StatementPolicy::LeftOut, false), (None, None));
    assert_eq!(of(System::MySql, " \n"), Statement::default());
}

#[test]
fn summaries_of_queries() {
    says("SELECT * FROM orders WHERE id = 1", "SELECT orders");
    says("select a, b from shop.orders as o where x in (select id from items)", "SELECT shop.orders SELECT items");
    says("SELECT * FROM songs, artists a, LATERAL (SELECT 1) x", "SELECT songs artists SELECT");
    says("SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c USING (y), d ORDER BY 1, e", "SELECT a b c d");
    says("SELECT * FROM (a CROSS JOIN b), c", "SELECT a b c");
    says("SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.x = c.x)", "SELECT SELECT orders customers");
    says("(SELECT a FROM t) UNION ALL (SELECT a FROM u)", "SELECT t SELECT u");
    says("SELECT a FROM t UNION SELECT b FROM u, v", "SELECT t SELECT u v");
    says("WITH x AS (SELECT 1 FROM a), y (c) AS (SELECT 2 FROM b) SELECT * FROM x, y, z", "SELECT a SELECT b SELECT z");
    says("WITH RECURSIVE x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "SELECT INSERT t SELECT");
    says("SELECT EXTRACT(YEAR FROM d), TRIM(BOTH FROM e) FROM t WHERE a IS DISTINCT FROM b", "SELECT t");
    says("SELECT count(*) FROM generate_series(1, 2) g", "SELECT");
    says("SELECT 1", "SELECT");
    says("SELECT t.from, t.select FROM t WHERE replace(a, b, c) = 1 FOR UPDATE", "SELECT t");
    says("VALUES (1)", "VALUES");
    says("SELECT a FROM t; SELECT b FROM u", "SELECT t SELECT u");
    assert_eq!(&*of(System::PostgreSql, "SELECT * FROM \"song list\", a.\"b\"").summary.unwrap(), "SELECT \"song list\" a.\"b\"");
    assert_eq!(
        &*of(System::SqlServer, "SELECT * FROM db..t, #x, ##y, [a b].[c]").summary.unwrap(),
        "SELECT db..t #x ##y [a b].[c]"
    );
}

#[test]
fn summaries_of_what_writes() {
    says("INSERT INTO shipping_details (a, b) SELECT a, b FROM orders WHERE x = 1", "INSERT shipping_details SELECT orders");
    says("insert into shop.items values (1, 2)", "INSERT shop.items");
    says("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1, c = 2", "INSERT t");
    says("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE b = 1, c = 2", "INSERT t");
    says("INSERT OR IGNORE INTO t VALUES (1)", "INSERT t");
    says("REPLACE INTO t VALUES (1)", "REPLACE t");
    says("UPDATE t SET a = 1, b = 2 FROM u WHERE t.x = u.x", "UPDATE t u");
    says("UPDATE a, b SET a.x = b.x, a.y = 1", "UPDATE a b");
    says("DELETE FROM t WHERE a = 1", "DELETE t");
    says("DELETE FROM t USING u WHERE a = 1", "DELETE t u");
    says("DELETE t WHERE a = 1", "DELETE t");
    says("MERGE INTO t USING u ON t.x = u.x WHEN MATCHED THEN UPDATE SET a = 1, b = 2", "MERGE t u");
    says("TRUNCATE TABLE t", "TRUNCATE t");
    says("EXPLAIN ANALYZE SELECT * FROM t", "EXPLAIN SELECT t");
    says("EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1", "EXPLAIN UPDATE t");
    says("PREPARE x AS DELETE FROM t", "PREPARE DELETE t");
}

#[test]
fn summaries_of_the_rest() {
    says("BEGIN", "BEGIN");
    says("begin isolation level serializable", "BEGIN");
    says("START TRANSACTION READ ONLY", "START TRANSACTION");
    says("commit;", "COMMIT");
    says("ROLLBACK TO SAVEPOINT sp_1", "ROLLBACK");
    says("savepoint sp_1", "SAVEPOINT");
    says("CREATE TABLE IF NOT EXISTS shop.t (id int, a varchar(5))", "CREATE TABLE shop.t");
    says("CREATE TABLE t AS SELECT * FROM u", "CREATE TABLE t SELECT u");
    says("CREATE OR REPLACE FUNCTION f() RETURNS int", "CREATE FUNCTION f");
    says("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i");
    says("ALTER TABLE t ADD COLUMN x int, DROP COLUMN y", "ALTER TABLE t");
    says("DROP TABLE t", "DROP TABLE t");
    says("CREATE USER somebody PASSWORD 'x'", "CREATE USER");
    says("GRANT SELECT, UPDATE ON t TO u", "GRANT");
    says("SET search_path TO x", "SET");
    says("SHOW TABLES", "SHOW");
    says("/* a */ -- b\nSELECT a FROM t", "SELECT t");
    says("hello from the other side", "");
    says(";;; ", "");
    says("'x' 1 ?", "");
}

#[test]
fn operations_and_collections() {
    let said = |text: &str| {
        let found = of(System::PostgreSql, text);
        (found.operation.unwrap_or_default(), found.collection.unwrap_or_default())
    };
    let is = |text, operation: &str, collection: &str| assert_eq!(said(text), (operation.into(), collection.into()), "{text}");
    is("select * from orders", "SELECT", "orders");
    is("SELECT * FROM a JOIN b ON true", "SELECT", "");
    is("SELECT * FROM a WHERE x IN (SELECT y FROM a)", "SELECT", "a");
    is("INSERT INTO a SELECT * FROM b", "INSERT", "");
    is("WITH x AS (SELECT 1 FROM b) INSERT INTO b SELECT * FROM x", "INSERT", "b");
    is("(SELECT a FROM t) UNION (SELECT b FROM t)", "SELECT", "t");
    is("UPDATE t SET a = 1; UPDATE t SET b = 1", "UPDATE", "t");
    is("UPDATE t SET a = 1; DELETE FROM t", "", "t");
    is("CREATE INDEX i ON t (a)", "CREATE INDEX", "");
    is("CREATE TABLE t (a int)", "CREATE TABLE", "t");
}

#[test]
fn stored_procedures() {
    let said = |system, text: &str| {
        let found = of(system, text);
        assert_eq!(found.collection, None);
        (found.summary.unwrap_or_default(), found.stored_procedure.unwrap_or_default())
    };
    let is = |system, text, summary: &str, name: &str| assert_eq!(said(system, text), (summary.into(), name.into()), "{text}");
    is(System::MySql, "CALL shop.pay(1, 'x')", "CALL shop.pay", "shop.pay");
    is(System::SqlServer, "EXEC @r = dbo.Pay @id = 5", "EXEC dbo.Pay", "dbo.Pay");
    is(System::SqlServer, "EXECUTE Pay 5", "EXECUTE Pay", "Pay");
    is(System::SqlServer, "EXEC ('SELECT 1')", "EXEC", "");
    is(System::SqlServer, "dbo.Pay", "", "dbo.Pay");
    is(System::PostgreSql, "EXECUTE plan(1)", "EXECUTE", "");
    is(System::PostgreSql, "pay", "", "");
}

#[test]
fn batches_say_what_their_statements_have_in_common() {
    let batch = |texts: &[&str]| {
        let statements: Vec<Statement> = texts.iter().map(|text| of(System::PostgreSql, text)).collect();
        let found = Statement::batch(&statements);
        [found.text, found.operation, found.collection, found.summary].map(|part| part.map(|part| part.to_string()))
    };
    let is = |texts: &[&str], parts: [&str; 4]| {
        assert_eq!(batch(texts), parts.map(|part| Some(part.to_owned()).filter(|part| !part.is_empty())), "{texts:?}");
    };
    let insert = "INSERT INTO t VALUES ($1)";
    is(&[insert, insert], [insert, "BATCH INSERT", "t", "BATCH INSERT t"]);
    is(&["SELECT 1 FROM t", "SELECT 2 FROM u"], ["SELECT ? FROM t; SELECT ? FROM u", "BATCH SELECT", "", "BATCH"]);
    is(&["SELECT a FROM t", "DELETE FROM t"], ["SELECT a FROM t; DELETE FROM t", "BATCH", "t", "BATCH"]);
    is(&[], ["", "", "", ""]);
}

#[test]
fn what_is_cut_or_cannot_be_read_says_less() {
    let cut = |text: &str| Statement::new(text.as_bytes(), true, Some(false), System::PostgreSql, &SANITIZED);
    assert_eq!(&*cut("SELECT * FROM t WHERE a = 'sec").text.unwrap(), "SELECT * FROM t WHERE a = ?…");
    assert_eq!(&*cut("SELECT * FROM t WHERE a = 'x' AND b = $q$sec").text.unwrap(), "SELECT * FROM t WHERE a = ? AND b = ?…");
    assert_eq!(&*cut("SELECT * FROM orders w…").text.unwrap(), "SELECT * FROM orders w…");
    assert_eq!(&*cut("SELECT * FROM ord").summary.unwrap(), "SELECT", "half a name");
    assert_eq!(&*cut("SELECT * FROM orders w").summary.unwrap(), "SELECT orders");
    // What is within quotes here and what is not, nobody knows.
    let found = of(System::PostgreSql, "SELECT a FROM t WHERE b = 'it's secret FROM u' AND c = 1");
    assert_eq!(&*found.text.unwrap(), "SELECT a FROM t WHERE b = ?");
    assert_eq!(&*found.summary.unwrap(), "SELECT t");
    shows(System::OtherSql, r"SELECT a FROM t WHERE b = 'it\'s', c = 'secret\' '", "SELECT a FROM t WHERE b = ?");
    shows(System::MySql, "SELECT 1 /* never ends", "SELECT ? ?");
    let bytes = Statement::new(b"SELECT '\xff\xfe' FROM t\xff", false, None, System::MySql, &SANITIZED);
    assert_eq!(&*bytes.text.unwrap(), "SELECT ? FROM t\u{fffd}");
}

#[test]
fn a_summary_has_255_characters_at_most() {
    let tables: Vec<String> = (0..200).map(|number| format!("table_{number}")).collect();
    let summary = of(System::MySql, &format!("SELECT * FROM {}", tables.join(", "))).summary.unwrap();
    assert!(summary.len() <= MAX_SUMMARY && summary.starts_with("SELECT table_0 ") && summary.ends_with("table_27"), "{summary}");
    assert_eq!(&*of(System::MySql, &format!("SELECT * FROM {}", "x".repeat(300))).summary.unwrap(), "SELECT");
}

#[test]
fn a_long_text_is_looked_at_in_part() {
    let text = format!("SELECT * FROM t WHERE a IN ({})", vec!["'secret'"; 150_000].join(","));
    let found = of(System::PostgreSql, &text);
    assert_eq!((found.text.unwrap().len() < 100, &*found.summary.unwrap()), (true, "SELECT t"));
    for hostile in
        ["(", "'", "SELECT ", "FROM(", "$$", "/*", "--\n", "a.", "\"\"", "$a$", "WITH a AS (", "\u{fffd}", "[", "\\'", "1e"]
    {
        let text = hostile.repeat(1 << 20);
        for system in [System::PostgreSql, System::MySql, System::SqlServer, System::OtherSql] {
            let found = of(system, &text);
            assert!(found.text.is_none_or(|text| text.len() <= 3 * MAX_TEXT), "{hostile:?}");
        }
    }
}
