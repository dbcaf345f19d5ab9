//! The header of an HTTP/2 request is written: the span's context becomes one of its fields.
//!
//! `(*clientStream).encodeAndWriteHeaders` encodes the fields one by one: `(*hpack.Encoder).WriteField` hands the bytes of each
//! to `(*bytes.Buffer).Write`, for `ClientConn.hbuf`. From the first field on that is no pseudo-header, the program hands on one
//! more before the bytes of its own, literal and without indexing (RFC 7541 §6.2.2), so that the dynamic tables of both sides
//! stay in step.

use super::peer;
use crate::config::http_client::{HttpClientConfig, event};
use crate::instrumentations::text;
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::slots::site;
use crate::target::Target;
use crate::trace::{injection, waiting};
use crate::write;

/// A request's header fields are about to be encoded and written. The connection's `wmu` is held: nobody else writes to it.
#[inline(always)]
pub fn inject_http2<T: Target>(target: &T, config: &HttpClientConfig, event: u32) -> Done {
    let registers = target.registers();
    let (goroutine, stack) = (registers.goroutine(), registers.stack_pointer);
    let layout = config.http2.get(usize::from(event == event::INJECT_XNET)).ok_or(Missed::NothingToDo)?;
    let request: u64 = target.read_or_zero(stack.wrapping_add(layout.request.get().into()));
    let carrier: u64 = target.read_or_zero(request.wrapping_add(layout.header.get().into()));
    // An earlier request of this goroutine may have failed before its header was written.
    write::release(target, goroutine, site::HEADER_FIELDS);
    let Some(injection) = target.injection(carrier) else {
        waiting::written(target, carrier);
        return Err(Missed::NothingToDo);
    };
    let mut span = SpanIdentity::NONE;
    let is_its = injection.span.copy_of(carrier, &mut span);
    let extracted = injection.extracted.get();
    // Behind the copy: who has begun meanwhile has said so before.
    let is_certain = waiting::written(target, carrier);
    if !(is_its & is_certain) {
        return Err(Missed::NotInjected);
    }
    let stream: u64 = target.read(stack.wrapping_add(layout.stream.get().into())).ok_or(Missed::NotInjected)?;
    let connection: u64 = target.read(stream.wrapping_add(layout.connection.get().into())).ok_or(Missed::NotInjected)?;
    peer::note(target, &config.peer, connection.wrapping_add(layout.connected.get().into()), injection);
    let encoder: u64 = target.read(connection.wrapping_add(layout.encoder.get().into())).ok_or(Missed::NotInjected)?;
    let buffer = connection.wrapping_add(layout.buffer.get().into());
    if span.propagation == 0 {
        return Err(Missed::NothingToDo);
    }
    // The data pointer of the interface: the encoder writes to this buffer.
    if target.read::<u64>(encoder.wrapping_add(layout.writer.get().into()).wrapping_add(8)) != Some(buffer) {
        return Err(Missed::NotInjected);
    }
    let claimed = write::claim(target, goroutine, site::HEADER_FIELDS, target.now()).ok_or(Missed::NotInjected)?;
    let slot = &mut *claimed.slot;
    // As `meant_for` numbers them.
    slot.meant_for = [encoder, buffer, connection];
    slot.drops = target.opaque(injection::dropped(target.propagators(), span.propagation));
    span.propagation = injection::anew(target.propagators(), span.propagation);
    text::compose::<T, true, 0>(target, slot, &span, extracted);
    claimed.publish();
    Ok(())
}
