//! What is called of a span that stands in for one of ours: attributes, events, errors, links, its status and its name.
//!
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).SetAttributes(s, attrs)
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).AddEvent(s, name, opts)
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).RecordError(s, err, opts)
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).SetStatus(s, c, msg)
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).SetName(s, name)
//! match-go: v1.1.0..: go.opentelemetry.io/auto/sdk.(*span).AddLink(s, link)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).SetAttributes(s, attrs)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).AddEvent(s, name, opts)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).RecordError(s, err, opts)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).SetStatus(s, c, msg)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).SetName(s, name)
//! match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*autoSpan).AddLink(s, link)

use crate::config::otel_api::{OtelApiConfig, event};
use crate::go::abi::Registers;
use crate::go::string::GoString;
use crate::instrumentations::operations::{held, text, type_of};
use crate::missed::{Done, Missed};
use crate::records::operation::{MAX_VALUE, ValueHead, whole};
use crate::records::otel_api::{SpanCall, attribute_type, item};
use crate::records::{RecordBuffer, kind};
use crate::target::{Lookup, Step, Target};

/// Attributes, and elements of an attribute, that are looked at.
const MAX_ATTRIBUTES: u32 = 1_024;
/// Options of an event.
const MAX_OPTIONS: u64 = 8;
/// Bytes of an `attribute.KeyValue`: the key, the type, a number, a string, a slice in an interface; the launcher has compared the offsets.
const KEY_VALUE: u64 = 64;
/// The bits of the flags of a span's context that are looked at: it is sampled.
const SAMPLED: u64 = 1;
/// Keys and values of a `tracestate`.
const MAX_MEMBERS: u32 = 64;
/// `SpanContext.traceState`.
const STATE_AT: u64 = 32;
/// Bytes of a `trace.SpanContext`.
const SPAN_CONTEXT: u64 = 64;

pub(super) fn call<T: Target>(target: &T, config: &OtelApiConfig) -> Done {
    let cookie = target.cookie().event;
    let copy = &config.copies[usize::from(cookie & event::SECOND != 0)];
    let registers = target.registers();
    let span = registers.argument(0);
    // One that records itself says all at its end; one that has ended, nothing.
    if target.read_or_zero::<u32>(span.wrapping_add(copy.sampled.get().into())) != 0 {
        return Err(Missed::NothingToDo);
    }
    let [_, _, id, flags, _, _, _, remote]: [u64; 8] = target.read_or_zero(span.wrapping_add(copy.identity.get().into()));
    if id == 0 || flags & SAMPLED == 0 || remote & 0xff != 0 {
        return Err(Missed::NothingToDo);
    }
    target.with_scratch(|scratch| {
        let (time, goroutine) = (target.now(), registers.goroutine());
        let record = &mut scratch.record;
        record.length = target.opaque(size_of::<SpanCall>() as u64);
        let head: &mut SpanCall = record.head();
        head.time = time;
        head.span_id = id.to_ne_bytes();
        head.goroutine = goroutine;
        head.call = cookie & !event::SECOND;
        head.goes_on = 0;
        arguments(target, config, &registers, record);
        let head: &mut SpanCall = record.head();
        if u64::from_ne_bytes(head.span_id) == 0 {
            return Err(Missed::RingFull);
        }
        record.submit(target, kind::SPAN_CALL, id.is_multiple_of(8))
    })
}

/// Appends what the call was given.
#[inline(always)]
fn arguments<T: Target>(target: &T, config: &OtelApiConfig, registers: &Registers, record: &mut RecordBuffer) {
    let argument = |number: usize| registers.argument(number);
    let string = |number: usize| GoString { address: argument(number), length: argument(number + 1) };
    match target.cookie().event & !event::SECOND {
        event::SET_ATTRIBUTES => target.append_attributes(argument(1), argument(2), record),
        event::ADD_EVENT => {
            target.append_item(item::TEXT, string(1), record);
            options(target, config, argument(3), argument(4), record);
        }
        event::RECORD_ERROR => {
            let table = argument(1);
            if table != 0 {
                held(target, item::ERROR, [type_of(target, table), argument(2)], MAX_VALUE, record);
            }
            options(target, config, argument(3), argument(4), record);
        }
        event::SET_STATUS => {
            word(item::CODE, argument(1) & 0xffff_ffff, record);
            target.append_item(item::TEXT, string(2), record);
        }
        event::SET_NAME => target.append_item(item::TEXT, string(1), record),
        _ => {
            // Behind the return address, or what is there of the caller's.
            let link = registers.stack_pointer.wrapping_add(8);
            let words: [u64; 4] = target.read_or_zero(link);
            record.push_word(ValueHead { number: item::LINK, whole: whole::WHOLE, length: 32 }.to_word());
            for word in words {
                record.push_word(word);
            }
            state(target, link.wrapping_add(STATE_AT), record);
            let [array, count]: [u64; 2] = target.read_or_zero(link.wrapping_add(SPAN_CONTEXT));
            target.append_attributes(array, count, record);
        }
    }
}

/// Appends the attributes of a slice.
#[inline(always)]
pub fn attributes<L: Lookup>(lookup: &L, array: u64, count: u64, record: &mut RecordBuffer) {
    lookup.repeat(MAX_ATTRIBUTES, &mut Attributes { at: array, left: count, record });
}

/// Appends the members of a `trace.TraceState`: each two strings.
#[inline(always)]
fn state<L: Lookup>(lookup: &L, at: u64, record: &mut RecordBuffer) {
    let [members, count]: [u64; 2] = lookup.read_or_zero(at);
    lookup.repeat(MAX_MEMBERS, &mut Texts { number: item::STATE, at: members, left: count.wrapping_mul(2), record });
}

