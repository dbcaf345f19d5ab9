//! What operations there are, and what stands behind each of them. Another first word is none: it may be anything.

/// What stands behind an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// `FROM`, somewhere: `SELECT`.
    From,
    /// A table, after words that may be left out.
    Table(&'static [&'static str]),
    /// A table, perhaps after `FROM`: `DELETE`.
    MaybeFrom,
    /// The kind of an object and its name: `CREATE TABLE`.
    Object,
    /// A procedure.
    Procedure,
    /// A procedure, or a prepared statement: `EXECUTE`.
    Execute,
    /// Another statement: `EXPLAIN`.
    Statement,
    /// A second word of the operation.
    Second(&'static [&'static str]),
    /// What is not looked at.
    Anything,
}

/// An operation that a statement begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    /// In capitals.
    pub(super) name: &'static str,
    pub(super) behind: Behind,
}

const fn verb(name: &'static str, behind: Behind) -> Verb {
    Verb { name, behind }
}

const WRITING: &[&str] = &[
    "INTO",
    "OVERWRITE",
    "TABLE",
    "LOW_PRIORITY",
    "DELAYED",
    "HIGH_PRIORITY",
    "IGNORE",
    "ONLY",
    "OR",
    "REPLACE",
    "ABORT",
    "FAIL",
    "ROLLBACK",
];
const TABLE: &[&str] = &["TABLE", "TABLES", "ONLY", "FULL", "VERBOSE", "ANALYZE", "LOCAL", "NO_WRITE_TO_BINLOG"];

static VERBS: [Verb; 67] = [
    verb("SELECT", Behind::From),
    verb("INSERT", Behind::Table(WRITING)),
    verb("REPLACE", Behind::Table(WRITING)),
    verb("UPSERT", Behind::Table(WRITING)),
    verb("UPDATE", Behind::Table(WRITING)),
    verb("MERGE", Behind::Table(WRITING)),
    verb("DELETE", Behind::MaybeFrom),
    verb("CALL", Behind::Procedure),
    verb("EXEC", Behind::Procedure),
    verb("EXECUTE", Behind::Execute),
    verb("CREATE", Behind::Object),
    verb("ALTER", Behind::Object),
    verb("DROP", Behind::Object),
    verb("TRUNCATE", Behind::Table(TABLE)),
    verb("COPY", Behind::Table(&[])),
    verb("LOCK", Behind::Table(TABLE)),
    verb("ANALYZE", Behind::Table(TABLE)),
    verb("VACUUM", Behind::Table(TABLE)),
    verb("OPTIMIZE", Behind::Table(TABLE)),
    verb("EXPLAIN", Behind::Statement),
    verb("DESCRIBE", Behind::Statement),
    verb("DESC", Behind::Statement),
    verb("PREPARE", Behind::Statement),
    verb("DECLARE", Behind::Statement),
    verb("VALUES", Behind::Statement),
    verb("BEGIN", Behind::Statement),
    verb("START", Behind::Second(&["TRANSACTION"])),
    verb("COMMIT", Behind::Anything),
    verb("ROLLBACK", Behind::Anything),
    verb("ABORT", Behind::Anything),
    verb("END", Behind::Anything),
    verb("SAVE", Behind::Second(&["TRANSACTION", "TRAN"])),
    verb("SAVEPOINT", Behind::Anything),
    verb("RELEASE", Behind::Anything),
    verb("SET", Behind::Anything),
    verb("RESET", Behind::Anything),
    verb("SHOW", Behind::Anything),
    verb("USE", Behind::Anything),
    verb("PRAGMA", Behind::Anything),
    verb("DEALLOCATE", Behind::Anything),
    verb("DISCARD", Behind::Anything),
    verb("FETCH", Behind::Anything),
    verb("MOVE", Behind::Anything),
    verb("CLOSE", Behind::Anything),
    verb("OPEN", Behind::Anything),
    verb("LISTEN", Behind::Anything),
    verb("UNLISTEN", Behind::Anything),
    verb("NOTIFY", Behind::Anything),
    verb("GRANT", Behind::Anything),
    verb("REVOKE", Behind::Anything),
    verb("COMMENT", Behind::Anything),
    verb("REINDEX", Behind::Anything),
    verb("CLUSTER", Behind::Anything),
    verb("CHECKPOINT", Behind::Anything),
    verb("REFRESH", Behind::Object),
    verb("RENAME", Behind::Object),
    verb("ATTACH", Behind::Anything),
    verb("DETACH", Behind::Anything),
    verb("KILL", Behind::Anything),
    verb("FLUSH", Behind::Anything),
    verb("LOAD", Behind::Anything),
    verb("UNLOCK", Behind::Anything),
    verb("DO", Behind::Anything),
    verb("BACKUP", Behind::Anything),
    verb("RESTORE", Behind::Anything),
    verb("WAITFOR", Behind::Anything),
    verb("XA", Behind::Anything),
];

/// The operation of this word.
pub(super) fn named(word: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name.eq_ignore_ascii_case(word))
}

/// Words between `CREATE`, `ALTER`, `DROP` and the kind of the object.
pub(super) const ADJECTIVES: [&str; 19] = [
    "OR",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "GLOBAL",
    "LOCAL",
    "UNLOGGED",
    "UNIQUE",
    "CLUSTERED",
    "NONCLUSTERED",
    "FULLTEXT",
    "SPATIAL",
    "EXTERNAL",
    "FOREIGN",
    "VIRTUAL",
    "MATERIALIZED",
    "RECURSIVE",
    "BITMAP",
    "IGNORE",
];

/// Kinds of objects, and whether their names may be shown: those of people are nobody's business.
pub(super) const OBJECTS: [(&str, bool); 20] = [
    ("TABLE", true),
    ("VIEW", true),
    ("INDEX", true),
    ("SEQUENCE", true),
    ("DATABASE", true),
    ("SCHEMA", true),
    ("FUNCTION", true),
    ("PROCEDURE", true),
    ("PROC", true),
    ("TRIGGER", true),
    ("TYPE", true),
    ("DOMAIN", true),
    ("EXTENSION", true),
    ("EVENT", true),
    ("SYNONYM", true),
    ("PUBLICATION", true),
    ("USER", false),
    ("ROLE", false),
    ("LOGIN", false),
    ("SUBSCRIPTION", false),
];

/// Words between the kind of an object, or an operation, and a name.
pub(super) const BEFORE_NAMES: [&str; 6] = ["IF", "NOT", "EXISTS", "CONCURRENTLY", "ONLY", "LATERAL"];

/// Words that are no names of tables where one is expected.
pub(super) const NO_NAMES: [&str; 24] = [
    "SELECT", "VALUES", "SET", "WHERE", "FROM", "ON", "USING", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL",
    "DEFAULT", "UNNEST", "TOP", "WITH", "AS", "GROUP", "ORDER", "INTO", "OUTFILE", "DUMPFILE",
];

/// Words that end a list of tables.
pub(super) const AFTER_TABLES: [&str; 15] = [
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "SET",
    "VALUES",
    "RETURNING",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
    "OFFSET",
    "UPDATE",
    "OUTPUT",
];

/// Words behind which an operation may stand, besides the beginning of a statement.
pub(super) const BEFORE_VERBS: [&str; 8] = ["EXPLAIN", "DESCRIBE", "ANALYZE", "VERBOSE", "PLAN", "EXTENDED", "AS", "BEGIN"];

/// Operations that may stand behind those.
pub(super) const INNER_VERBS: [&str; 6] = ["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT"];
