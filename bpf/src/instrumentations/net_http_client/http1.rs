//! The header of an HTTP/1 request is written: the span's context goes before it.

use super::{FROM_CALL, depth, peer};
use crate::config::http_client::HttpClientConfig;
use crate::config::propagator;
use crate::go::words::word;
use crate::instrumentations::text;
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::slots::{Slot, meant_for, site};
use crate::target::Target;
use crate::trace::waiting;
use crate::write;

/// The header of a request is about to be written: the span's context is written before it.
#[inline(always)]
pub fn inject<T: Target>(target: &T, config: &HttpClientConfig) -> Done {
    let registers = target.registers();
    let (carrier, table, writer) = (registers.argument(0), registers.argument(1), registers.argument(2));
    let buffered = config.buffered_writer.get().wrapping_add(target.load_bias());
    // Without names left out it is the second call, for the headers that the transport adds.
    if registers.argument(3) == 0 || table != buffered {
        return Err(Missed::NothingToDo);
    }
    let Some(injection) = target.injection(carrier) else {
        // That of another request with this carrier, which has ended, has taken its place.
        waiting::written(target, carrier);
        return Err(Missed::NothingToDo);
    };
    let mut span = SpanIdentity::NONE;
    let is_its = injection.span.copy_of(carrier, &mut span);
    // Behind the copy: who has begun meanwhile has said so before.
    let is_certain = waiting::written(target, carrier);
    if !(is_its & is_certain) {
        return Err(Missed::NotInjected);
    }
    let words: [u64; WRITER_WORDS] = target.read(writer).ok_or(Missed::NotInjected)?;
    let at = |offset: u32| word(&words, offset);
    // The data pointer of the interface is the `*persistConn`.
    let connection = at(config.destination.get() + 8);
    peer::note(target, &config.peer, connection.wrapping_add(config.peer.persist_conn.get().into()), injection);
    let extracted = injection.extracted.get();
    // What the program writes itself is made ours when it stands in the buffer ([`super::copied`]). One that does not store leaves it: then
    // `traceparent`, which goes before those of B3, is written beside it, and nothing that goes behind.
    let copied = span.propagation & propagator::COPIED;
    if T::STORES && copied != 0 {
        super::copied::remember(target, writer, &span)?;
    }
    let left = if T::STORES { 0 } else { copied / propagator::COPIED * (propagator::B3 | propagator::B3_MULTI) };
    span.propagation &= !(propagator::COPIED | left);
    let goroutine = registers.goroutine();
    if span.propagation == 0 {
        // An earlier request of this goroutine may have failed before its header was written.
        write::release(target, goroutine, site::WRITE_SUBSET);
        return Err(Missed::NothingToDo);
    }
    let buffer = at(config.buffer.get());
    // Where room was made, the slice ends earlier than what it is a slice of.
    let size = at(config.buffer.get() + if T::STORES { 16 } else { 8 });
    let (count, count_at) = (at(config.buffered.get()), writer.wrapping_add(config.buffered.get().into()));
    // The request line and what follows it end so.
    if count == 0
        || count > size
        || target.read::<u8>(buffer.wrapping_add(count).wrapping_sub(1)).ok_or(Missed::NotInjected)? != b'\n'
    {
        return Err(Missed::NotInjected);
    }
    let claimed = write::claim(target, goroutine, site::WRITE_SUBSET, 0).ok_or(Missed::NotInjected)?;
    let slot = &mut *claimed.slot;
    text::compose::<T, false, TEXT>(target, slot, &span, extracted);
    let mut length = slot.length;
    if size - count < length && span.propagation & propagator::TRACE_CONTEXT != 0 {
        // The first line is worth more than the rest.
        length = text::LINE;
    }
    if length == 0 || size - count < length {
        claimed.abandon();
        return Err(Missed::NotInjected);
    }
    if T::STORES {
        let is_stored = store_text(target, slot, buffer.wrapping_add(count), length)
            && target.store(writer.wrapping_add(config.buffer.get().into()).wrapping_add(8), &size.to_le_bytes())
            && target.store(count_at, &(count.wrapping_add(length)).to_le_bytes());
        claimed.abandon();
        return if is_stored { Ok(()) } else { Err(Missed::NotInjected) };
    }
    // The stack may be moved in between, by the check at the start of the function that is called.
    slot.meant_for[meant_for::DEPTH] = depth(target, goroutine).wrapping_add(FROM_CALL);
    command(slot, (count_at, count.wrapping_add(length)), (buffer.wrapping_add(count), length));
    claimed.publish();
    Ok(())
}

/// Writes the text of a slot to the process's memory itself.
fn store_text<T: Target>(target: &T, slot: &Slot, address: u64, length: u64) -> bool {
    let text: &[u8] = slot.words.get(TEXT..).map_or(&[], bytemuck::cast_slice);
    #[expect(clippy::cast_possible_truncation, reason = "at most the size of the slot")]
    text.get(..length as usize).is_some_and(|text| target.store(address, text))
}

/// What the lines between the request line and the header have room in, and what is injected.
const ROOM: u64 = 600;

/// A line of a request is about to be written: where the buffer is so full that what is injected may find no room, its slice is cut behind
/// what is in it. So the line makes the writer flush, and the whole buffer is there for the rest; [`inject`] gives the slice its length
/// back.
///
/// A length at most as large as the capacity is a slice like any other.
pub fn make_room<T: Target>(target: &T, config: &HttpClientConfig) -> Done {
    let registers = target.registers();
    let (table, writer) = (registers.argument(0), registers.argument(1));
    if table != config.buffered_writer.get().wrapping_add(target.load_bias()) {
        return Err(Missed::NothingToDo);
    }
    let words: [u64; WRITER_WORDS] = target.read(writer).ok_or(Missed::NothingToDo)?;
    let at = |offset: u32| word(&words, offset);
    let (buffer, size) = (at(config.buffer.get()), at(config.buffer.get() + 8));
    let (capacity, count) = (at(config.buffer.get() + 16), at(config.buffered.get()));
    let is_writer = size <= capacity && count <= size && capacity >= 4 * ROOM;
    // Once is enough: the line that comes next flushes.
    let is_full = count != 0 && size == capacity && capacity - count < ROOM;
    if !is_writer || !is_full || target.read::<u8>(buffer.wrapping_add(count).wrapping_sub(1)) != Some(b'\n') {
        return Err(Missed::NothingToDo);
    }
    target.store(writer.wrapping_add(config.buffer.get().into()).wrapping_add(8), &count.to_le_bytes());
    Ok(())
}

/// The commands of a slot whose text is at [`TEXT`]: the number of buffered bytes, by address and value, and the text, by address
/// and length.
#[inline(always)]
fn command(slot: &mut Slot, (count_at, count): (u64, u64), (text_at, length): (u64, u64)) {
    slot.length = 2;
    slot.words[0] = count_at;
    slot.words[1] = 8;
    slot.words[2] = count;
    slot.words[3] = text_at;
    slot.words[4] = length;
}

/// Words of a `bufio.Writer`, which are read at once.
pub const WRITER_WORDS: usize = 8;

/// Where the text begins in the slot: behind one command of three words, and the first two words of its own.
const TEXT: usize = 5;
