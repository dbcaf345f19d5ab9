//! Captured values into the span of a database operation, whatever the library: by the names of these values.
//!
//! `connector` and `driver` are types; `dsn`, `host`, `endpoint`, `instance`, `namespace` texts and `port` a number of where the
//! database is; `query` is the statement, and `arguments` how many values are passed with it.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{Address, Statement, System, message, span_name};
use crate::captured::{Captured, Failure, Value};

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
    // A driver that is used directly is known by its functions.
    types.chain([captured.function]).find_map(System::of_type).unwrap_or_default()
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
    describe(statement, system, span);
    if let Some(rows @ 0..) = captured.integer("rows").filter(|_| captured.is_ended) {
        span.attributes.push(KeyValue::new(semconv::DB_RESPONSE_RETURNED_ROWS, rows));
    }
    failed(captured, span);
}

/// The span of a batch of so many statements, of which those are captured that have these names.
pub fn batch(captured: &Captured<'_>, span: &mut SpanData, size: Option<i64>, names: &[&str]) {
    let system = database(captured, span);
    let statements: Vec<Statement> = names.iter().filter_map(|name| statement_named(captured, name, system)).collect();
    let all_are_known = size.and_then(|size| usize::try_from(size).ok()) == Some(statements.len());
    let statement = match statements.as_slice() {
        [only] if all_are_known => only.clone(),
        [_, ..] if all_are_known => Statement::batch(&statements),
        _ => Statement { operation: Some("BATCH".into()), ..Statement::default() },
    };
    describe(statement, system, span);
    // The conventions: one statement is no batch.
    span.attributes.extend(size.filter(|size| *size > 1).map(|size| KeyValue::new(semconv::DB_OPERATION_BATCH_SIZE, size)));
    failed(captured, span);
}

/// Adds what a statement says, and names the span by it.
fn describe(statement: Statement, system: System, span: &mut SpanData) {
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
}

/// What the statement says.
fn statement_of(captured: &Captured<'_>, system: System) -> Statement {
    statement_named(captured, "query", system).unwrap_or_default()
}

/// What the statement says that was captured under this name.
fn statement_named(captured: &Captured<'_>, name: &str, system: System) -> Option<Statement> {
    let Some(Value::Text { text, is_cut }) = captured.get(name) else {
        return None;
    };
    let has_arguments = captured.integer("arguments").map(|count| count > 0);
    Some(Statement::new(text.as_bytes(), *is_cut, has_arguments, system, captured.database))
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
        Some(Value::Integer(number)) if *number != 0 => Some(number.to_string().into()),
        Some(Value::Text { .. } | Value::Integer(_) | Value::Bool(_) | Value::Float(_) | Value::Type(_) | Value::Held(_))
        | None => None,
    };
    let Failure { type_name, message: text } = failure;
    span.attributes.push(KeyValue::new(semconv::ERROR_TYPE, type_name));
    span.attributes.extend(code.map(|code| KeyValue::new(semconv::DB_RESPONSE_STATUS_CODE, code)));
    span.status = Status::error(message::shown(text.as_deref().unwrap_or_default(), captured.database.statement));
}

/// Whether an error only says that there is nothing, or no more: `sql.ErrNoRows`, `pgx.ErrNoRows`, `io.EOF`.
fn is_none(failure: &Failure) -> bool {
    let text = failure.message.as_deref().unwrap_or_default();
    &*failure.type_name == "*errors.errorString" && matches!(text, "EOF" | "sql: no rows in result set" | "no rows in result set")
}
