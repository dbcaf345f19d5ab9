//! What `go.opentelemetry.io/auto/sdk` and `go.opentelemetry.io/otel/trace` write (`internal/telemetry`): OTLP as JSON, as far as a span has
//! it. Times are numbers; what is empty is left out.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TracesData<'a> {
    #[serde(borrow)]
    pub(super) resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans<'a> {
    #[serde(borrow)]
    pub(super) scope_spans: Vec<ScopeSpans<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScopeSpans<'a> {
    #[serde(borrow)]
    pub(super) scope: Option<Scope<'a>>,
    pub(super) spans: Vec<EncodedSpan<'a>>,
    #[serde(default)]
    pub(super) schema_url: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Scope<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) version: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EncodedSpan<'a> {
    #[serde(borrow)]
    pub(super) trace_id: Cow<'a, str>,
    pub(super) span_id: Cow<'a, str>,
    pub(super) trace_state: Cow<'a, str>,
    pub(super) parent_span_id: Cow<'a, str>,
    pub(super) flags: u32,
    pub(super) name: Cow<'a, str>,
    pub(super) kind: u32,
    pub(super) start_time_unix_nano: u64,
    pub(super) end_time_unix_nano: u64,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) dropped_attributes_count: u32,
    pub(super) events: Vec<EncodedEvent<'a>>,
    pub(super) dropped_events_count: u32,
    pub(super) links: Vec<EncodedLink<'a>>,
    pub(super) dropped_links_count: u32,
    pub(super) status: Option<EncodedStatus<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EncodedEvent<'a> {
    pub(super) time_unix_nano: u64,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) dropped_attributes_count: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EncodedLink<'a> {
    #[serde(borrow)]
    pub(super) trace_id: Cow<'a, str>,
    pub(super) span_id: Cow<'a, str>,
    pub(super) trace_state: Cow<'a, str>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) dropped_attributes_count: u32,
    pub(super) flags: u32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct EncodedStatus<'a> {
    #[serde(borrow)]
    pub(super) message: Cow<'a, str>,
    pub(super) code: u32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Attribute<'a> {
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    pub(super) value: Option<&'a RawValue>,
}

/// One of these.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct AnyValue<'a> {
    #[serde(borrow, rename = "stringValue")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(rename = "intValue")]
    pub(super) integer: Option<Cow<'a, str>>,
    #[serde(rename = "doubleValue")]
    pub(super) float: Option<f64>,
    #[serde(rename = "boolValue")]
    pub(super) truth: Option<bool>,
    #[serde(rename = "bytesValue")]
    pub(super) base64: Option<Cow<'a, str>>,
    #[serde(rename = "arrayValue")]
    pub(super) list: Option<Values<&'a RawValue>>,
    #[serde(rename = "kvlistValue")]
    pub(super) map: Option<Values<Attribute<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Values<V> {
    #[serde(default = "Vec::new")]
    pub(super) values: Vec<V>,
}
