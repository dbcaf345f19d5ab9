//! Captured values into the span of a database operation, whatever the library: by the names of these values.
//!
//! `connector` and `driver` are types; `dsn`, `host`, `endpoint`, `instance`, `namespace` texts and `port` a number of where the
//! database is; `query` is the statement, and `arguments` how many values are passed with it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{Address, Statement, System, span_name};
use crate::captured::{Captured, Failure, Value};
use crate::config::Database;

/// A span has at most this many attributes of ours; room is made once.
const ATTRIBUTES: usize = 12;

/// Begins the attributes: which database it is. Returns the system.
pub fn database(captured: &Captured<'_>, span: &mut SpanData) -> System {
    span.attributes.reserve(ATTRIBUTES);
    let system = system(captured);
    let attributes = &mut span.attributes;
    attributes.push(KeyValue::new(semconv::DB_SYSTEM_NAME, system.name()));
    let Address { host, port, namespace } = address(captured, system);
    attributes.extend(namespace.map(|namespace| KeyValue::new(semconv::DB_NAMESPACE, namespace)));
    attributes.extend(host.map(|host| KeyValue::new(semconv::SERVER_ADDRESS, host)));
    attributes.extend(port.map(|port| KeyValue::new(semconv::SERVER_PORT, i64::from(port))));
    system
}

fn system(captured: &Captured<'_>) -> System {
    // `sql.Open` with a driver that makes no connectors has a connector of its own around it.
    let types = ["driver", "connector"].iter().filter_map(|name| captured.type_name(name));
    types.filter_map(System::of_type).next().unwrap_or_default()
}

fn address(captured: &Captured<'_>, system: System) -> Address {
    let text = |name: &str| captured.text(name).unwrap_or_default();
    if let Some(dsn) = captured.text("dsn") {
        return Address::of_dsn(dsn, system);
    }
    if let Some(endpoint) = captured.text("endpoint") {
        return Address::of_endpoint(endpoint, text("namespace"));
    }
    let port = captured.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    Address::of_instance(text("host"), port, text("instance"), text("namespace"))
}

/// The span of a statement.
pub fn statement(captured: &Captured<'_>, span: &mut SpanData) {
    let system = database(captured, span);
    let statement = statement_of(captured, system);
    let Statement { text, operation, collection, summary, stored_procedure } = statement;
    let target = collection.as_deref().or(stored_procedure.as_deref());
    span.name = Cow::Owned(span_name(summary.as_deref(), operation.as_deref(), target, system));
    let attributes = [
        (semconv::DB_OPERATION_NAME, operation),
        (semconv::DB_COLLECTION_NAME, collection),
        (semconv::DB_STORED_PROCEDURE_NAME, stored_procedure),
        (semconv::DB_QUERY_SUMMARY, summary),
        (semconv::DB_QUERY_TEXT, text),
    ];
    span.attributes.extend(attributes.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?))));
    if let Some(rows @ 0..) = captured.integer("rows").filter(|_| captured.is_ended) {
        span.attributes.push(KeyValue::new(semconv::DB_RESPONSE_RETURNED_ROWS, rows));
    }
    failed(captured, span);
}

/// What the statement says.
fn statement_of(captured: &Captured<'_>, system: System) -> Statement {
    let Some(Value::Text { text, is_cut }) = captured.get("query") else {
        return Statement::default();
    };
    let has_arguments = captured.integer("arguments").map(|count| count > 0);
    let read = || Statement::new(text.as_bytes(), *is_cut, has_arguments, system, captured.database);
    if text.len() > MAX_REMEMBERED_TEXT {
        return read();
    }
    STATEMENTS.with_borrow_mut(|remembered| {
        let key = (has_arguments, system, *captured.database);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        if let Some((_, statement)) = remembered.get(text).filter(|(known, _)| *known == key) {
            return statement.clone();
        }
        let statement = read();
        remembered.insert(text.clone(), (key, statement.clone()));
        statement
    })
}

/// Statements whose texts are remembered with what they say: most programs have few, again and again.
const MAX_REMEMBERED: usize = 512;
/// The longest text that is remembered, in bytes.
const MAX_REMEMBERED_TEXT: usize = 2_048;

/// What else a statement is read by.
type ReadBy = (Option<bool>, System, Database);

thread_local! {
    /// What the last statements say. Nothing but time depends on it.
    static STATEMENTS: RefCell<HashMap<String, (ReadBy, Statement)>> = RefCell::default();
}

/// The span of an operation that has a name of its own, and perhaps a statement.
pub fn named(captured: &Captured<'_>, span: &mut SpanData, operation: &'static str) {
    let system = database(captured, span);
    let Statement { text, collection, .. } = statement_of(captured, system);
    span.name = Cow::Owned(span_name(None, Some(operation), collection.as_deref(), system));
    span.attributes.push(KeyValue::new(semconv::DB_OPERATION_NAME, operation));
    span.attributes.extend(collection.map(|collection| KeyValue::new(semconv::DB_COLLECTION_NAME, collection)));
    span.attributes.extend(text.map(|text| KeyValue::new(semconv::DB_QUERY_TEXT, text)));
    failed(captured, span);
}

/// Adds the error, if there is one.
pub fn failed(captured: &Captured<'_>, span: &mut SpanData) {
    let Some(failure) = captured.failure().filter(|failure| !is_none(failure)) else {
        return;
    };
    let code = match captured.get("code") {
        Some(Value::Text { text, .. }) if !text.is_empty() => Some(text.clone()),
        Some(Value::Integer(number)) if *number != 0 => Some(number.to_string()),
        Some(Value::Text { .. } | Value::Integer(_) | Value::Bool(_) | Value::Float(_) | Value::Type(_) | Value::Held(_))
        | None => None,
    };
    let Failure { type_name, message } = failure;
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, type_name));
    span.attributes.extend(code.map(|code| KeyValue::new(semconv::DB_RESPONSE_STATUS_CODE, code)));
    span.status = Status::error(message.unwrap_or_default());
}

/// Whether an error only says that there is nothing, or no more: `sql.ErrNoRows`, `pgx.ErrNoRows`, `io.EOF`.
fn is_none(failure: &Failure) -> bool {
    let text = failure.message.as_deref().unwrap_or_default();
    failure.type_name == "*errors.errorString" && matches!(text, "EOF" | "sql: no rows in result set" | "no rows in result set")
}