/// Appends the options of an event.
#[inline(always)]
fn options<T: Target>(target: &T, config: &OtelApiConfig, array: u64, count: u64, record: &mut RecordBuffer) {
    let load_bias = target.load_bias();
    let (attributes, timestamp) = (config.attribute_option.get(), config.timestamp_option.get());
    let [attributes, timestamp] = [attributes, timestamp].map(|at| if at == 0 { 0 } else { at.wrapping_add(load_bias) });
    // Not a loop of the kernel's: the calls within would lie too deep.
    for number in 0..MAX_OPTIONS {
        if number >= count {
            return;
        }
        let [table, data]: [u64; 2] = target.read_or_zero(array.wrapping_add(number * 16));
        option(target, [table, data], attributes, timestamp, record);
    }
}

/// Appends an option of an event: its attributes, or its time.
#[inline(always)]
fn option<L: Lookup>(lookup: &L, [table, data]: [u64; 2], attributes: u64, timestamp: u64, record: &mut RecordBuffer) {
    if table == 0 {
        return;
    }
    let option: u64 = lookup.read_or_zero(table.wrapping_add(8));
    if option == 0 {
        return;
    }
    let words: [u64; 2] = lookup.read_or_zero(data);
    let [first, second] = words;
    if option == attributes {
        lookup.append_attributes(first, second, record);
    }
    if option == timestamp {
        make_room(lookup, record);
        record.push_word(ValueHead { number: item::TIME, whole: whole::WHOLE, length: 16 }.to_word());
        record.push_word(first);
        record.push_word(second);
    }
}

/// Appends a text, which goes on in more items where it is longer than one takes.
#[inline(always)]
pub fn append<L: Lookup>(lookup: &L, number: u16, string: GoString, record: &mut RecordBuffer) {
    lookup.repeat(MAX_PARTS, &mut Parts { string, number, record });
}

/// Parts of the longest text.
const MAX_PARTS: u32 = 128;

/// The loop over the parts of a text.
struct Parts<'a> {
    /// What is left.
    string: GoString,
    number: u16,
    record: &'a mut RecordBuffer,
}

impl Step for Parts<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { string, number, record } = self;
        make_room(lookup, record);
        let is_text = text(lookup, *number, *string, MAX_VALUE, record);
        let taken = string.length.min(MAX_VALUE.into());
        string.address = lookup.opaque(string.address.wrapping_add(taken));
        string.length = lookup.opaque(string.length.wrapping_sub(taken));
        is_text && string.length != 0
    }
}

/// Hands over what there is where one more text may find no room; the rest goes into another record.
///
/// A call of its own in BPF, as above.
#[inline(never)]
fn make_room<L: Lookup>(lookup: &L, record: &mut RecordBuffer) {
    if record.has_room_for_value() {
        return;
    }
    let head: &mut SpanCall = record.head();
    head.goes_on = 1;
    let is_lost = record.submit(lookup, kind::SPAN_CALL, true).is_err();
    let head: &mut SpanCall = record.head();
    head.goes_on = 0;
    if is_lost {
        // Of half a call the launcher would make what was not said: what follows is no span's.
        head.span_id = [0; 8];
    }
    record.length = lookup.opaque(size_of::<SpanCall>() as u64);
}

/// Appends a word.
///
/// A call of its own in BPF, as above.
#[inline(never)]
fn word(number: u16, word: u64, record: &mut RecordBuffer) {
    record.push_word(ValueHead { number, whole: whole::WHOLE, length: 8 }.to_word());
    record.push_word(word);
}

/// The loop over attributes.
struct Attributes<'a> {
    at: u64,
    left: u64,
    record: &'a mut RecordBuffer,
}

impl Step for Attributes<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { at, left, record } = self;
        if lookup.opaque(*left) == 0 {
            return false;
        }
        *left = lookup.opaque(left.wrapping_sub(1));
        let words: [u64; 8] = lookup.read_or_zero(*at);
        *at = at.wrapping_add(KEY_VALUE);
        let [key, key_length, of_type, number, string, length, slice_type, slice] = words;
        lookup.append_item(item::KEY, GoString { address: key, length: key_length }, record);
        #[expect(clippy::cast_possible_truncation, reason = "of what is no type, any number will do")]
        let of_type = of_type as u16 & 0xff;
        match of_type {
            attribute_type::BOOL | attribute_type::INT64 | attribute_type::FLOAT64 => word(item::WORD + of_type, number, record),
            attribute_type::STRING | attribute_type::BYTES => {
                lookup.append_item(item::STRING + of_type, GoString { address: string, length }, record);
            }
            _ => elements(lookup, of_type, slice_type, slice, record),
        }
        true
    }
}

/// Appends the elements of an array in an interface.
#[inline(always)]
fn elements<L: Lookup>(lookup: &L, of_type: u16, array_type: u64, array: u64, record: &mut RecordBuffer) {
    // `abi.Type.Size_`.
    let size: u64 = lookup.read_or_zero(array_type);
    if of_type != attribute_type::STRINGS {
        lookup.append_item(item::SLICE + of_type, GoString { address: array, length: size }, record);
        return;
    }
    let count = size / 16;
    make_room(lookup, record);
    word(item::SLICE + of_type, count, record);
    lookup.repeat(MAX_ATTRIBUTES, &mut Texts { number: item::ELEMENT, at: array, left: count, record });
}

/// The loop over strings.
struct Texts<'a> {
    number: u16,
    at: u64,
    left: u64,
    record: &'a mut RecordBuffer,
}

impl Step for Texts<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { number, at, left, record } = self;
        if lookup.opaque(*left) == 0 {
            return false;
        }
        *left = lookup.opaque(left.wrapping_sub(1));
        lookup.append_item(*number, GoString::at(lookup, *at), record);
        *at = at.wrapping_add(16);
        true
    }
}
