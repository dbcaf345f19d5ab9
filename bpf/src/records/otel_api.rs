//! Records of what a program does with the OpenTelemetry API: parts of spans that it has made, and what it adds to spans of ours.

use bytemuck::{Pod, Zeroable};

use crate::records::RecordHeader;

/// A part of what is exported of a span that has ended: its bytes follow. OTLP as JSON, one `TracesData`.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct EncodedSpan {
    /// [`super::kind::ENCODED_SPAN`].
    pub header: RecordHeader,
    /// The address of the span in the process: parts of one that follow each other have the same.
    pub span: u64,
    /// Bytes of the whole; 0 where the program could not encode it.
    pub total: u64,
    /// Bytes before this part.
    pub before: u64,
}

/// Something was called of a span of ours; what it was given follows, as captured values ([`super::operation::ValueHead`]) that are
/// numbered as [`item`] says.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct SpanCall {
    /// [`super::kind::SPAN_CALL`].
    pub header: RecordHeader,
    /// Nanoseconds of `CLOCK_BOOTTIME`; all records of a call have the same.
    pub time: u64,
    /// The span.
    pub span_id: [u8; 8],
    /// The address of the goroutine's `g`.
    pub goroutine: u64,
    /// An event of [`crate::config::otel_api::event`], of the first copy.
    pub call: u32,
    /// 1 where it goes on in another record.
    pub goes_on: u32,
}

/// A span of the SDK has begun that is the same as one of ours.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug)]
pub struct Superseded {
    /// [`super::kind::SUPERSEDED`].
    pub header: RecordHeader,
    /// Ours.
    pub span_id: [u8; 8],
}

/// Numbers of values. What is of a type of `attribute.Type` has that added.
pub mod item {
    /// A key: text.
    pub const KEY: u16 = 1;
    /// A name, a description: text.
    pub const TEXT: u16 = 2;
    /// An element of the last slice of strings: text.
    pub const ELEMENT: u16 = 3;
    /// `wall` and `ext` of a `time.Time`: two words.
    pub const TIME: u16 = 4;
    /// The first words of a `trace.SpanContext`: trace id, span id, flags.
    pub const LINK: u16 = 5;
    /// An error: its type, three words, and the text that they are a string of.
    pub const ERROR: u16 = 6;
    /// A `codes.Code`: a word.
    pub const CODE: u16 = 7;
    /// A key, or a value, of a link's `trace.TraceState`: text.
    pub const STATE: u16 = 8;
    /// The value of the last key: a word. The type is added.
    pub const WORD: u16 = 0x100;
    /// The value of the last key: text. The type is added.
    pub const STRING: u16 = 0x200;
    /// The elements of a slice: as they lie in memory, or for one of strings, how many follow. The type is added.
    pub const SLICE: u16 = 0x300;
}

/// `attribute.Type` (`go.opentelemetry.io/otel/attribute/value.go`).
pub mod attribute_type {
    /// `BOOL`.
    pub const BOOL: u16 = 1;
    /// `INT64`.
    pub const INT64: u16 = 2;
    /// `FLOAT64`.
    pub const FLOAT64: u16 = 3;
    /// `STRING`.
    pub const STRING: u16 = 4;
    /// `BOOLSLICE`.
    pub const BOOLS: u16 = 5;
    /// `INT64SLICE`.
    pub const INT64S: u16 = 6;
    /// `FLOAT64SLICE`.
    pub const FLOAT64S: u16 = 7;
    /// `STRINGSLICE`.
    pub const STRINGS: u16 = 8;
    /// `BYTESLICE`, of 1.43 and newer.
    pub const BYTES: u16 = 9;
}

const _: () = assert!(size_of::<EncodedSpan>() == 32 && size_of::<SpanCall>() == 40 && size_of::<Superseded>() == 16);
