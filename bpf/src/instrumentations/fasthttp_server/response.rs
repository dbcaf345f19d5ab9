//! The end of a request: its status, its size and its route, or the panic that ended it, and perhaps the process.

#![expect(clippy::cast_possible_truncation, reason = "a status is cut to what a record holds")]

use crate::config::ABSENT;
use crate::config::fasthttp_server::{FasthttpServerConfig, event};
use crate::go::panic::{self, Panic};
use crate::go::string::GoString;
use crate::go::words;
use crate::instrumentations::serving;
use crate::missed::{Done, Missed};
use crate::records::http_server::{CAPACITY, HttpServerEnd, HttpServerPanic, end_flag};
use crate::records::{RecordBuffer, kind};
use crate::scratch::Scratch;
use crate::target::{Memory, Target};
use crate::trace::goroutine::unopened;
use crate::trace::{operation, unwinding};

/// Any event but [`event::START`].
#[inline(always)]
pub(super) fn end<T: Target>(target: &T, config: &FasthttpServerConfig, event: u32) -> Done {
    let time = target.now();
    let registers = target.registers();
    let (argument, holder) = (registers.argument(0), registers.goroutine());
    // Elsewhere there need not be a request.
    let has_begun = event == event::END || event == event::END_RESPONSE;
    let Some(goroutine) = target.goroutine(holder) else {
        return Err(if has_begun { Missed::Evicted } else { Missed::NothingToDo });
    };
    let Some((number, operation)) = goroutine.served() else {
        let missed = goroutine.end_without_operation(unopened::SERVED);
        return Err(if has_begun { missed } else { Missed::NothingToDo });
    };
    if operation.kind.get() != operation::kind::FASTHTTP_SERVER {
        return Err(Missed::NothingToDo);
    }
    if target.parents().has_frames.get() != 0 && goroutine.frames() != 0 {
        // By a panic that somebody has recovered from, or that ends the process.
        unwinding::all_unwound(target, goroutine, holder, time);
    }
    // Not the number itself: the verifier knows it by now, and would follow what comes behind for each.
    let event = target.opaque(event.into());
    let ended = target.with_scratch(|scratch| {
        let [_, context] = &operation.words;
        let context = context.get();
        serving::close(target, scratch, goroutine, (number, operation), time, holder)?;
        let unwound = unwound(target, config, event, holder, &mut scratch.record);
        begin(target, config, time, scratch, context);
        if unwound == PANIC {
            return report_panic(target, scratch);
        }
        scratch.record.head::<HttpServerEnd>().flags |= unwound as u32;
        report_end(target, config, scratch, event, argument)
    });
    if ended == Err(Missed::NoRoom) {
        // Nobody's parent any more.
        goroutine.close(target, number);
    }
    ended
}

/// Notes what is answered, and hands the record over.
#[inline(always)]
fn report_end<T: Target>(target: &T, config: &FasthttpServerConfig, scratch: &mut Scratch, event: u64, argument: u64) -> Done {
    let Scratch { span, record, .. } = scratch;
    let head: &mut HttpServerEnd = record.head();
    if event == u64::from(event::HIJACKED) {
        head.flags = end_flag::HIJACKED;
    } else if event < u64::from(event::HIJACKED) {
        answered(target, config, event, argument, head);
    }
    // One in eight looks whether the launcher must be woken; the span id is random.
    record.submit(target, kind::HTTP_SERVER_END, span.span_id[0].is_multiple_of(8))
}

/// What [`unwound`] says of a panic.
const PANIC: u64 = 1 << 32;

/// What unwinds the request's handler: [`PANIC`], which is noted in the head of a record that is as long, [`end_flag::GOEXIT`], or nothing: then
/// the record is one of an end.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn unwound<T: Target>(target: &T, config: &FasthttpServerConfig, event: u64, holder: u64, record: &mut RecordBuffer) -> u64 {
    let (mut found, mut length) = (0, size_of::<HttpServerEnd>());
    if event >= u64::from(event::CLOSED)
        && let Some(Panic { value_type, data, goexit }) = panic::current(target, &config.panic, holder)
    {
        if goexit {
            found = end_flag::GOEXIT.into();
        } else {
            (found, length) = (PANIC, size_of::<HttpServerPanic>());
            let head: &mut HttpServerPanic = record.head();
            head.value_type = value_type;
            head.value[0] = data;
        }
    }
    record.length = target.opaque(length as u64);
    target.opaque(found)
}

/// Begins a record, whose length is that of its head: the route follows, and the head's end says that the response is not known.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn begin<T: Target>(target: &T, config: &FasthttpServerConfig, time: u64, scratch: &mut Scratch, context: u64) {
    let Scratch { span, record, .. } = scratch;
    let at = config.route.get();
    let route = if at == ABSENT {
        target.opaque(0) as u32
    } else {
        record.append(target, GoString::at(target, context.wrapping_add(at.into())), CAPACITY)
    };
    let head: &mut HttpServerEnd = record.head();
    head.time = time;
    head.span_id = span.span_id;
    head.body_size = 0;
    head.status = 0;
    head.flags = end_flag::RESPONSE_UNREADABLE;
    head.message_length = 0;
    head.padding = 0;
    for length in &mut head.pattern_lengths {
        // Not a constant: of constants the compiler makes a call of memset, which writes byte by byte.
        *length = target.opaque(0) as u32;
    }
    let [first, ..] = &mut head.pattern_lengths;
    *first = route;
}

/// Notes what is about to be written. The size is -1 where the body is a stream, or has been written already.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn answered<M: Memory>(memory: &M, config: &FasthttpServerConfig, event: u64, argument: u64, head: &mut HttpServerEnd) {
    let is_context = event == u64::from(event::END) || event == u64::from(event::ERROR);
    let within = if is_context { config.response.get() } else { 0 };
    let response = argument.wrapping_add(within.into());
    let field = |offset: u32| response.wrapping_add(offset.into());
    let Some(status) = memory.read::<u64>(field(config.status.get())) else {
        return;
    };
    head.status = status as u32;
    head.flags = 0;
    let stream: u64 = memory.read_or_zero(field(config.body_stream.get()));
    let writer = config.body_writer.get();
    let writer: u64 = if writer == ABSENT { 0 } else { memory.read_or_zero(field(writer)) };
    let [raw, raw_length]: [u64; 2] = memory.read_or_zero(field(config.body_raw.get()));
    head.body_size = if stream | writer != 0 {
        -1
    } else if raw != 0 {
        raw_length.cast_signed()
    } else {
        match memory.read_or_zero::<u64>(field(config.body.get())) {
            0 => 0,
            body => GoString::at(memory, body).length.cast_signed(),
        }
    };
}

/// A call of its own in BPF: panics are rare, and its stack is free again when it returns.
#[inline(never)]
fn report_panic<T: Target>(target: &T, scratch: &mut Scratch) -> Done {
    let Scratch { record, .. } = scratch;
    let HttpServerPanic { value: [data, ..], .. } = *record.head();
    let value = words::held(target, data);
    let message = record.append(target, GoString { address: value[0], length: value[1] }, CAPACITY);
    let head: &mut HttpServerPanic = record.head();
    head.end.message_length = message;
    head.value = value;
    record.submit(target, kind::HTTP_SERVER_PANIC, true)
}
