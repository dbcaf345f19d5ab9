//! From records to finished spans.
//!
//! A span is an [`opentelemetry_sdk::trace::SpanData`]: the SDK's own model, which every exporter takes.

pub mod calls;
mod early;
pub mod encoded;
mod failures;
mod known;
pub mod limits;
mod names;
pub mod open;
mod open_span;
pub mod operations;
mod panics;
mod states;
mod values;

/// By the ids of spans, which are random already.
type ById<T> = std::collections::HashMap<[u8; 8], T, foldhash::fast::RandomState>;

/// Spans, or the lists of some, whose memory is kept for new ones: of 1.5 KB each.
const MAX_OVER: usize = 64;

/// Objects of which something is remembered at once, by their addresses.
const MAX_REMEMBERED: usize = 16_384;
