//! Spans by their paths, without what is another each time: what the program's SDK says and what the launcher says, in one form.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};

use crate::support::traces::hexadecimal;

/// By path: the names from the root's to the span's own.
pub(crate) type Spans = BTreeMap<String, Normal>;

/// A span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Normal {
    /// Trace id and span id.
    pub(crate) ids: [String; 2],
    pub(crate) kind: String,
    /// Name, version, and the URL of its schema.
    pub(crate) scope: [String; 3],
    pub(crate) of_scope: Attributes,
    pub(crate) trace_state: String,
    pub(crate) status: String,
    /// Start and end, 0 where the program has not set them.
    pub(crate) times: [u64; 2],
    pub(crate) attributes: Attributes,
    pub(crate) events: Vec<Part>,
    pub(crate) links: Vec<Part>,
    /// How many events and links were dropped.
    pub(crate) dropped: [u32; 2],
}

/// Values with their types.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) dropped: u32,
}

/// An event by its name and time, or a link by where it leads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) what: String,
    pub(crate) attributes: Attributes,
}

impl Normal {
    /// The lines that differ from another's; of long ones the beginning.
    pub(crate) fn unlike(&self, other: &Self) -> Vec<String> {
        let (own, others) = (self.lines(), other.lines());
        let short = |line: &str| format!("{} ({} bytes)", line.chars().take(160).collect::<String>(), line.len());
        let missing = own.difference(&others).map(|line| format!("  - {}", short(line)));
        missing.chain(others.difference(&own).map(|line| format!("  + {}", short(line)))).collect()
    }

    fn lines(&self) -> BTreeSet<String> {
        let Self { ids: _, kind, scope, of_scope, trace_state, status, times, attributes, events, links, dropped } = self;
        let mut lines = BTreeSet::from([
            format!("kind {kind} scope {scope:?} state {trace_state:?} status {status} times {times:?}"),
            format!("dropped events and links {dropped:?}"),
        ]);
        of_scope.add("scope", &mut lines);
        attributes.add("", &mut lines);
        for (name, parts) in [("event", events), ("link", links)] {
            for (number, part) in parts.iter().enumerate() {
                lines.insert(format!("{name} {number} {}", part.what));
                part.attributes.add(&format!("{name} {number}"), &mut lines);
            }
        }
        lines
    }
}

impl Attributes {
    fn of(list: Vec<KeyValue>, dropped: u32) -> Self {
        let mut values = BTreeMap::new();
        for KeyValue { key, value, .. } in list {
            let value = said(&key, value);
            // OTLP wants a key once at most.
            assert!(values.insert(key.clone(), value).is_none(), "{key} stands twice");
        }
        Self { values, dropped }
    }

    fn add(&self, whose: &str, lines: &mut BTreeSet<String>) {
        lines.extend(self.values.iter().map(|(key, value)| format!("{whose} {key:?} = {value}")));
        lines.insert(format!("{whose} dropped attributes {}", self.dropped));
    }
}

/// A value with its type; of a stack only that it is one.
fn said(key: &str, value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(value) if key == "exception.stacktrace" => {
            let text = format!("{value:?}");
            assert!(text.starts_with("StringValue(\"goroutine ") && text.contains("RecordError("), "{text}");
            "a stack".to_owned()
        }
        Some(value) => format!("{value:?}"),
        None => "nothing".to_owned(),
    }
}

/// A time that the program has set; it sets none that is not long ago.
fn set(nanoseconds: u64) -> u64 {
    if nanoseconds < 1_500_000_000_000_000_000 { nanoseconds } else { 0 }
}

/// An id, empty where it is no valid one.
fn valid(id: &[u8]) -> String {
    if id.iter().all(|byte| *byte == 0) { String::new() } else { hexadecimal(id) }
}

/// All of a run. No two spans have the same path, and no two roots the same trace.
pub(crate) fn normal(scopes: impl IntoIterator<Item = ScopeSpans>) -> Spans {
    let mut all = HashMap::new();
    for ScopeSpans { scope, spans, schema_url, .. } in scopes {
        for span in spans {
            let id = (span.trace_id.clone(), span.span_id.clone());
            assert!(id.0.len() == 16 && id.1.len() == 8, "{span:?}");
            let scope = scope.clone().unwrap_or_default();
            let names = [scope.name, scope.version, schema_url.clone()];
            let of_scope = Attributes::of(scope.attributes, scope.dropped_attributes_count);
            assert!(all.insert(id, (names, of_scope, span)).is_none(), "an id twice");
        }
    }
    let parent = |span: &Span| (span.trace_id.clone(), span.parent_span_id.clone());
    let path = |span: &Span| {
        let mut path = span.name.clone();
        let mut at = parent(span);
        while let Some((.., above)) = all.get(&at) {
            path = format!("{} / {path}", above.name);
            at = parent(above);
        }
        let remote = valid(&at.1);
        if remote.is_empty() { path } else { format!("{} {remote} / {path}", hexadecimal(&at.0)) }
    };
    let mut spans = Spans::new();
    let mut traces = BTreeSet::new();
    for (.., span) in all.values() {
        assert!(
            !valid(&span.parent_span_id).is_empty() || traces.insert(&span.trace_id),
            "two roots in the trace of {}",
            span.name
        );
    }
    for (scope, of_scope, span) in all.values() {
        let before = spans.insert(path(span), one(scope.clone(), of_scope.clone(), span.clone()));
        assert!(before.is_none(), "two spans are {}", path(span));
    }
    spans
}

fn one(scope: [String; 3], of_scope: Attributes, span: Span) -> Normal {
    let event = |event: opentelemetry_proto::tonic::trace::v1::span::Event| Part {
        what: format!("{:?} {}", event.name, set(event.time_unix_nano)),
        attributes: Attributes::of(event.attributes, event.dropped_attributes_count),
    };
    let link = |link: opentelemetry_proto::tonic::trace::v1::span::Link| Part {
        what: format!("{}-{} {:?} {}", valid(&link.trace_id), valid(&link.span_id), link.trace_state, link.flags & 0xff),
        attributes: Attributes::of(link.attributes, link.dropped_attributes_count),
    };
    let mut status = format!("{:?}", span.status.clone().unwrap_or_default().code());
    // Only an error has a description that counts.
    if let Some(own) = span.status.as_ref().filter(|own| own.code() == StatusCode::Error) {
        write!(status, " {:?}", own.message).unwrap();
    }
    Normal {
        ids: [hexadecimal(&span.trace_id), hexadecimal(&span.span_id)],
        kind: format!("{:?}", span.kind()),
        scope,
        of_scope,
        trace_state: span.trace_state,
        status,
        times: [span.start_time_unix_nano, span.end_time_unix_nano].map(set),
        attributes: Attributes::of(span.attributes, span.dropped_attributes_count),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().map(link).collect(),
        dropped: [span.dropped_events_count, span.dropped_links_count],
    }
}
