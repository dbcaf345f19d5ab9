//! The end of a request: its status, its size, its pattern, or the panic that ended it.

#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes of records, and numbers of the program that are cut to what a record holds"
)]

use core::mem::MaybeUninit;

use super::Server;
use crate::config::{ABSENT, Http2WriterLayout, HttpServerConfig, cookie};
use crate::go::panic::{self, Panic};
use crate::go::string::GoString;
use crate::go::words::word;
use crate::missed::{Done, Missed};
use crate::records::{HttpServerEnd, HttpServerPanic, RecordHeader, Text, end_flag, kind};
use crate::target::{Memory, Target};
use crate::trace::{Goroutine, parents};

/// The end of a request, at the site [`cookie::END`] or [`cookie::UNWIND`].
#[inline(always)]
pub fn end<T: Target>(target: &T, site: u32) -> Done {
    let time = target.now();
    let holder = target.registers().goroutine;
    // Every start makes room for its goroutine; but not every connection has a request.
    let missing = if site == cookie::END { Missed::Evicted } else { Missed::NothingToDo };
    let goroutine = target.goroutine(holder).ok_or(missing)?;
    close(target, goroutine, time)?;
    let mut flags = 0;
    if site == cookie::UNWIND {
        match panic::current(target, &target.http_server().panic, holder) {
            Some(panic) if !panic.goexit => return report_panic(target, time, goroutine, panic),
            Some(_goexit) => flags = end_flag::GOEXIT,
            None => {}
        }
    }
    report_end(target, time, goroutine, flags)
}

/// Closes the operation of a goroutine. An error where it has none that is open and sampled.
#[inline(always)]
fn close<T: Target>(target: &T, goroutine: &mut Goroutine, now: u64) -> Done {
    if goroutine.open == 0 {
        return Err(Missed::NothingToDo);
    }
    goroutine.open = 0;
    // A round trip that the handler's panic has unwound.
    goroutine.client.abandon(target);
    if goroutine.context != 0 {
        goroutine.answered(target);
        parents::sweep(target, now);
    }
    if !goroutine.is_of(target.registers().goroutine) {
        return Err(Missed::Evicted);
    }
    if goroutine.span.trace_flags & 1 == 0 { Err(Missed::NothingToDo) } else { Ok(()) }
}

#[inline(always)]
fn report_end<T: Target>(target: &T, time: u64, goroutine: &Goroutine, flags: u32) -> Done {
    let record = target.reserve::<HttpServerEnd>()?;
    record.header = RecordHeader { kind: kind::HTTP_SERVER_END, size: size_of::<HttpServerEnd>() as u32 };
    fill_end(target, record, time, goroutine, flags);
    if !goroutine.is_of(target.registers().goroutine) {
        target.discard(record);
        return Err(Missed::Evicted);
    }
    // One in eight looks whether the launcher must be woken; the span id is random.
    target.submit(record, goroutine.span.span_id[0].is_multiple_of(8));
    Ok(())
}

#[inline(always)]
fn report_panic<T: Target>(target: &T, time: u64, goroutine: &Goroutine, panic: Panic) -> Done {
    let record = target.reserve::<HttpServerPanic>()?;
    record.end.header = RecordHeader { kind: kind::HTTP_SERVER_PANIC, size: size_of::<HttpServerPanic>() as u32 };
    fill_end(target, &mut record.end, time, goroutine, 0);
    record.value_type = panic.value_type;
    record.value = if let Some(words) = target.read(panic.data) {
        words
    } else {
        // A shorter value at the end of what is mapped.
        let [first, second] = target.read_or_zero(panic.data);
        [first, second, 0]
    };
    GoString { address: record.value[0], length: record.value[1] }.copy_to(target, &mut record.message);
    target.submit(record, true);
    Ok(())
}

