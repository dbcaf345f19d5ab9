//! The client of `net/http`: a span for each round trip, whose context is passed on to the server.
//!
//! match-go: 1.18..: net/http.(*Transport).roundTrip(t, req)
//! match-go: 1.18..: net/http.(*Request).write(r, w, usingProxy, extraHeaders, waitForContinue)
//! match-go: 1.18..: net/http.Header.writeSubset(h, w, exclude, trace)

#![expect(
    clippy::cast_possible_truncation,
    reason = "cookies, sizes of records, and numbers of the program that are cut to what a record holds"
)]

use core::mem::MaybeUninit;

use crate::config::http_client::{CLIENT_ENDS, HttpClientConfig, cookie};
use crate::go::header;
use crate::go::results;
use crate::go::string::GoString;
use crate::records::http_client::{CLIENT_TEXTS, ClientTexts, HttpClientEnd, HttpClientStart, LongClientTexts, ShortClientTexts};
use crate::records::{RecordHeader, SpanIdentity, kind};
use crate::slots::{Slot, bucket};
use crate::target::{Memory, Registers, Target};
use crate::trace::{Goroutine, sampling, traceparent};
use crate::write;

/// The detour of `Header.writeSubset`.
pub const WRITE_SUBSET: u32 = 0;
/// Bytes of the stack between the `CALL` and the detour: the return address and BP.
const AT_DETOUR: u64 = 16;

/// Any probe of the client; the cookie says which.
#[inline(always)]
pub fn any<T: Target>(target: &T) -> Option<()> {
    match target.cookie() as u32 {
        cookie::START => start(target),
        cookie::WRITE => pass_on(target),
        site => end(target, site.wrapping_sub(cookie::END)),
    }
}

/// A round trip begins.
#[inline(always)]
fn start<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [_, request, ..], goroutine: address } = target.registers();
    let config = target.http_client();
    let depth = depth(target, config, address);
    let goroutine = target.goroutine_or_new(address)?;
    if goroutine.client.open != 0 && depth > goroutine.client.depth {
        // A proxy function or a dialler that makes a request itself: part of this one.
        goroutine.client.nested += 1;
        return None;
    }
    let time = target.now();
    goroutine.client.open = 1;
    goroutine.client.depth = depth;
    goroutine.client.nested = 0;
    let at = |offset: u32| request + u64::from(offset);
    let map: u64 = target.read_or_zero(at(config.header.get()));
    header::find(target, &config.header_map, map, &mut goroutine.headers);
    let is_new = identify(target, goroutine);
    goroutine.client.header = if is_new { map } else { target.opaque(0) };
    if is_new {
        target.pass_on(map, &goroutine.client.span);
    }
    if goroutine.client.span.trace_flags & 1 != 0 {
        report_start(target, time, &goroutine.client.span, request);
    }
    Some(())
}

/// Bytes between the stack pointer and the upper end of the goroutine's stack.
#[inline(always)]
fn depth<T: Target>(target: &T, config: &HttpClientConfig, goroutine: u64) -> u64 {
    let high: u64 = target.read_or_zero(goroutine + u64::from(config.stack_high.get()));
    high.wrapping_sub(target.all_registers().stack_pointer)
}

