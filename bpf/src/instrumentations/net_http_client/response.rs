//! A round trip ends: what is reported of the response, or of the error.

use crate::go::results;
use crate::go::string::GoString;
use crate::go::words::word;
use crate::missed::{Done, Missed};
use crate::records::http_client::HttpClientEnd;
use crate::records::{RecordHeader, kind};
use crate::target::Target;
use crate::trace::client::{ClientCall, Injection};

/// A round trip may have ended; `number` is that of the recipe.
#[inline(always)]
pub fn end<T: Target>(target: &T, number: u32) -> Done {
    let address = target.registers().goroutine;
    let goroutine = target.goroutine(address).ok_or(Missed::NothingToDo)?;
    if goroutine.client.open == 0 {
        return Err(Missed::NothingToDo);
    }
    let [response, error_table, error] =
        results::read_by(target, target.http_client_ends(), number).ok_or(Missed::NothingToDo)?;
    if goroutine.client.nested != 0 {
        goroutine.client.nested -= 1;
        return Err(Missed::NothingToDo);
    }
    goroutine.client.open = 0;
    let ClientCall { injection, header: map, .. } = &mut goroutine.client;
    // Once the request is done with, another one may have its map.
    if *map != 0
        && let Some(sent) = target.injection(*map)
        && sent.span.span_id == injection.span.span_id
    {
        injection.writes = sent.writes;
        sent.peer.copy_to(&mut injection.peer);
        target.forget_injection(*map);
    }
    if goroutine.client.injection.span.trace_flags & 1 == 0 {
        return Err(Missed::NothingToDo);
    }
    if !(goroutine.is_held_by(address) & goroutine.client.is_of(address)) {
        return Err(Missed::Evicted);
    }
    report_end(target, &goroutine.client.injection, response, error_table, error)
}

/// Words of a `http.Response` that are read at once.
pub const RESPONSE_WORDS: usize = 12;

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_end<T: Target>(target: &T, injection: &Injection, response: u64, error_table: u64, error: u64) -> Done {
    let span = &injection.span;
    let config = target.http_client();
    let time = target.now();
    let record = target.reserve::<HttpClientEnd>()?;
    record.header = RecordHeader { kind: kind::HTTP_CLIENT_END, size: size_of::<HttpClientEnd>() as u32 };
    record.time = time;
    record.span_id = span.span_id;
    // At once; zeros where there is no response, that the verifier does not know.
    let mut words = [target.opaque(0); RESPONSE_WORDS];
    if response != 0 {
        target.read_prefix(response, (RESPONSE_WORDS * 8) as u32, &mut words);
    }
    let number = |offset: u32| word(&words, offset);
    record.status = number(config.status_code.get()) as u32;
    record.proto_major = number(config.proto_major.get()) as u16;
    record.proto_minor = number(config.proto_minor.get()) as u16;
    record.content_length = number(config.response_length.get()).cast_signed();
    // `itab.Type` (`internal/abi.ITab`).
    record.error_type = if error_table == 0 { target.opaque(0) } else { target.read_or_zero(error_table + 8) };
    record.writes = injection.writes;
    injection.peer.copy_to(&mut record.peer);
    record.message.length = 0;
    record.error = [0; 3];
    if error_table != 0 {
        record.error = target.read_or_zero(error);
        GoString { address: record.error[0], length: record.error[1] }.copy_to(target, &mut record.message);
    }
    target.submit(record, span.span_id[0].is_multiple_of(8));
    Ok(())
}
