//! A round trip ends: what is reported of the response, or of the error.

#![expect(clippy::cast_possible_truncation, reason = "numbers of the process that are cut to what a record holds")]

use crate::config::http_client::HttpClientConfig;
use crate::go::results;
use crate::go::string::GoString;
use crate::go::words::{self, word};
use crate::missed::{Done, Missed};
use crate::records::http_client::{CAPACITY, HttpClientEnd};
use crate::records::kind;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::trace::goroutine::{Goroutine, unopened};
use crate::trace::operation::{self, Operation};

/// A round trip may have ended; the cookie has the number of the recipe that says so.
#[inline(always)]
pub fn end<T: Target>(target: &T, config: &HttpClientConfig) -> Done {
    let holder = target.registers().goroutine();
    let [response, error_table, error] = results::read_by(target, target.cookie().recipe).ok_or(Missed::NothingToDo)?;
    // Every start makes room for its goroutine.
    let goroutine = target.goroutine(holder).ok_or(Missed::Evicted)?;
    let Some((number, operation)) = goroutine.round_trip() else {
        return Err(goroutine.end_without_operation(unopened::ROUND_TRIP));
    };
    let nested = operation.nested.get();
    if nested != 0 {
        operation.nested.set(nested - 1);
        return Err(Missed::NothingToDo);
    }
    let ended = target.with_scratch(|scratch| {
        close(target, scratch, goroutine, (number, operation), holder)?;
        report_end(target, config, scratch, &Outcome { response, error_table, error })
    });
    if ended == Err(Missed::NoRoom) {
        goroutine.close(target, number);
    }
    ended
}

/// Closes the operation of a goroutine, and leaves its span, and to whom it was sent, in `scratch`. An error where there is nothing to
/// be reported.
#[inline(always)]
fn close<T: Target>(
    target: &T,
    scratch: &mut Scratch,
    goroutine: &Goroutine,
    (number, operation): (u32, &Operation),
    holder: u64,
) -> Done {
    let is_ours = operation.span.copy_of(holder, &mut scratch.span);
    let (began, is_reported, carrier) = (operation.began.get(), operation.is_reported.get(), operation.object.get());
    // What another goroutine has by now is not closed by this one's end.
    if !(is_ours & goroutine.is_held_by(holder)) {
        return Err(Missed::Evicted);
    }
    if !take_injection(target, scratch, carrier) {
        // Another request has its map.
        operation.object.set(target.opaque(0));
    }
    goroutine.close(target, number);
    if scratch.span.trace_flags & 1 == 0 {
        target.count_unsampled(operation::kind::HTTP_CLIENT, target.now().wrapping_sub(began));
        return Err(Missed::NothingToDo);
    }
    if is_reported == 0 { Err(Missed::NothingToDo) } else { Ok(()) }
}

/// Notes how often the request with this carrier was written, and to whom. False where the carrier has another request's span.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn take_injection<T: Target>(target: &T, scratch: &mut Scratch, carrier: u64) -> bool {
    let Scratch { injection: taken, span, search, .. } = scratch;
    taken.reset();
    let Some(injection) = target.injection(carrier) else {
        return false;
    };
    let (writes, peer) = (injection.writes.get(), injection.peer());
    // Behind them: what was read is of this span.
    if !injection.span.copy_of(carrier, &mut search.parent) || search.parent.span_id != span.span_id {
        return false;
    }
    taken.writes.set(writes);
    taken.set_peer(peer);
    true
}

/// What a round trip returns.
struct Outcome {
    /// The `*http.Response`.
    response: u64,
    /// The error: address of its itab; 0 where there is none.
    error_table: u64,
    /// Its data pointer.
    error: u64,
}

/// Words of a `http.Response` that are read at once.
pub const RESPONSE_WORDS: usize = 12;

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_end<T: Target>(target: &T, config: &HttpClientConfig, scratch: &mut Scratch, outcome: &Outcome) -> Done {
    let time = target.now();
    let Outcome { response, error_table, error } = *outcome;
    let Scratch { span, injection, record, .. } = scratch;
    let nothing = target.opaque(0);
    // `itab.Type` (`internal/abi.ITab`).
    let (mut error_type, mut words) = (nothing, [nothing; 3]);
    record.length = target.opaque(size_of::<HttpClientEnd>() as u64);
    let mut message = nothing as u32;
    if error_table != 0 {
        error_type = target.read_or_zero(error_table.wrapping_add(8));
        words = words::held(target, error);
        message = record.append(target, GoString { address: words[0], length: words[1] }, CAPACITY);
    }
    // At once; zeros where there is no response, that the verifier does not know.
    let mut fields = [nothing; RESPONSE_WORDS];
    if response != 0 {
        target.read_prefix(response, (RESPONSE_WORDS * 8) as u32, &mut fields);
    }
    let number = |offset: u32| word(&fields, offset);
    let head: &mut HttpClientEnd = record.head();
    head.time = time;
    head.span_id = span.span_id;
    head.status = number(config.status_code.get()) as u32;
    head.proto_major = number(config.proto_major.get()) as u16;
    head.proto_minor = number(config.proto_minor.get()) as u16;
    head.content_length = number(config.response_length.get()).cast_signed();
    head.error_type = error_type;
    head.error = words;
    head.writes = injection.writes.get();
    head.peer = injection.peer();
    head.message_length = message;
    head.padding = 0;
    // One in eight looks whether the launcher must be woken; the span id is random.
    record.submit(target, kind::HTTP_CLIENT_END, span.span_id[0].is_multiple_of(8))
}
