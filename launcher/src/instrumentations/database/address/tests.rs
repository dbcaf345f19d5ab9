//! DSNs as programs write them, and as they should not.

use super::*;

fn of(system: System, dsn: &str) -> (String, u16, String) {
    let Address { host, port, namespace } = Address::of_dsn(dsn, system);
    (host.unwrap_or_default(), port.unwrap_or_default(), namespace.unwrap_or_default())
}

fn is(system: System, dsn: &str, host: &str, port: u16, namespace: &str) {
    assert_eq!(of(system, dsn), (host.to_owned(), port, namespace.to_owned()), "{dsn}");
}

#[test]
fn postgresql() {
    let is = |dsn, host, port, namespace| is(System::PostgreSql, dsn, host, port, namespace);
    is("postgres://u:p@db.example.com:5433/shop?sslmode=disable", "db.example.com", 5433, "shop");
    is("postgresql://db/shop", "db", 0, "shop");
    is("postgres://u:p%40%2F@[::1]:5432/my%20shop", "::1", 5432, "my shop");
    is("postgres://u@a:1,b:2/shop", "a", 1, "shop");
    is("postgres:///shop?host=/var/run/postgresql&port=5433", "/var/run/postgresql", 0, "shop");
    is("postgres://u:p@%2Fvar%2Frun/shop", "/var/run", 0, "shop");
    is("host=db port=5433 user=u password=p dbname=shop", "db", 5433, "shop");
    is(r"user=u password='it\'s host=x' host = db", "db", 0, "");
    is(r"password=a\ b host=db", "db", 0, "");
    is("host=a,b port=1,2", "a", 1, "");
    is("", "", 0, "");
}

#[test]
fn mysql() {
    let is = |dsn, host, port, namespace| is(System::MySql, dsn, host, port, namespace);
    is("u:p@tcp(db.example.com:3307)/shop?parseTime=true", "db.example.com", 3307, "shop");
    is("u:p@tcp([::1]:3306)/shop", "::1", 3306, "shop");
    is("u:p/w:d@x@unix(/run/mysqld/mysqld.sock)/shop", "/run/mysqld/mysqld.sock", 0, "shop");
    is("u@/shop", "", 0, "shop");
    is("/", "", 0, "");
}

#[test]
fn files() {
    let is = |dsn, namespace| is(System::Sqlite, dsn, "", 0, namespace);
    is(":memory:", ":memory:");
    is("file::memory:?cache=shared", ":memory:");
    is("file:shop.db?_auth&_auth_user=u&_auth_pass=p", "shop.db");
    is("/data/shop.db?_pragma=key(secret)", "/data/shop.db");
    is("file:///data/shop.db", "/data/shop.db");
    is("file:?mode=memory", ":memory:");
    is("", "");
}

