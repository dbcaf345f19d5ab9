//! The end of a request: its status and its size, or the panic that ended it and the process.

#![expect(clippy::cast_possible_truncation, reason = "a status is cut to what a record holds")]

use crate::config::fasthttp_server::{FasthttpServerConfig, event};
use crate::go::panic::{self, Panic};
use crate::go::string::GoString;
use crate::go::words;
use crate::instrumentations::serving;
use crate::missed::{Done, Missed};
use crate::records::http_server::{CAPACITY, HttpServerEnd, HttpServerPanic, end_flag};
use crate::records::{SpanIdentity, kind};
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
        serving::close(target, scratch, goroutine, (number, operation), time, holder)?;
        if event == u64::from(event::PANIC)
            && let Some(panic) = panic::current(target, &config.panic, holder)
        {
            return report_panic(target, time, scratch, panic);
        }
        report_end(target, config, time, scratch, (event, argument))
    });
    if ended == Err(Missed::NoRoom) {
        // Nobody's parent any more.
        goroutine.close(target, number);
    }
    ended
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_end<T: Target>(
    target: &T,
    config: &FasthttpServerConfig,
    time: u64,
    scratch: &mut Scratch,
    (event, argument): (u64, u64),
) -> Done {
    let Scratch { span, record, .. } = scratch;
    record.length = target.opaque(size_of::<HttpServerEnd>() as u64);
    let head: &mut HttpServerEnd = record.head();
    fill(target, head, time, span);
    if event == u64::from(event::HIJACKED) {
        head.flags = end_flag::HIJACKED;
    } else if event < u64::from(event::HIJACKED) {
        let is_context = event == u64::from(event::END) || event == u64::from(event::ERROR);
        let within = if is_context { config.response.get() } else { 0 };
        answered(target, config, argument.wrapping_add(within.into()), head);
    }
    // One in eight looks whether the launcher must be woken; the span id is random.
    record.submit(target, kind::HTTP_SERVER_END, span.span_id[0].is_multiple_of(8))
}

/// Fills the head of an end, of which the response is not known.
#[inline(always)]
fn fill<T: Target>(target: &T, head: &mut HttpServerEnd, time: u64, span: &SpanIdentity) {
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
}

/// Notes what is about to be written. The size is -1 where the body is a stream.
#[inline(always)]
fn answered<M: Memory>(memory: &M, config: &FasthttpServerConfig, response: u64, head: &mut HttpServerEnd) {
    let field = |offset: u32| response.wrapping_add(offset.into());
    let Some(status) = memory.read::<u64>(field(config.status.get())) else {
        return;
    };
    head.status = status as u32;
    head.flags = 0;
    let stream: u64 = memory.read_or_zero(field(config.body_stream.get()));
    let [raw, raw_length]: [u64; 2] = memory.read_or_zero(field(config.body_raw.get()));
    head.body_size = if stream != 0 {
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
fn report_panic<T: Target>(target: &T, time: u64, scratch: &mut Scratch, panic: Panic) -> Done {
    let Scratch { span, record, .. } = scratch;
    let value = words::held(target, panic.data);
    record.length = target.opaque(size_of::<HttpServerPanic>() as u64);
    let message = record.append(target, GoString { address: value[0], length: value[1] }, CAPACITY);
    let head: &mut HttpServerPanic = record.head();
    fill(target, &mut head.end, time, span);
    head.end.message_length = message;
    head.value_type = panic.value_type;
    head.value = value;
    record.submit(target, kind::HTTP_SERVER_PANIC, true)
}
