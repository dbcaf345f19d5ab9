//! A span of the program's has ended, and is encoded: it goes to the launcher in parts, as long as it may be.
//!
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).ended(_, buf)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).ended(_, buf)

use crate::missed::{Done, Missed};
use crate::records::otel_api::EncodedSpan;
use crate::records::{MAX_TEXT, RecordBuffer, kind};
use crate::target::{Lookup, Step, Target};

/// Parts of the longest span: 16 MiB.
const MAX_PARTS: u32 = 2_048;

pub(super) fn ended<T: Target>(target: &T) -> Done {
    let registers = target.registers();
    let (span, address, total) = (registers.argument(0), registers.argument(1), registers.argument(2));
    if total > u64::from(MAX_PARTS) * MAX_TEXT as u64 {
        return Err(Missed::Fault);
    }
    target.with_scratch(|scratch| {
        let record = &mut scratch.record;
        let mut parts = Parts { record, span, address, total, before: target.opaque(0), lost: target.opaque(0) };
        target.repeat(MAX_PARTS, &mut parts);
        match target.opaque(parts.lost) {
            0 => Ok(()),
            1 => Err(Missed::Fault),
            _ => Err(Missed::RingFull),
        }
    })
}

struct Parts<'a> {
    record: &'a mut RecordBuffer,
    span: u64,
    address: u64,
    total: u64,
    before: u64,
    /// 1 where the text could not be read, 2 where there was no room.
    lost: u64,
}

impl Step for Parts<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { record, span, address, total, before, lost } = self;
        #[expect(clippy::cast_possible_truncation, reason = "at most the longest text")]
        let length = (*total - *before).min(MAX_TEXT as u64) as u32;
        record.length = size_of::<EncodedSpan>() as u64;
        // The API gives nothing where it cannot encode a span: an attribute is not a number.
        if length != 0 && !lookup.read_text(address.wrapping_add(*before), length, record) {
            *lost = 1;
            return false;
        }
        let head: &mut EncodedSpan = record.head();
        head.span = *span;
        head.total = *total;
        head.before = *before;
        record.length += u64::from(length);
        if record.submit(lookup, kind::ENCODED_SPAN, *before == 0).is_err() {
            *lost = 2;
            return false;
        }
        *before += u64::from(length);
        *before < *total
    }
}