#[test]
fn sql_server() {
    let is = |dsn, host, port, namespace| is(System::SqlServer, dsn, host, port, namespace);
    is("sqlserver://sa:p@db:1433?database=shop&encrypt=disable", "db", 1433, "shop");
    is("sqlserver://sa:p@db/one?database=shop", "db", 0, "one|shop");
    is("server=db;user id=sa;password=p;database=shop", "db", 0, "shop");
    is(r"Server=tcp:db\one,1434;Initial Catalog=shop;Password={a;database=x}}y};", "db", 1434, "one|shop");
    is(r#"odbc:server=(local);port=1433;pwd="a;server=x""#, "localhost", 1433, "");
}

#[test]
fn the_others() {
    is(System::ClickHouse, "clickhouse://u:p@a:9000,b:9000/shop", "a", 9000, "shop");
    is(System::ClickHouse, "tcp://a:9000?username=u&password=p&database=shop", "a", 9000, "shop");
    is(System::Oracle, "oracle://u:p@db:1521/XE", "db", 1521, "XE");
    is(System::Oracle, "scott/tiger@db:1521/XE", "db", 1521, "XE");
    is(System::Trino, "https://u:p@trino:8443?catalog=c", "trino", 8443, "");
    is(System::OtherSql, "user=u password=p", "", 0, "");
}

#[test]
fn parts_as_drivers_keep_them() {
    let address = |host: &str, port: u16, namespace: &str| Address {
        host: Some(host.to_owned()),
        port: Some(port).filter(|&port| port > 0),
        namespace: Some(namespace.to_owned()),
    };
    assert_eq!(Address::new("db", 5432, "shop"), address("db", 5432, "shop"));
    assert_eq!(Address::new("/run/postgresql", 5432, "shop"), address("/run/postgresql", 0, "shop"));
    assert_eq!(Address::of_endpoint("db:3306", "shop"), address("db", 3306, "shop"));
    assert_eq!(Address::of_endpoint("/run/mysqld.sock", "shop"), address("/run/mysqld.sock", 0, "shop"));
    assert_eq!(Address::of_endpoint("[::1]:3306", "shop"), address("::1", 3306, "shop"));
    assert_eq!(Address::of_instance("db", 0, "one", ""), address("db", 0, "one"));
    assert_eq!(Address::new("", 5432, ""), Address::default());
}

const SYSTEMS: [System; 8] = [
    System::PostgreSql,
    System::MySql,
    System::Sqlite,
    System::SqlServer,
    System::Oracle,
    System::ClickHouse,
    System::Snowflake,
    System::OtherSql,
];

#[test]
fn a_malformed_one_gives_nothing() {
    for (system, dsn) in [
        (System::PostgreSql, "postgres://user:sec/ret@db/shop"),
        (System::PostgreSql, "postgres://user:1/ret@db/shop"),
        (System::PostgreSql, "postgres://user:p@sec/ret@db/shop"),
        (System::PostgreSql, "postgres://user:sec?ret@db/shop"),
        (System::PostgreSql, "postgres://user:sec#ret@db/shop"),
        (System::PostgreSql, "password=sec ret host=db"),
        (System::PostgreSql, "password='sec"),
        (System::PostgreSql, "sec ret"),
        (System::PostgreSql, "host=db port=ret"),
        (System::PostgreSql, "user:sec@ret/x"),
        (System::MySql, "user:sec@ret"),
        (System::MySql, "user:sec@tcp(ret"),
        (System::MySql, "user:sec/ret@tcp(db:3306)"),
        (System::MySql, "user:sec(ret/shop"),
        (System::SqlServer, "server=db;password={sec;ret"),
        (System::SqlServer, "server=db;sec;ret"),
        (System::SqlServer, "sqlserver://sa:s/ec@ret"),
        (System::Oracle, "scott/sec@ret@db/XE"),
        (System::Oracle, r#"user="scott" password="sec@ret/x""#),
        (System::Snowflake, "user:sec@ret/db/schema"),
        (System::ClickHouse, "clickhouse://db:port/shop"),
    ] {
        assert_eq!(Address::of_dsn(dsn, system), Address::default(), "{dsn}");
    }
}

/// No password comes out, however the DSN is cut, as long as it stands where a password belongs.
#[test]
fn no_password_comes_out() {
    for dsn in [
        "postgres://user:s3cret@db:5432/shop?sslmode=disable",
        "host=db port=5432 user=u password=s3cret dbname=shop",
        "host=db password='s3cret x' dbname=shop",
        "user:s3cret@tcp(db:3306)/shop",
        "file:shop.db?_auth&_auth_pass=s3cret",
        "sqlserver://sa:s3cret@db:1433?database=shop",
        "server=db;password={s3cret};database=shop",
        "scott/s3cret@db:1521/XE",
        "clickhouse://u:s3cret@db:9000/shop?password=s3cret",
    ] {
        for system in SYSTEMS {
            for end in 0..=dsn.len() {
                let found = format!("{:?}", Address::of_dsn(&dsn[..end], system));
                let is_file = matches!(system, System::Sqlite);
                assert!(is_file || !found.contains("s3c"), "{system:?} {}: {found}", &dsn[..end]);
            }
        }
    }
}
