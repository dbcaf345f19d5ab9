//! The end of a request: its status, its size, its pattern, or the panic that ended it.

#![expect(clippy::cast_possible_truncation, reason = "a status is cut to what a record holds")]

use core::mem::MaybeUninit;

use crate::config::ABSENT;
use crate::config::http_server::{Http2WriterLayout, HttpServerConfig, event};
use crate::go::panic::{self, Panic};
use crate::go::string::GoString;
use crate::go::words::{self, word};
use crate::instrumentations::serving;
use crate::missed::{Done, Missed};
use crate::records::http_server::{CAPACITY, HttpServerEnd, HttpServerPanic, PATTERNS, TEXTS, end_flag};
use crate::records::{Append, RecordBuffer, kind};
use crate::scratch::Scratch;
use crate::target::{Memory, Target};
use crate::trace::goroutine::{Goroutine, unopened};
use crate::trace::operation::Operation;
use crate::trace::{operation, unwinding};

/// What is remembered of a request, as of the moment when it ends.
#[derive(Clone, Copy)]
pub(super) struct Served {
    /// Which server: one of [`operation::kind`].
    pub(super) kind: u32,
    /// The `*http.Request` whose pattern is read; 0 where there is none.
    pub(super) request: u64,
    /// The response writer.
    pub(super) writer: u64,
    /// The patterns that muxes have found.
    pub(super) routes: [GoString; PATTERNS],
}

impl Served {
    #[inline(always)]
    pub(super) fn of(goroutine: &Goroutine, operation: &Operation) -> Self {
        let [request, writer] = &operation.words;
        Self { kind: operation.kind.get(), request: request.get(), writer: writer.get(), routes: goroutine.routes() }
    }
}

/// The end of a request: [`event::END`], [`event::END_HTTP2`] or [`event::UNWIND`].
#[inline(always)]
pub fn end<T: Target>(target: &T, config: &HttpServerConfig, event: u32) -> Done {
    let time = target.now();
    let holder = target.registers().goroutine();
    let Some(goroutine) = target.goroutine(holder) else {
        // Every start makes room for its goroutine; but not every connection has a request.
        return Err(if event == event::UNWIND { Missed::NothingToDo } else { Missed::Evicted });
    };
    let Some((number, operation)) = goroutine.served() else {
        let missed = goroutine.end_without_operation(unopened::SERVED);
        return Err(if event == event::UNWIND { Missed::NothingToDo } else { missed });
    };
    if target.parents().has_frames.get() != 0 && goroutine.frames() != 0 {
        // By a panic that somebody has recovered from, or that unwinds the handler too.
        unwinding::all_unwound(target, goroutine, holder, time);
    }
    // Not the number itself: the verifier knows it by now, and would follow what comes behind for each.
    let event = target.opaque(event.into());
    let ended = target.with_scratch(|scratch| {
        let served = Served::of(goroutine, operation);
        serving::close(target, scratch, goroutine, (number, operation), time, holder)?;
        let mut flags = 0;
        if event != u64::from(event::END) {
            match panic::current(target, &config.panic, holder) {
                Some(panic) if !panic.goexit => return report_panic(target, config, time, scratch, (&served, panic)),
                Some(_goexit) => flags = end_flag::GOEXIT,
                None => {}
            }
        }
        report_end(target, config, time, scratch, &served, flags)
    });
    if ended == Err(Missed::NoRoom) {
        // Nobody's parent any more.
        goroutine.close(target, number);
    }
    ended
}

#[inline(always)]
fn report_end<T: Target>(
    target: &T,
    config: &HttpServerConfig,
    time: u64,
    scratch: &mut Scratch,
    served: &Served,
    flags: u32,
) -> Done {
    let Scratch { span, record, texts, .. } = scratch;
    record.length = target.opaque(size_of::<HttpServerEnd>() as u64);
    append_patterns(target, config, served, (texts, record));
    let head: &mut HttpServerEnd = record.head();
    fill_end(target, config, head, served);
    head.time = time;
    head.flags |= flags;
    head.span_id = span.span_id;
    set_lengths(head, texts);
    // One in eight looks whether the launcher must be woken; the span id is random.
    record.submit(target, kind::HTTP_SERVER_END, span.span_id[0].is_multiple_of(8))
}

/// A call of its own in BPF: panics are rare, and its stack is free again when it returns. With five parameters: Linux 7.2 wants a sixth
/// on the stack, even where the compiler leaves one out.
#[inline(never)]
fn report_panic<T: Target>(
    target: &T,
    config: &HttpServerConfig,
    time: u64,
    scratch: &mut Scratch,
    (served, panic): (&Served, Panic),
) -> Done {
    let Scratch { span, record, texts, .. } = scratch;
    let value = words::held(target, panic.data);
    record.length = target.opaque(size_of::<HttpServerPanic>() as u64);
    append_patterns(target, config, served, (texts, record));
    let message = record.append(target, GoString { address: value[0], length: value[1] }, CAPACITY);
    let head: &mut HttpServerPanic = record.head();
    fill_end(target, config, &mut head.end, served);
    head.end.time = time;
    head.end.span_id = span.span_id;
    set_lengths(&mut head.end, texts);
    head.end.message_length = message;
    head.value_type = panic.value_type;
    head.value = value;
    record.submit(target, kind::HTTP_SERVER_PANIC, true)
}