/// Gives a new span its identity: under the request's own `traceparent` if the program has set one, else under what the
/// goroutine is doing. False where the program has set one, which stays.
#[inline(always)]
fn identify<T: Target>(target: &T, goroutine: &mut Goroutine) -> bool {
    let Goroutine { span: served, open, random, headers, client, .. } = goroutine;
    let value = GoString::first_of_slice(target, headers.found.trace_parent);
    let mut text = MaybeUninit::<[u8; traceparent::LENGTH]>::uninit();
    let parent = if value.length >= traceparent::LENGTH as u64
        && let Some(text) = target.read_into(value.address, &mut text)
    {
        traceparent::parse(text, value.length)
    } else {
        None
    };
    let span = &mut client.span;
    span.span_id = random.span_id();
    span.parent_is_remote = 0;
    let parent_sampled = if let Some(parent) = parent {
        span.trace_id = parent.trace_id;
        span.parent_span_id = parent.parent_id;
        Some(parent.flags & 1 != 0)
    } else if *open != 0 {
        span.trace_id = served.trace_id;
        span.parent_span_id = served.span_id;
        Some(served.trace_flags & 1 != 0)
    } else {
        span.trace_id = random.trace_id();
        span.parent_span_id = [0; 8];
        None
    };
    span.trace_flags = u8::from(sampling::is_sampled(target.sampler(), &span.trace_id, parent_sampled));
    value.length == 0
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_start<T: Target>(target: &T, time: u64, span: &SpanIdentity, request: u64) -> Option<()> {
    let strings = Strings::read(target, request);
    if strings.fit::<ShortClientTexts>() {
        let record = target.reserve::<HttpClientStart<ShortClientTexts>>()?;
        fill_start(target, record, kind::HTTP_CLIENT_START_SHORT, time, span, request);
        strings.copy_to_short(target, &mut record.texts);
        target.submit(record, false);
    } else {
        let record = target.reserve::<HttpClientStart<LongClientTexts>>()?;
        fill_start(target, record, kind::HTTP_CLIENT_START_LONG, time, span, request);
        strings.copy_to_long(target, &mut record.texts);
        target.submit(record, false);
    }
    Some(())
}

#[inline(always)]
fn fill_start<T: Target, Texts>(
    target: &T,
    record: &mut HttpClientStart<Texts>,
    kind: u32,
    time: u64,
    span: &SpanIdentity,
    request: u64,
) {
    let config = target.http_client();
    record.header = RecordHeader { kind, size: size_of::<HttpClientStart<Texts>>() as u32 };
    record.time = time;
    span.copy_to(&mut record.span);
    record.content_length = target.read_or_zero(request + u64::from(config.content_length.get()));
    let url: u64 = target.read_or_zero(request + u64::from(config.url.get()));
    record.has_user = u32::from(target.read_or_zero::<u64>(url + u64::from(config.user.get())) != 0);
}

/// The strings of a request, where they lie in the program: method, scheme, host, path, query.
struct Strings([GoString; CLIENT_TEXTS]);

macro_rules! copy_texts {
    ($name:ident, $texts:ty) => {
        #[inline(always)]
        fn $name<M: Memory>(&self, memory: &M, texts: &mut $texts) {
            let Self([method, scheme, host, path, query]) = self;
            method.copy_to(memory, &mut texts.method);
            scheme.copy_to(memory, &mut texts.scheme);
            host.copy_to(memory, &mut texts.host);
            path.copy_to(memory, &mut texts.path);
            query.copy_to(memory, &mut texts.query);
        }
    };
}

impl Strings {
    #[inline(always)]
    fn read<T: Target>(target: &T, request: u64) -> Self {
        let config = target.http_client();
        let url: u64 = target.read_or_zero(request + u64::from(config.url.get()));
        let of_url = |offset: u32| GoString::at(target, url + u64::from(offset));
        Self([
            GoString::at(target, request + u64::from(config.method.get())),
            of_url(config.scheme.get()),
            of_url(config.host.get()),
            of_url(config.path.get()),
            of_url(config.raw_query.get()),
        ])
    }

    #[inline(always)]
    fn fit<Texts: ClientTexts>(&self) -> bool {
        let mut fit = true;
        for (value, capacity) in self.0.iter().zip(Texts::capacities()) {
            fit &= value.length <= u64::from(capacity);
        }
        fit
    }

    copy_texts!(copy_to_short, ShortClientTexts);
    copy_texts!(copy_to_long, LongClientTexts);
}

/// A round trip may have ended; `number` is that of the recipe.
#[inline(always)]
fn end<T: Target>(target: &T, number: u32) -> Option<()> {
    let address = target.registers().goroutine;
    let goroutine = target.goroutine(address)?;
    if goroutine.client.open == 0 {
        return None;
    }
    // A number that the compiler does not know, so that the bound stays where the verifier sees it.
    let recipe = target.http_client_ends().get(target.opaque(u64::from(number)) & (CLIENT_ENDS as u64 - 1))?;
    let [response, error_table, error, ..] = results::read(target, recipe)?;
    if goroutine.client.nested != 0 {
        goroutine.client.nested -= 1;
        return None;
    }
    goroutine.client.open = 0;
    if goroutine.client.header != 0 {
        target.passed_on(goroutine.client.header);
    }
    if goroutine.client.span.trace_flags & 1 == 0 {
        return None;
    }
    report_end(target, &goroutine.client.span, response, error_table, error)
}

/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn report_end<T: Target>(target: &T, span: &SpanIdentity, response: u64, error_table: u64, error: u64) -> Option<()> {
    let config = target.http_client();
    let time = target.now();
    let record = target.reserve::<HttpClientEnd>()?;
    record.header = RecordHeader { kind: kind::HTTP_CLIENT_END, size: size_of::<HttpClientEnd>() as u32 };
    record.time = time;
    record.span_id = span.span_id;
    let of_response = |offset: u32| response.wrapping_add(u64::from(offset));
    let number = |offset: u32| if response == 0 { 0 } else { target.read_or_zero::<u64>(of_response(offset)) };
    record.status = number(config.status_code.get()) as u32;
    record.proto_major = number(config.proto_major.get()) as u16;
    record.proto_minor = number(config.proto_minor.get()) as u16;
    record.content_length = number(config.response_length.get()).cast_signed();
    // `itab.Type` (`internal/abi.ITab`).
    record.error_type = if error_table == 0 { 0 } else { target.read_or_zero(error_table + 8) };
    record.message.length = 0;
    record.error = [0; 3];
    if error_table != 0 {
        record.error = target.read_or_zero(error);
        GoString { address: record.error[0], length: record.error[1] }.copy_to(target, &mut record.message);
    }
    target.submit(record, span.span_id[0].is_multiple_of(8));
    Some(())
}

/// The header of a request is about to be written: the span's context is written before it.
#[inline(always)]
fn pass_on<T: Target>(target: &T) -> Option<()> {
    let Registers { arguments: [map, table, writer, exclude, _], goroutine } = target.registers();
    let config = target.http_client();
    let buffered = config.buffered_writer.get().wrapping_add(target.load_bias());
    // Without names left out it is the second call, for the headers that the transport adds.
    if exclude == 0 || table != buffered {
        return None;
    }
    let span = target.passing_on(map)?;
    let [buffer, size]: [u64; 2] = target.read(writer + u64::from(config.buffer.get()))?;
    let count_at = writer + u64::from(config.buffered.get());
    let count: u64 = target.read(count_at)?;
    // The request line and what follows it end so; and there must be room for a line more.
    if count == 0 || count > size || size - count < LINE as u64 {
        return None;
    }
    let last: u8 = target.read(buffer + count - 1)?;
    if last != b'\n' {
        return None;
    }
    // The stack may be moved in between, by the check at the start of the function that is called.
    let depth = depth(target, config, goroutine).wrapping_add(AT_DETOUR);
    let bucket = target.bucket(bucket(goroutine))?;
    let way = write::claim(target, bucket, goroutine)?;
    let slot = bucket.slots.get_mut(way)?;
    write::address(slot, WRITE_SUBSET, depth, 2);
    write_line(slot, span);
    slot.words[0] = buffer + count;
    slot.words[1] = LINE as u64;
    slot.words[LINE_WORDS + 2] = count_at;
    slot.words[LINE_WORDS + 3] = 8;
    slot.words[LINE_WORDS + 4] = count + LINE as u64;
    Some(())
}

/// `Traceparent: 00-` + 32 digits + `-` + 16 digits + `-` + 2 digits + CR LF.
const LINE: usize = 70;
/// Words that it fills.
const LINE_WORDS: usize = LINE.div_ceil(8);

/// The line, behind the first command's address and length.
#[inline(always)]
fn write_line(slot: &mut Slot, span: &SpanIdentity) {
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = span.trace_id;
    let [s0, s1, s2, s3, s4, s5, s6, s7] = span.span_id;
    let (high, low) = (write::hexadecimal([s0, s1, s2, s3]), write::hexadecimal([s4, s5, s6, s7]));
    let flags = u64::from(b'0' + (span.trace_flags & 1));
    slot.words[2] = u64::from_le_bytes(*b"Tracepar");
    slot.words[3] = u64::from_le_bytes(*b"ent: 00-");
    slot.words[4] = write::hexadecimal([t0, t1, t2, t3]);
    slot.words[5] = write::hexadecimal([t4, t5, t6, t7]);
    slot.words[6] = write::hexadecimal([t8, t9, t10, t11]);
    slot.words[7] = write::hexadecimal([t12, t13, t14, t15]);
    // From here on the digits lie one byte off the words.
    slot.words[8] = u64::from(b'-') | high << 8;
    slot.words[9] = high >> 56 | low << 8;
    slot.words[10] = low >> 56 | u64::from_le_bytes([0, b'-', b'0', 0, b'\r', b'\n', 0, 0]) | flags << 24;
}
