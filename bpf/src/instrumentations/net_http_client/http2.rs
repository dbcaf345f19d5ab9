//! The header of an HTTP/2 request is written: the span's context becomes one of its fields.
//!
//! `(*clientStream).encodeAndWriteHeaders` encodes the fields one by one, by `(*hpack.Encoder).WriteField`, into
//! `ClientConn.hbuf`, then calls `(*ClientConn).writeHeaders` with them. At the first field that is no pseudo-header, the
//! program puts one more before it, literal and without indexing (RFC 7541 §6.2.2), so that the dynamic tables of both sides
//! stay in step. Where the buffer has no room there, at a later field, and at last behind all of them. So that there is room
//! at the first request of a connection, its buffer is one that it is lent.

use super::{FROM_CALL, depth, detour};
use crate::config::http_client::cookie;
use crate::records::SpanIdentity;
use crate::slots::{LENT_BYTES, Slot, command};
use crate::target::{Registers, Target};
use crate::write::{self, length_and_kind};

/// A request's header fields are about to be encoded and written.
#[inline(always)]
pub fn pass_on_http2<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [stream, request, ..], goroutine } = target.registers();
    let config = target.http_client();
    let is_xnet = u32::from(target.cookie() as u32 == cookie::XNET_WRITE);
    let layout = config.http2.get(is_xnet as usize)?;
    let site = detour::HEADER_FIELDS + detour::XNET * is_xnet;
    let map: u64 = target.read_or_zero(request + u64::from(layout.header.get()));
    let Some(span) = target.passing_on(map) else {
        // An earlier request of this goroutine may have failed before its header was written.
        return write::release(target, goroutine, site);
    };
    let connection: u64 = target.read(stream + u64::from(layout.connection.get()))?;
    let encoder: u64 = target.read(connection + u64::from(layout.encoder.get()))?;
    let buffer = connection + u64::from(layout.buffer.get());
    let slot = write::claim(target, goroutine, site, [encoder, connection])?;
    slot.commands = 2;
    slot.words[0] = buffer;
    slot.words[1] = length_and_kind(FIELD, command::REQUIRE);
    slot.words[2] = buffer;
    slot.words[3] = length_and_kind(FIELD, command::APPEND);
    write_field(slot, span);
    Some(())
}

/// A field with a name of its own: `00`, length of the name, name, length of the value, value.
const FIELD: u32 = 1 + 1 + 11 + 1 + 55;

/// The field, as the bytes of the second command.
#[inline(always)]
fn write_field(slot: &mut Slot, span: &SpanIdentity) {
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = span.trace_id;
    let [s0, s1, s2, s3, s4, s5, s6, s7] = span.span_id;
    let trace = [[t0, t1, t2, t3], [t4, t5, t6, t7], [t8, t9, t10, t11], [t12, t13, t14, t15]].map(write::hexadecimal);
    let id = [[s0, s1, s2, s3], [s4, s5, s6, s7]].map(write::hexadecimal);
    let flags = u64::from(b'0' + (span.trace_flags & 1));
    slot.words[4] = u64::from_le_bytes(*b"\x00\x0btracep");
    slot.words[5] = u64::from_le_bytes(*b"arent\x3700");
    // The digits of the trace lie one byte off the words, those of the span two.
    slot.words[6] = u64::from(b'-') | trace[0] << 8;
    slot.words[7] = trace[0] >> 56 | trace[1] << 8;
    slot.words[8] = trace[1] >> 56 | trace[2] << 8;
    slot.words[9] = trace[2] >> 56 | trace[3] << 8;
    slot.words[10] = trace[3] >> 56 | u64::from(b'-') << 8 | id[0] << 16;
    slot.words[11] = id[0] >> 48 | id[1] << 16;
    slot.words[12] = id[1] >> 48 | u64::from_le_bytes([0, 0, b'-', b'0', 0, 0, 0, 0]) | flags << 32;
}

/// A connection's encoder is about to be made for its `hbuf`, which nobody else knows yet: an empty `bytes.Buffer`
/// (its slice is its first field), which gets memory to begin with.
///
/// The slice was nil and what it gets lies in no heap: no write barrier is due. Where the buffer outgrows it, Go copies.
#[inline(always)]
pub fn lend_buffer<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [_, buffer, ..], goroutine } = target.registers();
    let [address, length, capacity, offset]: [u64; 4] = target.read(buffer)?;
    if address | length | capacity | offset != 0 {
        return None;
    }
    let piece = write::lend(target, buffer)?;
    let depth = depth(target, target.http_client(), goroutine).wrapping_add(FROM_CALL);
    let is_xnet = u32::from(target.cookie() as u32 == cookie::XNET_LEND);
    let slot = write::claim(target, goroutine, detour::NEW_ENCODER + detour::XNET * is_xnet, [depth, 0])?;
    slot.commands = 1;
    slot.words[0] = buffer;
    slot.words[1] = length_and_kind(24, command::STORE);
    slot.words[2] = piece;
    slot.words[3] = 0;
    slot.words[4] = LENT_BYTES as u64;
    Some(())
}
