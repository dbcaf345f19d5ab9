//! The header of an HTTP/2 request is written: the span's context becomes one of its fields.
//!
//! `(*clientStream).encodeAndWriteHeaders` encodes the fields one by one: `(*hpack.Encoder).WriteField` hands the bytes of each
//! to `(*bytes.Buffer).Write`, for `ClientConn.hbuf`. From the first field on that is no pseudo-header, the program hands on one
//! more before the bytes of its own, literal and without indexing (RFC 7541 §6.2.2), so that the dynamic tables of both sides
//! stay in step.

#![expect(clippy::cast_possible_truncation, reason = "cookies have 32 bits")]

use crate::config::http_client::cookie;
use crate::records::SpanIdentity;
use crate::slots::{Slot, site};
use crate::target::Target;
use crate::write;

/// A request's header fields are about to be encoded and written. The connection's `wmu` is held: nobody else writes to it.
#[inline(always)]
pub fn pass_on_http2<T: Target>(target: &T) -> Option<()> {
    let goroutine = target.registers().goroutine;
    let config = target.http_client();
    let is_xnet = target.cookie() as u32 == cookie::XNET_WRITE;
    let layout = config.http2.get(usize::from(is_xnet))?;
    let stack = target.all_registers().stack_pointer;
    let request: u64 = target.read_or_zero(stack + u64::from(layout.request.get()));
    let map: u64 = target.read_or_zero(request + u64::from(layout.header.get()));
    let Some(span) = target.passing_on(map) else {
        // An earlier request of this goroutine may have failed before its header was written.
        return write::release(target, goroutine, site::HEADER_FIELDS);
    };
    let stream: u64 = target.read(stack + u64::from(layout.stream.get()))?;
    let connection: u64 = target.read(stream + u64::from(layout.connection.get()))?;
    let encoder: u64 = target.read(connection + u64::from(layout.encoder.get()))?;
    let buffer = connection + u64::from(layout.buffer.get());
    // The data pointer of the interface: the encoder writes to this buffer.
    if target.read::<u64>(encoder + u64::from(layout.writer.get()) + 8)? != buffer {
        return None;
    }
    let slot = write::claim(target, goroutine, site::HEADER_FIELDS, target.now())?;
    // As `meant_for` numbers them.
    slot.meant_for = [encoder, buffer, connection];
    slot.length = FIELD;
    write_field(slot, span);
    Some(())
}

/// A field with a name of its own: `00`, length of the name, name, length of the value, value.
const FIELD: u64 = 1 + 1 + 11 + 1 + 55;

#[inline(always)]
fn write_field(slot: &mut Slot, span: &SpanIdentity) {
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = span.trace_id;
    let [s0, s1, s2, s3, s4, s5, s6, s7] = span.span_id;
    let trace = [[t0, t1, t2, t3], [t4, t5, t6, t7], [t8, t9, t10, t11], [t12, t13, t14, t15]].map(write::hexadecimal);
    let id = [[s0, s1, s2, s3], [s4, s5, s6, s7]].map(write::hexadecimal);
    let flags = u64::from(b'0' + (span.trace_flags & 1));
    slot.words[0] = u64::from_le_bytes(*b"\x00\x0btracep");
    slot.words[1] = u64::from_le_bytes(*b"arent\x3700");
    // The digits of the trace lie one byte off the words, those of the span two.
    slot.words[2] = u64::from(b'-') | trace[0] << 8;
    slot.words[3] = trace[0] >> 56 | trace[1] << 8;
    slot.words[4] = trace[1] >> 56 | trace[2] << 8;
    slot.words[5] = trace[2] >> 56 | trace[3] << 8;
    slot.words[6] = trace[3] >> 56 | u64::from(b'-') << 8 | id[0] << 16;
    slot.words[7] = id[0] >> 48 | id[1] << 16;
    slot.words[8] = id[1] >> 48 | u64::from_le_bytes([0, 0, b'-', b'0', 0, 0, 0, 0]) | flags << 32;
}
