//! Encoded spans, by resource and scope, into the body of an export request.
//!
//! The spans that came first stay where they are: what stands before them is written into room that was left there, and the others
//! are appended. Most batches have one resource and one scope, and nothing of them is copied.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as ScopeMessage;
use prost::Message as _;

use super::encode::{EncodedResource, json};
use super::wire;

/// The most bytes of a nested message's key and length.
const NESTED: usize = 6;

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
    scopes: Vec<ScopeSpans>,
    /// The scope of the last span: the next one's is likely the same.
    last: usize,
}

/// The spans of one scope.
#[derive(Debug)]
struct ScopeSpans {
    scope: InstrumentationScope,
    /// The fields of a `ScopeSpans` but for its spans.
    head: Vec<u8>,
    /// Room, then spans.
    buffer: Vec<u8>,
    /// How much room.
    room: usize,
}

/// A request's body before it is compressed: all from `begin` on, where so many bytes are free as were to be reserved.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) buffer: Vec<u8>,
    pub(super) begin: usize,
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

    /// Adds one span; `encode` appends it, told whether it is the first of its scope. Returns the number of bytes added. `buffer`
    /// makes an empty one where there is none for the scope yet, and `reserved` bytes are to be free before the whole.
    pub(super) fn add(
        &mut self,
        resource: &Arc<EncodedResource>,
        scope: &InstrumentationScope,
        reserved: usize,
        buffer: impl FnOnce() -> Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, bool),
    ) -> usize {
        let ScopeSpans { buffer, room, .. } = self.part(resource).scope(scope, reserved, buffer);
        let before = buffer.len();
        encode(buffer, before == *room);
        let added = buffer.len() - before;
        self.spans += 1;
        self.bytes += added;
        added
    }

    fn part(&mut self, resource: &Arc<EncodedResource>) -> &mut Part {
        let known = self.parts.iter().position(|part| Arc::ptr_eq(&part.resource, resource));
        let index = known.unwrap_or_else(|| {
            self.parts.push(Part { resource: Arc::clone(resource), scopes: Vec::new(), last: 0 });
            self.parts.len() - 1
        });
        &mut self.parts[index]
    }

    /// The body of an `ExportTraceServiceRequest` in protobuf.
    pub(super) fn protobuf(self, reserved: usize) -> Request {
        let mut parts = self.parts.into_iter();
        let mut request = parts.next().map(|first| first.into_request(reserved)).unwrap_or_default();
        for part in parts {
            part.append(&mut request.buffer);
        }
        request
    }

    /// The same in JSON.
    pub(super) fn json(self, reserved: usize) -> Request {
        let mut out = vec![0; reserved];
        out.extend_from_slice(br#"{"resourceSpans":["#);
        for (index, part) in self.parts.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            part.json(&mut out);
        }
        out.extend_from_slice(b"]}");
        Request { buffer: out, begin: 0 }
    }
}

impl Part {
    fn scope(&mut self, scope: &InstrumentationScope, reserved: usize, buffer: impl FnOnce() -> Vec<u8>) -> &mut ScopeSpans {
        let is_last = self.scopes.get(self.last).is_some_and(|last| is_same(&last.scope, scope));
        if !is_last {
            self.last = self.scopes.iter().position(|known| known.scope == *scope).unwrap_or_else(|| {
                let head = head(scope);
                let room = reserved + NESTED + self.resource.head().len() + NESTED + head.len();
                let mut buffer = buffer();
                buffer.resize(room, 0);
                self.scopes.push(ScopeSpans { scope: scope.clone(), head, buffer, room });
                self.scopes.len() - 1
            });
        }
        &mut self.scopes[self.last]
    }

    /// As the first of a request.
    fn into_request(mut self, reserved: usize) -> Request {
        let before = self.before_first();
        if self.scopes.is_empty() {
            return Request { buffer: vec![0; reserved], begin: 0 };
        }
        let ScopeSpans { mut buffer, room, .. } = self.scopes.remove(0);
        let begin = room.saturating_sub(reserved + before.len());
        // That it does not fit cannot be; it would be written nevertheless.
        buffer.splice(begin + reserved..room, before);
        self.append_scopes(&mut buffer);
        Request { buffer, begin }
    }

    /// As one of the others.
    fn append(mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before_first());
        if !self.scopes.is_empty() {
            out.extend_from_slice(self.scopes.remove(0).spans());
        }
        self.append_scopes(out);
    }

    /// What stands before the spans of the first scope.
    fn before_first(&self) -> Vec<u8> {
        let head = self.resource.head();
        let scopes: usize = self.scopes.iter().map(ScopeSpans::message_len).sum();
        let mut before = Vec::with_capacity(head.len() + 1_024);
        wire::message_head(&mut before, 1, head.len() + scopes);
        before.extend_from_slice(head);
        if let Some(first) = self.scopes.first() {
            first.before(&mut before);
        }
        before
    }

    fn append_scopes(&self, out: &mut Vec<u8>) {
        for scope in &self.scopes {
            scope.before(out);
            out.extend_from_slice(scope.spans());
        }
    }

    fn json(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"resource":"#);
        out.extend_from_slice(self.resource.head());
        out.extend_from_slice(br#","scopeSpans":["#);
        for (index, spans) in self.scopes.iter().enumerate() {
            out.extend_from_slice(if index == 0 { br#"{"scope":"# } else { br#",{"scope":"# });
            out.extend_from_slice(&json(&ScopeMessage::from((&spans.scope, None))));
            out.extend_from_slice(br#","spans":["#);
            out.extend_from_slice(spans.spans());
            out.extend_from_slice(br#"],"schemaUrl":"#);
            out.extend_from_slice(&json(&spans.scope.schema_url().unwrap_or_default()));
            out.push(b'}');
        }
        out.extend_from_slice(br#"],"schemaUrl":"#);
        out.extend_from_slice(&json(&self.resource.schema_url()));
        out.push(b'}');
    }
}

impl ScopeSpans {
    fn spans(&self) -> &[u8] {
        self.buffer.get(self.room..).unwrap_or_default()
    }

    /// Bytes of the `ScopeSpans`, without key and length.
    fn len(&self) -> usize {
        self.head.len() + self.spans().len()
    }

    /// The same with them.
    fn message_len(&self) -> usize {
        wire::message_head_len(self.len()) + self.len()
    }

    /// All of the `ScopeSpans` that stands before its spans.
    fn before(&self, out: &mut Vec<u8>) {
        wire::message_head(out, 2, self.len());
        out.extend_from_slice(&self.head);
    }
}

/// Whether two scopes are equal; those of an instrumentation share their texts, which are not compared then.
fn is_same(one: &InstrumentationScope, other: &InstrumentationScope) -> bool {
    let texts = |scope: &InstrumentationScope| {
        [Some(scope.name()), scope.version(), scope.schema_url()].map(|text| text.map(|text| text.as_bytes().as_ptr_range()))
    };
    let has_attributes = one.attributes().chain(other.attributes()).next().is_some();
    (!has_attributes && texts(one) == texts(other)) || one == other
}

/// The fields of a `ScopeSpans` but for its spans.
fn head(scope: &InstrumentationScope) -> Vec<u8> {
    let mut head = Vec::new();
    wire::bytes_always(&mut head, 1, &ScopeMessage::from((scope, None)).encode_to_vec());
    wire::text(&mut head, 3, scope.schema_url().unwrap_or_default());
    head
}
