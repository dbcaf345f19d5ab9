//! The spans of a program that uses a database, one line each, against what is expected of each thing that it does.
//!
//! A line is `NAME, op OPERATION, of COLLECTION, …: TEXT ! ERROR-TYPE CODE MESSAGE`, and ends with `^ BEGIN` where the span is linked
//! to another one of its trace; an event is `# NAME TYPE MESSAGE`. What all spans of databases have in common is not in it, but checked here.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]
#![allow(dead_code, reason = "each test target uses its own part")]

pub(crate) mod drivers;
pub(crate) mod scenarios;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::support::receiver::Attributes as _;
use super::support::traces::is_child;

/// Where the statements of a program go.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `db.system.name`
    pub(crate) system: &'static str,
    /// `db.namespace`
    pub(crate) namespace: Option<String>,
    /// `server.address` and `server.port`
    pub(crate) server: Option<(String, u16)>,
    /// Whether there are spans that say none of it.
    pub(crate) may_be_unknown: bool,
}

impl Place {
    /// The database `shop` of a server on this port.
    pub(crate) fn shop(system: &'static str, port: u16) -> Self {
        let (namespace, server) = (Some("shop".to_owned()), Some(("127.0.0.1".to_owned(), port)));
        Self { system, namespace, server, may_be_unknown: false }
    }

    /// One without a server.
    pub(crate) fn without_server(system: &'static str, namespace: Option<String>) -> Self {
        Self { system, namespace, server: None, may_be_unknown: false }
    }
}

/// The lines of spans by the paths of the requests that they belong to, each path asked for once.
pub(crate) fn lines(spans: &[Span], place: &Place) -> BTreeMap<String, Vec<String>> {
    let servers = spans.iter().filter(|span| span.kind() == SpanKind::Server);
    let path = |span: &Span| match span.text("url.query") {
        Some(query) => format!("{}?{query}", span.text("url.path").unwrap()),
        None => span.text("url.path").unwrap(),
    };
    let mut lines = BTreeMap::new();
    for server in servers {
        let mut children: Vec<&Span> = spans.iter().filter(|span| is_child(span, server)).collect();
        children.sort_by_key(|span| span.start_time_unix_nano);
        let of_trace = spans.iter().filter(|span| span.trace_id == server.trace_id).count();
        assert_eq!(of_trace, children.len() + 1, "{}: all spans of the trace are the server's children", path(server));
        let found = children.iter().map(|span| {
            common(span, server, place);
            line(span, &children)
        });
        assert_eq!(lines.insert(path(server), found.collect()), None, "{} was asked for once", path(server));
    }
    lines
}

/// What every span of a database says.
fn common(span: &Span, server: &Span, place: &Place) {
    let what = format!("{}: {span:?}", server.name);
    assert_eq!(span.kind(), SpanKind::Client, "{what}");
    assert_eq!(span.text("db.system.name").as_deref(), Some(place.system), "{what}");
    let found = (span.text("db.namespace"), span.text("server.address"), span.number("server.port"));
    let (host, port) = place.server.clone().unzip();
    if !place.may_be_unknown || found != (None, None, None) {
        assert_eq!(found, (place.namespace.clone(), host, port.map(i64::from)), "{what}");
    }
    assert!(server.start_time_unix_nano < span.start_time_unix_nano, "{what}");
    assert!(span.start_time_unix_nano < span.end_time_unix_nano, "{what}");
}

/// What [`line`] and [`common`] read.
const KNOWN: [&str; 14] = [
    "db.system.name",
    "db.namespace",
    "server.address",
    "server.port",
    "db.operation.name",
    "db.collection.name",
    "db.stored_procedure.name",
    "db.operation.batch.size",
    "db.response.returned_rows",
    "db.query.summary",
    "db.query.text",
    "error.type",
    "db.response.status_code",
    "code.function.name",
];

fn line(span: &Span, siblings: &[&Span]) -> String {
    let mut line = span.name.clone();
    for (key, short) in [("db.operation.name", "op"), ("db.collection.name", "of"), ("db.stored_procedure.name", "procedure")] {
        if let Some(value) = span.text(key) {
            write!(line, ", {short} {value}").unwrap();
        }
    }
    for (key, short) in [("db.operation.batch.size", "size"), ("db.response.returned_rows", "rows")] {
        if let Some(value) = span.number(key) {
            write!(line, ", {short} {value}").unwrap();
        }
    }
    // The summary is the name, where there is one.
    match span.text("db.query.summary") {
        Some(summary) => assert_eq!(summary, span.name),
        None => line.push_str(", no summary"),
    }
    if let Some(text) = span.text("db.query.text") {
        // However it is broken into lines.
        write!(line, ": {}", text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap();
    }
    let (status, error) = (span.status.clone().unwrap_or_default(), span.text("error.type"));
    assert_eq!(status.code() == StatusCode::Error, error.is_some(), "{span:?}");
    if let Some(error) = error {
        let code = span.text("db.response.status_code").unwrap_or_else(|| "-".to_owned());
        write!(line, " ! {error} {code} {}", status.message).unwrap();
    }
    for event in &span.events {
        let said = event.attributes.text("exception.message").unwrap_or_default();
        write!(line, " # {} {} {said}", event.name, event.attributes.text("exception.type").unwrap()).unwrap();
    }
    for link in &span.links {
        assert_eq!(link.trace_id, span.trace_id);
        let linked = siblings.iter().find(|sibling| sibling.span_id == link.span_id).unwrap();
        write!(line, " ^ {}", linked.name).unwrap();
    }
    for attribute in &span.attributes {
        assert!(KNOWN.contains(&attribute.key.as_str()), "{attribute:?}: {line}");
    }
    line
}

/// Whether it is the expected line. One whose last words depend on the server's version ends with `…`.
pub(crate) fn is_like(found: &str, expected: &str) -> bool {
    match expected.split_once(" ! ").and_then(|_| expected.strip_suffix('…')) {
        Some(begin) => found.starts_with(begin),
        None => found == expected,
    }
}
