//! The client of gRPC: the context of a call is injected into its metadata, which are header fields of HTTP/2.
//!
//! `NewStream` makes the fields of a call, on its goroutine, and puts them into the list of what the connection is to write; the goroutine of the
//! connection encodes them one by one, in `writeHeader`, for a buffer of its own. The array of the fields is the same in both. There the program
//! hands on one more field, as in [`super::net_http_client`]: literal and without indexing, so that the dynamic tables of both sides stay in step.
//!
//! match-go: v1.30.0..v1.77.0: google.golang.org/grpc/internal/transport.(*http2Client).NewStream(t, ctx, callHdr)
//! match-go: v1.83.2..: google.golang.org/grpc/internal/transport.(*http2Client).NewStream(t, ctx, callHdr, handler)
//! match-go: v1.30.0..: google.golang.org/grpc.(*csAttempt).newStream(a)
//! match-go: v1.30.0..: google.golang.org/grpc/internal/transport.(*controlBuffer).executeAndPut(c, f, it)
//! match-go: v1.30.0..v1.50.0: google.golang.org/grpc/internal/transport.(*loopyWriter).originateStream(l, str)
//! match-go: v1.60.0..v1.77.0: google.golang.org/grpc/internal/transport.(*loopyWriter).originateStream(l, str, hdr)
//! match-go: v1.30.0..: google.golang.org/grpc/internal/transport.(*loopyWriter).writeHeader(l, streamID, endStream, hf, onWrite)

use crate::config::grpc::{GrpcClientConfig, event};
use crate::config::operations::flag;
use crate::config::propagator;
use crate::go::abi::FRAME_POINTER;
use crate::go::header::{self, InPlace};
use crate::instrumentations::text;
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::scratch::Scratch;
use crate::slots::site;
use crate::target::Target;
use crate::trace::goroutine::Goroutine;
use crate::trace::{frames, injection, proxied, remote};
use crate::write;

/// From where the frame pointer of a method points to, to its receiver's place: the frame pointer of before and the return address are between.
const RECEIVER: u64 = 16;
/// Bytes of which limits of peers for lists of header fields are multiples: 8 KiB by gRPC in Java (`GrpcUtil.DEFAULT_MAX_HEADER_LIST_SIZE`),
/// softly in C (`GRPC_ARG_MAX_METADATA_SIZE`) and in Go to come (`upcomingDefaultHeaderListSize`), 16 KiB hard in C, 16 MiB in Go
/// (`defaultServerMaxHeaderListSize`).
const LIMITS: u64 = 8 << 10;

/// Any probe of the client that is no operation's; the cookie says which.
#[inline(always)]
pub fn any<T: Target>(target: &T, config: &GrpcClientConfig) -> Done {
    match target.cookie().event {
        event::FIELDS => queue(target, config),
        _ => inject(target, config),
    }
}

/// The header fields of a call are about to be handed over: remembers what is to be injected behind them. That may be tried again where the
/// connection has too many calls.
#[inline(always)]
fn queue<T: Target>(target: &T, config: &GrpcClientConfig) -> Done {
    let item = target.registers().argument(3);
    let [fields, count]: [u64; 2] = target.read(item.wrapping_add(config.fields.get().into())).ok_or(Missed::NothingToDo)?;
    if fields == 0 {
        return Err(Missed::NothingToDo);
    }
    let queued = queue_fields(target, config, fields, count);
    if queued.is_err() {
        // A call whose array stood here may have ended before it was written.
        target.forget_injection(fields);
    }
    queued
}

#[inline(always)]
fn queue_fields<T: Target>(target: &T, config: &GrpcClientConfig, fields: u64, count: u64) -> Done {
    let address = target.registers().goroutine();
    let goroutine = target.goroutine(address).ok_or(Missed::NothingToDo)?;
    let open = goroutine.frames();
    if open == 0 {
        return Err(Missed::NothingToDo);
    }
    let own = frames::key(address, open - 1);
    let frame = target.frame(own).ok_or(Missed::NothingToDo)?;
    let recipe = target.operation(frame.operation.get()).ok_or(Missed::NothingToDo)?;
    if recipe.flags & flag::INJECTS == 0 {
        return Err(Missed::NothingToDo);
    }
    if recipe.flags & flag::STAYS != 0
        && let Some(call) = call(target, config)
    {
        frame.object.set(call);
    }
    target.with_scratch(|scratch| {
        let texts = frame.texts.get();
        if !frame.span.copy_of(own, &mut scratch.span) {
            return Err(Missed::Evicted);
        }
        let came = scratch.span.propagation;
        let remembered = remember(target, scratch, goroutine, &Call { fields, count, texts });
        if scratch.span.propagation & propagator::COPIED != 0 {
            // Another attempt may be made where nothing is served.
            scratch.span.propagation = came | propagator::COPIED;
            frame.span.set(&scratch.span, own);
        }
        remembered
    })
}