/// Fills the head of a record with what is known of the response: all but the time, the span and the patterns' lengths.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub(super) fn fill_end<T: Target>(target: &T, config: &HttpServerConfig, head: &mut HttpServerEnd, served: &Served) {
    let (status, body_size, flags) = match served.kind {
        operation::kind::HTTP1_SERVER => http1_response(target, config, served.writer),
        operation::kind::XNET_SERVER => http2_response(target, &config.xnet_writer, served.writer),
        _ => http2_response(target, &config.http2_writer, served.writer),
    };
    head.status = status;
    head.body_size = body_size;
    head.flags = flags;
    head.message_length = 0;
    head.padding = 0;
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
    let words = memory.read_into(address.wrapping_add(from.into()), &mut words)?;
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
    let connection: u64 = memory.read_or_zero(writer.wrapping_add(layout.conn.get().into()));
    let hijacked: u8 = memory.read_or_zero(connection.wrapping_add(layout.hijacked.get().into()));
    (0, written, if hijacked == 0 { 0 } else { end_flag::HIJACKED })
}

/// Status, body size and flags of an HTTP/2 `responseWriter`.
#[inline(always)]
fn http2_response<M: Memory>(memory: &M, layout: &Http2WriterLayout, writer: u64) -> (u32, i64, u32) {
    let state: u64 = memory.read_or_zero(writer.wrapping_add(layout.rws.get().into()));
    match status_and_size(memory, state, layout.status.get(), layout.wrote_bytes.get()) {
        Some((status, written)) => (status, written, 0),
        None => UNREADABLE,
    }
}

/// The pattern that `ServeMux` noted in the request (`Request.Pattern`, Go ≥ 1.23; `Request.pat.str`, Go 1.22).
#[inline(always)]
fn pattern<M: Memory>(memory: &M, config: &HttpServerConfig, request: u64) -> GoString {
    let (pattern, pat) = (config.request.pattern.get(), config.request.pat.get());
    let address = if request == 0 {
        0
    } else if pattern != ABSENT {
        request.wrapping_add(pattern.into())
    } else if pat != ABSENT {
        match memory.read::<u64>(request.wrapping_add(pat.into())) {
            Some(pat) if pat != 0 => pat.wrapping_add(config.pattern_str.get().into()),
            Some(_) | None => 0,
        }
    } else {
        0
    };
    if address == 0 { GoString::none(memory) } else { GoString::at(memory, address) }
}

static PATTERN_CAPACITIES: [u32; PATTERNS] = [CAPACITY; PATTERNS];

/// Appends the pattern that was noted in the request, else the one that a mux has found, and those that muxes within have found. Counts
/// whether the innermost is noted in the request, where a mux has found one.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub(super) fn append_patterns<T: Target>(
    target: &T,
    config: &HttpServerConfig,
    served: &Served,
    (texts, record): (&mut [GoString; TEXTS], &mut RecordBuffer),
) {
    let noted = pattern(target, config, served.request);
    let [outermost, within @ ..] = &served.routes;
    // A mux within notes it where the one around has noted its own, unless it was given another request.
    let innermost = within.iter().fold(noted.address, |last, inner| if inner.length == 0 { last } else { inner.address });
    let is_noted = (noted.length != 0) & (target.opaque(innermost) == noted.address);
    if outermost.length != 0 {
        target.count_route(is_noted);
    }
    let Some(strings) = texts.first_chunk_mut::<PATTERNS>() else {
        return;
    };
    let counts = target.opaque((!is_noted).into());
    for (string, inner) in strings.iter_mut().skip(1).zip(within) {
        *string = GoString { address: inner.address, length: inner.length.wrapping_mul(counts) };
    }
    let [first, ..] = &mut *strings;
    *first = if noted.length != 0 { noted } else { *outermost };
    target.repeat(PATTERNS as u32, &mut Append { record, strings, capacities: &PATTERN_CAPACITIES, next: target.opaque(0) });
}

/// Sets the lengths of the patterns, which have been appended.
#[inline(always)]
pub(super) fn set_lengths(head: &mut HttpServerEnd, texts: &[GoString; TEXTS]) {
    for (length, pattern) in head.pattern_lengths.iter_mut().zip(texts) {
        *length = pattern.length as u32;
    }
}
