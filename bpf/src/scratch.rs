//! What a probe needs while it runs: memory that belongs to it alone until it is done.
//!
//! It stands in a map, not on the stack: that is short, and the verifier follows each combination of what may stand there, while it
//! does not follow the contents of maps.

use crate::go::baggage::{Encoding, NO_ENCODING};
use crate::go::header::{NEW_WALK, Walk};
use crate::go::string::GoString;
use crate::instrumentations::operations::{Evaluation, NO_EVALUATION};
use crate::records::http_server::TEXTS;
use crate::records::{RecordBuffer, SpanIdentity};
use crate::trace::baggage::{NOT_SET, Set};
use crate::trace::extracted::{Extracted, NOTHING_EXTRACTED};
use crate::trace::ids::Random;
use crate::trace::injection::{Injection, NO_INJECTION};
use crate::trace::parents::{NO_SEARCH, ParentSearch};
use crate::trace::remote::{NO_REMOTE_PARENT, RemoteParent};
use crate::trace::tracestate::Grammar;

/// One probe's memory. But for the random numbers, nothing in it is of use to the next.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Scratch {
    /// Which one it is.
    pub place: u64,
    /// State of its random numbers.
    pub random: Random,
    /// The event that is handled.
    pub event: u64,
    /// The span that begins or ends.
    pub span: SpanIdentity,
    /// What the headers of a request say.
    pub remote: RemoteParent,
    /// The way to the parent of an operation that begins.
    pub search: ParentSearch,
    /// What the program says of baggage by the OpenTelemetry API.
    pub baggage: Set,
    /// How far that has been written.
    pub encoding: Encoding,
    /// How far a `tracestate` has been read.
    pub grammar: Grammar,
    /// The headers of a request.
    pub headers: Walk,
    /// What is extracted from a request.
    pub extracted: Extracted,
    /// What is to be injected into a request.
    pub injection: Injection,
    /// What recipes of operations work on.
    pub evaluation: Evaluation,
    /// Strings, where they lie in the process.
    pub texts: [GoString; TEXTS],
    /// The record that is made.
    pub record: RecordBuffer,
}

/// Never used.
#[expect(clippy::large_const_arrays, reason = "in a map, or in a box")]
pub const NEW_SCRATCH: Scratch = Scratch {
    place: 0,
    random: Random::UNSEEDED,
    event: 0,
    span: SpanIdentity::NONE,
    remote: NO_REMOTE_PARENT,
    search: NO_SEARCH,
    baggage: NOT_SET,
    encoding: NO_ENCODING,
    grammar: Grammar::new(0),
    headers: NEW_WALK,
    extracted: NOTHING_EXTRACTED,
    injection: NO_INJECTION,
    evaluation: NO_EVALUATION,
    texts: [GoString { address: 0, length: 0 }; TEXTS],
    record: RecordBuffer::EMPTY,
};

/// Probes that may run at once on each processor: one may be interrupted by another.
pub const PER_PROCESSOR: u32 = 2;