/// The `*clientStream` of which an attempt is made: that of the attempt whose method has called this one. Before its frame, as it has set up the
/// frame pointer, lie its own return address and its receiver.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn call<T: Target>(target: &T, config: &GrpcClientConfig) -> Option<u64> {
    let [caller, back]: [u64; 2] = target.read(target.registers().integers[FRAME_POINTER])?;
    let first = config.attempt.get().wrapping_add(target.load_bias());
    if back.wrapping_sub(first) >= config.attempt_length.get() {
        return None;
    }
    let attempt: u64 = target.read(caller.wrapping_add(RECEIVER))?;
    target.read(attempt.wrapping_add(config.call.get().into()))
}

/// A call whose header fields have been made.
struct Call {
    /// Their array.
    fields: u64,
    count: u64,
    /// Under which number the texts are remembered that go with it.
    texts: u64,
}

/// Remembers it by the address of the array. What the program has set itself stays the only one of its kind.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn remember<T: Target>(target: &T, scratch: &mut Scratch, goroutine: &Goroutine, call: &Call) -> Done {
    let Scratch { span, headers, injection, remote, .. } = scratch;
    let Call { fields, count, texts } = *call;
    let size = header::find_in_fields(target, fields, count, header::lengths(target.propagators()), headers);
    // A proxy that copies the metadata of the call that it serves has not named a parent.
    remote::extract::<_, InPlace>(target, &headers.found, remote);
    let was_copied = span.propagation & propagator::COPIED != 0;
    let is_copied = was_copied || remote.found != 0 && proxied::is_copied(target, goroutine, remote);
    span.propagation = injection::to_inject(target.propagators(), span.propagation, &headers.found, is_copied);
    if span.propagation == 0 {
        return Err(Missed::NothingToDo);
    }
    // A list that a peer takes must not become one that it refuses.
    let added = text::list_size(injection::anew(target.propagators(), span.propagation));
    // Of a list that is as long as a limit, the last byte is within.
    let last = size.wrapping_sub(1);
    if size == u64::MAX || last / LIMITS != last.wrapping_add(added) / LIMITS {
        return Err(Missed::NotInjected);
    }
    injection.span.set(span, fields);
    injection.extracted.set(texts);
    injection.reset();
    target.set_injection(fields, injection);
    Ok(())
}

/// Header fields are about to be encoded, by the goroutine of the connection: nobody else writes to its buffer.
#[inline(always)]
fn inject<T: Target>(target: &T, config: &GrpcClientConfig) -> Done {
    let registers = target.registers();
    let (writer, fields, goroutine) = (registers.argument(0), registers.argument(3), registers.goroutine());
    // What a call before has left behind is not written here, whatever comes of this one.
    write::release(target, goroutine, site::HEADER_FIELDS);
    let injection = target.injection(fields).ok_or(Missed::NothingToDo)?;
    let mut span = SpanIdentity::NONE;
    let is_its = injection.span.copy_of(fields, &mut span);
    let extracted = injection.extracted.get();
    target.forget_injection(fields);
    if !is_its {
        return Err(Missed::NotInjected);
    }
    let encoder: u64 = target.read(writer.wrapping_add(config.encoder.get().into())).ok_or(Missed::NotInjected)?;
    let buffer: u64 = target.read(writer.wrapping_add(config.buffer.get().into())).ok_or(Missed::NotInjected)?;
    // The data pointer of the interface: the encoder writes to this buffer.
    if target.read::<u64>(encoder.wrapping_add(config.writer.get().into()).wrapping_add(8)) != Some(buffer) {
        return Err(Missed::NotInjected);
    }
    let claimed = write::claim(target, goroutine, site::HEADER_FIELDS, target.now()).ok_or(Missed::NotInjected)?;
    let slot = &mut *claimed.slot;
    // As `meant_for` numbers them; no connection hands the whole on.
    slot.meant_for = [encoder, buffer, 0];
    slot.drops = target.opaque(injection::dropped(target.propagators(), span.propagation));
    span.propagation = injection::anew(target.propagators(), span.propagation);
    text::compose::<T, true, 0>(target, slot, &span, extracted);
    claimed.publish();
    Ok(())
}

#[cfg(test)]
mod tests;