#[inline(always)]
pub(super) fn fill_end<T: Target>(target: &T, record: &mut HttpServerEnd, time: u64, goroutine: &Goroutine, flags: u32) {
    let config = target.http_server();
    record.time = time;
    record.span_id = goroutine.span.span_id;
    let (status, body_size, more_flags) = if goroutine.server == Server::Http1 as u32 {
        http1_response(target, config, goroutine.writer)
    } else if goroutine.server == Server::Xnet as u32 {
        http2_response(target, &config.xnet_writer, goroutine.writer)
    } else {
        http2_response(target, &config.http2_writer, goroutine.writer)
    };
    record.status = status;
    record.body_size = body_size;
    record.flags = flags | more_flags;
    copy_pattern(target, config, goroutine.request, &mut record.pattern);
    if goroutine.route.length != 0 {
        let is_noted = record.pattern.length != 0;
        target.count_route(is_noted);
        if !is_noted {
            goroutine.route.copy_to(target, &mut record.pattern);
        }
    }
}

/// Words of a response writer that are read at once: its status and its number of bytes lie in them.
pub const RESPONSE_WORDS: usize = 4;

/// What stands for a response that cannot be read.
const UNREADABLE: (u32, i64, u32) = (0, 0, end_flag::RESPONSE_UNREADABLE);

/// The two fields of a response writer at `address`, read at once.
#[inline(always)]
fn status_and_size<M: Memory>(memory: &M, address: u64, status: u32, size: u32) -> Option<(u32, i64)> {
    let from = status.min(size);
    let mut words = MaybeUninit::<[u64; RESPONSE_WORDS]>::uninit();
    let words = memory.read_into(address + u64::from(from), &mut words)?;
    Some((word(words, status - from) as u32, word(words, size - from).cast_signed()))
}

/// Status, body size and flags of a `net/http.response`.
#[inline(always)]
fn http1_response<M: Memory>(memory: &M, config: &HttpServerConfig, writer: u64) -> (u32, i64, u32) {
    let layout = &config.response;
    let Some((status, written)) = status_and_size(memory, writer, layout.status.get(), layout.written.get()) else {
        return UNREADABLE;
    };
    if status != 0 {
        return (status, written, 0);
    }
    // Without a status: has the handler written nothing, or taken the connection?
    let connection: u64 = memory.read_or_zero(writer + u64::from(layout.conn.get()));
    let hijacked: u8 = memory.read_or_zero(connection + u64::from(layout.hijacked.get()));
    (0, written, if hijacked == 0 { 0 } else { end_flag::HIJACKED })
}

/// Status, body size and flags of an HTTP/2 `responseWriter`.
#[inline(always)]
fn http2_response<M: Memory>(memory: &M, layout: &Http2WriterLayout, writer: u64) -> (u32, i64, u32) {
    let state: u64 = memory.read_or_zero(writer + u64::from(layout.rws.get()));
    match status_and_size(memory, state, layout.status.get(), layout.wrote_bytes.get()) {
        Some((status, written)) => (status, written, 0),
        None => UNREADABLE,
    }
}

/// The pattern that `ServeMux` noted in the request (`Request.Pattern`, Go ≥ 1.23; `Request.pat.str`, Go 1.22).
#[inline(always)]
fn copy_pattern<M: Memory, const N: usize>(memory: &M, config: &HttpServerConfig, request: u64, text: &mut Text<N>) {
    let (pattern, pat) = (config.request.pattern.get(), config.request.pat.get());
    let address = if request == 0 {
        0
    } else if pattern != ABSENT {
        request + u64::from(pattern)
    } else if pat != ABSENT {
        match memory.read::<u64>(request + u64::from(pat)) {
            Some(pat) if pat != 0 => pat + u64::from(config.pattern_str.get()),
            Some(_) | None => 0,
        }
    } else {
        0
    };
    if address == 0 {
        text.length = 0;
    } else {
        GoString::at(memory, address).copy_to(memory, text);
    }
}
