//! Spans into the body of an export request. Each span is encoded when it arrives: that takes a fraction of the memory
//! of a [`SpanData`], and sending again costs nothing.

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as ScopeMessage;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_proto::tonic::trace::v1::Span as SpanMessage;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use super::wire;

/// A resource, encoded once: what all spans of one program belong to.
#[derive(Debug)]
pub(super) struct EncodedResource {
    message: Vec<u8>,
    schema_url: String,
}

impl EncodedResource {
    pub(super) fn new(encoding: Encoding, resource: &Resource) -> Self {
        let ResourceAttributesWithSchema { attributes, schema_url } = resource.into();
        let message = ResourceMessage { attributes: attributes.0, ..ResourceMessage::default() };
        let message = match encoding {
            Encoding::Protobuf => message.encode_to_vec(),
            Encoding::Json => json(&message),
        };
        Self { message, schema_url: schema_url.unwrap_or_default() }
    }
}

/// The two encodings of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// Encoded spans, by resource and scope.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Most have one: several programs that run under one supervisor have one each.
    parts: Vec<Part>,
    spans: usize,
    bytes: usize,
}

/// The spans of one program.
#[derive(Debug)]
struct Part {
    resource: Arc<EncodedResource>,
    scopes: Vec<(InstrumentationScope, Vec<u8>)>,
    /// The scope of the last span: the next one's is likely the same.
    last: usize,
}

/// What turns spans and batches into bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder {
    pub(super) encoding: Encoding,
}

impl Batch {
    /// How many spans are in it.
    pub(super) fn spans(&self) -> usize {
        self.spans
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn part(&mut self, resource: &Arc<EncodedResource>) -> &mut Part {
        let known = self.parts.iter().position(|part| Arc::ptr_eq(&part.resource, resource));
        let index = known.unwrap_or_else(|| {
            self.parts.push(Part { resource: Arc::clone(resource), scopes: Vec::new(), last: 0 });
            self.parts.len() - 1
        });
        &mut self.parts[index]
    }
}

impl Part {
    fn scope(&mut self, scope: &InstrumentationScope) -> &mut Vec<u8> {
        let is_last = self.scopes.get(self.last).is_some_and(|(last, _)| last == scope);
        if !is_last {
            self.last = self.scopes.iter().position(|(known, _)| known == scope).unwrap_or_else(|| {
                self.scopes.push((scope.clone(), Vec::new()));
                self.scopes.len() - 1
            });
        }
        &mut self.scopes[self.last].1
    }
}

impl Encoder {
    /// Encodes one span of `resource` into `batch`; returns the number of bytes added.
    pub(super) fn add(self, batch: &mut Batch, resource: &Arc<EncodedResource>, span: &SpanData) -> usize {
        let out = batch.part(resource).scope(&span.instrumentation_scope);
        let before = out.len();
        match self.encoding {
            Encoding::Protobuf => wire::span(out, 2, span),
            Encoding::Json => {
                if before > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&json(&SpanMessage::from(span.clone())));
            }
        }
        let added = out.len() - before;
        batch.spans += 1;
        batch.bytes += added;
        added
    }

    /// The body of an `ExportTraceServiceRequest`, behind `reserved` bytes that are left free.
    pub(super) fn request(self, batch: Batch, reserved: usize) -> Vec<u8> {
        let resources: usize = batch.parts.iter().map(|part| part.resource.message.len() + 1024).sum();
        let mut out = Vec::with_capacity(reserved + resources + batch.bytes);
        out.resize(reserved, 0);
        match self.encoding {
            Encoding::Protobuf => batch.parts.into_iter().for_each(|part| part.protobuf(&mut out)),
            Encoding::Json => {
                out.extend_from_slice(br#"{"resourceSpans":["#);
                for (index, part) in batch.parts.into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    part.json(&mut out);
                }
                out.extend_from_slice(b"]}");
            }
        }
        out
    }
}

impl Part {
    fn protobuf(self, out: &mut Vec<u8>) {
        wire::message(out, 1, |out| {
            wire::bytes_always(out, 1, &self.resource.message);
            for (scope, spans) in self.scopes {
                wire::message(out, 2, |out| {
                    wire::bytes_always(out, 1, &ScopeMessage::from((&scope, None)).encode_to_vec());
                    out.extend_from_slice(&spans);
                    wire::text(out, 3, scope.schema_url().unwrap_or_default());
                });
            }
            wire::text(out, 3, &self.resource.schema_url);
        });
    }

    fn json(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"resource":"#);
        out.extend_from_slice(&self.resource.message);
        out.extend_from_slice(br#","scopeSpans":["#);
        for (index, (scope, spans)) in self.scopes.into_iter().enumerate() {
            out.extend_from_slice(if index == 0 { br#"{"scope":"# } else { br#",{"scope":"# });
            out.extend_from_slice(&json(&ScopeMessage::from((&scope, None))));
            out.extend_from_slice(br#","spans":["#);
            out.extend_from_slice(&spans);
            out.extend_from_slice(br#"],"schemaUrl":"#);
            out.extend_from_slice(&json(&scope.schema_url().unwrap_or_default()));
            out.push(b'}');
        }
        out.extend_from_slice(br#"],"schemaUrl":"#);
        out.extend_from_slice(&json(&self.resource.schema_url));
        out.push(b'}');
    }
}

/// The library's messages always serialize: they hold no maps with odd keys and nothing that can fail.
fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_impossible| b"null".to_vec())
}

/// `message` with all but its first `reserved` bytes compressed; `None` only if memory ends.
pub(super) fn gzip(message: &[u8], reserved: usize) -> Option<Vec<u8>> {
    use std::io::Write as _;
    let (free, content) = message.split_at_checked(reserved)?;
    let mut out = Vec::with_capacity(message.len() / 4);
    out.extend_from_slice(free);
    // The fastest level: half the time of the usual one, for a tenth more bytes.
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

/// A request's body, ready to be sent as often as needed.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) is_gzip: bool,
}
