//! Spans into the body of an export request. Each span is encoded when it arrives: that takes a fraction of the memory
//! of a [`SpanData`], and sending again costs nothing.

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_proto::tonic::trace::v1::Span as SpanMessage;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use super::batch::{Batch, Request};
use super::wire;

/// A resource, encoded once: what all spans of one program belong to.
#[derive(Debug)]
pub(super) struct EncodedResource {
    head: Vec<u8>,
    schema_url: String,
}

impl EncodedResource {
    pub(super) fn new(encoding: Encoding, resource: &Resource) -> Self {
        let ResourceAttributesWithSchema { attributes, schema_url } = resource.into();
        let message = ResourceMessage { attributes: attributes.0, ..ResourceMessage::default() };
        let schema_url = schema_url.unwrap_or_default();
        let head = match encoding {
            Encoding::Protobuf => {
                let mut head = Vec::new();
                wire::bytes_always(&mut head, 1, &message.encode_to_vec());
                wire::text(&mut head, 3, &schema_url);
                head
            }
            Encoding::Json => json(&message),
        };
        Self { head, schema_url }
    }

    /// In protobuf the fields of a `ResourceSpans` but for its scopes; in JSON the resource.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The URL of the schema of its attributes; empty where it has none.
    pub(super) fn schema_url(&self) -> &str {
        &self.schema_url
    }
}

/// The two encodings of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// What turns spans and batches into bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder {
    pub(super) encoding: Encoding,
    /// Bytes that are left free before a request's body.
    pub(super) reserved: usize,
}

impl Encoder {
    /// Encodes one span of `resource` into `batch`; returns the number of bytes added. `buffer` makes an empty one where one is needed.
    pub(super) fn add(
        self,
        batch: &mut Batch,
        resource: &Arc<EncodedResource>,
        span: &SpanData,
        buffer: impl FnOnce() -> Vec<u8>,
    ) -> usize {
        batch.add(resource, &span.instrumentation_scope, self.reserved, buffer, |out, is_first| match self.encoding {
            Encoding::Protobuf => wire::span(out, 2, span),
            Encoding::Json => {
                if !is_first {
                    out.push(b',');
                }
                out.extend_from_slice(&json(&SpanMessage::from(span.clone())));
            }
        })
    }

    /// The body of an `ExportTraceServiceRequest`.
    pub(super) fn request(self, batch: Batch) -> Request {
        match self.encoding {
            Encoding::Protobuf => batch.protobuf(self.reserved),
            Encoding::Json => batch.json(self.reserved),
        }
    }
}

/// The library's messages always serialize: they hold no maps with odd keys and nothing that can fail.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
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
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) is_gzip: bool,
}

impl Body {
    /// The buffer that it was in, empty, for the next one; a new one where somebody else still has it.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.clear();
        bytes.into()
    }
}
