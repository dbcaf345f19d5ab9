//! Records of what the program does with the OpenTelemetry API.

use bpf::records::otel_api::{EncodedSpan, SpanCall, Superseded};

use super::decode::{DecodeError, Reader};
use super::operation::RawValue;

/// A part of a span that the program has made and encoded.
#[derive(Debug)]
pub struct EncodedPart<'a> {
    /// Of which one, and where.
    pub head: EncodedSpan,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Something was called of a span of ours.
#[derive(Debug)]
pub struct SpanCalled<'a> {
    /// What, and of which.
    pub head: SpanCall,
    /// What it was given, by the numbers of [`bpf::records::otel_api::item`].
    pub items: Vec<RawValue<'a>>,
}

pub(super) fn encoded_part<'a>(reader: &mut Reader<'a>) -> Result<EncodedPart<'a>, DecodeError> {
    let head = reader.head()?;
    Ok(EncodedPart { head, bytes: reader.take(reader.rest.len())? })
}

pub(super) fn span_call<'a>(reader: &mut Reader<'a>) -> Result<SpanCalled<'a>, DecodeError> {
    Ok(SpanCalled { head: reader.head()?, items: reader.values()? })
}

pub(super) fn superseded(reader: &mut Reader<'_>) -> Result<[u8; 8], DecodeError> {
    reader.head().map(|head: Superseded| head.span_id)
}
