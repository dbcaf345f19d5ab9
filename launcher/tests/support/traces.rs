//! Spans by the traces they make.

use std::collections::{BTreeMap, HashSet};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// Spans by trace id.
pub(crate) fn by_trace(spans: &[Span]) -> BTreeMap<&[u8], Vec<&Span>> {
    let mut traces: BTreeMap<&[u8], Vec<&Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    traces
}

/// Those of one kind.
pub(crate) fn of_kind<'a>(spans: &[&'a Span], kind: SpanKind) -> Vec<&'a Span> {
    spans.iter().copied().filter(|span| span.kind() == kind).collect()
}

/// Whether `child` says that `parent` is its parent.
pub(crate) fn is_child(child: &Span, parent: &Span) -> bool {
    child.trace_id == parent.trace_id && child.parent_span_id == parent.span_id
}

/// The spans whose parents are not among them.
pub(crate) fn orphans(spans: &[Span]) -> Vec<&Span> {
    let ids: HashSet<(&[u8], &[u8])> = spans.iter().map(|span| (&span.trace_id[..], &span.span_id[..])).collect();
    let is_orphan = |span: &&Span| !span.parent_span_id.is_empty() && !ids.contains(&(&span.trace_id, &span.parent_span_id));
    spans.iter().filter(is_orphan).collect()
}

/// A span id as a number.
pub(crate) fn id(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

/// An id as headers have it.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The sum of span ids, wrapping: that of a sink's headers is the same where these are the spans' own.
pub(crate) fn sum_of_ids<'a>(spans: impl IntoIterator<Item = &'a Span>) -> u64 {
    spans.into_iter().fold(0, |sum, span| sum.wrapping_add(id(&span.span_id)))
}
