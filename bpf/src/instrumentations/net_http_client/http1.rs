//! The header of an HTTP/1 request is written: the span's context goes before it.

use super::{FROM_CALL, depth};
use crate::records::SpanIdentity;
use crate::slots::{Slot, meant_for, site};
use crate::target::{Registers, Target};
use crate::write;

/// The header of a request is about to be written: the span's context is written before it.
#[inline(always)]
pub fn pass_on<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [map, table, writer, exclude, _], goroutine } = target.registers();
    let config = target.http_client();
    let buffered = config.buffered_writer.get().wrapping_add(target.load_bias());
    // Without names left out it is the second call, for the headers that the transport adds.
    if exclude == 0 || table != buffered {
        return None;
    }
    let span = target.passing_on(map)?;
    let [buffer, size]: [u64; 2] = target.read(writer + u64::from(config.buffer.get()))?;
    let count_at = writer + u64::from(config.buffered.get());
    let count: u64 = target.read(count_at)?;
    // The request line and what follows it end so; and there must be room for a line more.
    if count == 0 || count > size || size - count < LINE as u64 {
        return None;
    }
    let last: u8 = target.read(buffer + count - 1)?;
    if last != b'\n' {
        return None;
    }
    // The stack may be moved in between, by the check at the start of the function that is called.
    let depth = depth(target, config, goroutine).wrapping_add(FROM_CALL);
    let slot = write::claim(target, goroutine, site::WRITE_SUBSET, 0)?;
    slot.meant_for[meant_for::DEPTH] = depth;
    slot.length = 2;
    write_line(slot, span);
    slot.words[0] = buffer + count;
    slot.words[1] = LINE as u64;
    slot.words[LINE_WORDS + 2] = count_at;
    slot.words[LINE_WORDS + 3] = 8;
    slot.words[LINE_WORDS + 4] = count + LINE as u64;
    Some(())
}

/// `Traceparent: 00-` + 32 digits + `-` + 16 digits + `-` + 2 digits + CR LF.
const LINE: usize = 70;
/// Words that it fills.
const LINE_WORDS: usize = LINE.div_ceil(8);

/// The line, behind the first command's address and length.
#[inline(always)]
fn write_line(slot: &mut Slot, span: &SpanIdentity) {
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = span.trace_id;
    let [s0, s1, s2, s3, s4, s5, s6, s7] = span.span_id;
    let (high, low) = (write::hexadecimal([s0, s1, s2, s3]), write::hexadecimal([s4, s5, s6, s7]));
    let flags = u64::from(b'0' + (span.trace_flags & 1));
    slot.words[2] = u64::from_le_bytes(*b"Tracepar");
    slot.words[3] = u64::from_le_bytes(*b"ent: 00-");
    slot.words[4] = write::hexadecimal([t0, t1, t2, t3]);
    slot.words[5] = write::hexadecimal([t4, t5, t6, t7]);
    slot.words[6] = write::hexadecimal([t8, t9, t10, t11]);
    slot.words[7] = write::hexadecimal([t12, t13, t14, t15]);
    // From here on the digits lie one byte off the words.
    slot.words[8] = u64::from(b'-') | high << 8;
    slot.words[9] = high >> 56 | low << 8;
    slot.words[10] = low >> 56 | u64::from_le_bytes([0, b'-', b'0', 0, b'\r', b'\n', 0, 0]) | flags << 24;
}
