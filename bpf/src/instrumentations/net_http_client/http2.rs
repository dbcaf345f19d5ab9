//! The header of an HTTP/2 request is written: the span's context becomes one of its fields.
//!
//! `(*clientStream).encodeAndWriteHeaders` encodes the fields one by one: `(*hpack.Encoder).WriteField` hands the bytes of each
//! to `(*bytes.Buffer).Write`, for `ClientConn.hbuf`. From the first field on that is no pseudo-header, the program hands on one
//! more before the bytes of its own, literal and without indexing (RFC 7541 §6.2.2), so that the dynamic tables of both sides
//! stay in step.

#![expect(clippy::cast_possible_truncation, reason = "cookies have 32 bits")]

use super::{peer, text};
use crate::config::http_client::cookie;
use crate::missed::{Done, Missed};
use crate::slots::site;
use crate::target::Target;
use crate::write;

/// A request's header fields are about to be encoded and written. The connection's `wmu` is held: nobody else writes to it.
#[inline(always)]
pub fn inject_http2<T: Target>(target: &T) -> Done {
    let goroutine = target.registers().goroutine;
    let config = target.http_client();
    let is_xnet = target.cookie() as u32 == cookie::INJECT_XNET;
    let layout = config.http2.get(usize::from(is_xnet)).ok_or(Missed::NothingToDo)?;
    let stack = target.all_registers().stack_pointer;
    let request: u64 = target.read_or_zero(stack + u64::from(layout.request.get()));
    let map: u64 = target.read_or_zero(request + u64::from(layout.header.get()));
    let Some(injection) = target.injection(map) else {
        // An earlier request of this goroutine may have failed before its header was written.
        write::release(target, goroutine, site::HEADER_FIELDS);
        return Err(Missed::NothingToDo);
    };
    let stream: u64 = target.read(stack + u64::from(layout.stream.get())).ok_or(Missed::NotInjected)?;
    let connection: u64 = target.read(stream + u64::from(layout.connection.get())).ok_or(Missed::NotInjected)?;
    peer::note(target, connection + u64::from(layout.connected.get()), injection);
    let encoder: u64 = target.read(connection + u64::from(layout.encoder.get())).ok_or(Missed::NotInjected)?;
    let buffer = connection + u64::from(layout.buffer.get());
    if injection.span.propagation == 0 {
        write::release(target, goroutine, site::HEADER_FIELDS);
        return Err(Missed::NothingToDo);
    }
    // The data pointer of the interface: the encoder writes to this buffer.
    if target.read::<u64>(encoder + u64::from(layout.writer.get()) + 8) != Some(buffer) {
        return Err(Missed::NotInjected);
    }
    let claimed = write::claim(target, goroutine, site::HEADER_FIELDS, target.now()).ok_or(Missed::NotInjected)?;
    let slot = &mut *claimed.slot;
    // As `meant_for` numbers them.
    slot.meant_for = [encoder, buffer, connection];
    text::compose::<T, true, 0>(target, slot, injection);
    if !injection.is_of(map) {
        claimed.abandon();
        return Err(Missed::NotInjected);
    }
    claimed.publish();
    Ok(())
}
