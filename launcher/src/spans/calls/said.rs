//! What one call says: its items become a change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bpf::config::otel_api::event;
use bpf::records::otel_api::{SpanCall, attribute_type, item};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_semantic_conventions::attribute as semconv;

use super::Item;
use super::changes::{Change, set};
use crate::clock::WallClock;
use crate::panic_value::TypeNames;
use crate::spans::names::Names;
use crate::spans::values;

/// What a call with these items does.
pub(super) fn change<N: TypeNames>(head: &SpanCall, items: &[Item], clock: &WallClock, names: &mut Names<N>) -> Option<Change> {
    let find = |number: u16| items.iter().find(|item| item.number == number).map(|item| item.bytes.as_slice());
    let name = || String::from_utf8_lossy(find(item::TEXT).unwrap_or_default()).into_owned();
    let when = || find(item::TIME).and_then(go_time).unwrap_or_else(|| clock.time(head.time));
    Some(match head.call {
        event::SET_ATTRIBUTES => Change::Attributes(attributes(items)),
        event::ADD_EVENT => Change::Event(Event::new(name(), when(), attributes(items), 0)),
        event::RECORD_ERROR => {
            let error = values::held(find(item::ERROR)?, names)?;
            let mut attributes = attributes(items);
            attributes.push(KeyValue::new(semconv::EXCEPTION_TYPE, error.type_name));
            attributes.extend(error.message.map(|message| KeyValue::new(semconv::EXCEPTION_MESSAGE, message)));
            Change::Event(Event::new("exception", when(), attributes, 0))
        }
        event::SET_STATUS => Change::Status(match word(find(item::CODE)?) {
            // `codes.Code`: another order than that of OTLP.
            1 => Status::error(name()),
            2 => Status::Ok,
            _ => Status::Unset,
        }),
        event::SET_NAME => Change::Name(name()),
        event::ADD_LINK => {
            let bytes: &[u8; 32] = find(item::LINK)?.first_chunk()?;
            let (trace_id, rest) = bytes.split_first_chunk::<16>()?;
            let (span_id, rest) = rest.split_first_chunk::<8>()?;
            let flags = TraceFlags::new(*rest.first()?);
            let (trace_id, span_id) = (TraceId::from_bytes(*trace_id), SpanId::from_bytes(*span_id));
            Change::Link(Link::new(SpanContext::new(trace_id, span_id, flags, false, state(items)), attributes(items), 0))
        }
        _ => return None,
    })
}

/// The `tracestate` among items: a key and a value in turns.
fn state(items: &[Item]) -> TraceState {
    let texts: Vec<String> = items.iter().filter(|one| one.number == item::STATE).map(|one| text(&one.bytes)).collect();
    let members = texts.as_chunks::<2>().0.iter().map(|[key, value]| (key.clone(), value.clone()));
    TraceState::from_key_value(members).unwrap_or_default()
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The attributes among items: each a key, and what follows it.
fn attributes(items: &[Item]) -> Vec<KeyValue> {
    let mut all = Vec::new();
    let keys = items.iter().enumerate().filter(|(_, one)| one.number == item::KEY && !one.bytes.is_empty());
    for (at, key) in keys {
        let rest = items.get(at + 1..).unwrap_or_default();
        if let Some(value) = value(rest) {
            set(&mut all, KeyValue::new(text(&key.bytes), value));
        }
    }
    all
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value at the beginning of these items.
fn value(items: &[Item]) -> Option<Value> {
    let (first, rest) = items.split_first()?;
    let numbers = || first.bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    Some(match (first.number & !0xff, first.number & 0xff) {
        (item::WORD, attribute_type::BOOL) => Value::Bool(word(&first.bytes) != 0),
        (item::WORD, attribute_type::INT64) => Value::I64(word(&first.bytes).cast_signed()),
        (item::WORD, attribute_type::FLOAT64) => Value::F64(f64::from_bits(word(&first.bytes))),
        (item::STRING, attribute_type::STRING) => Value::String(text(&first.bytes).into()),
        (item::STRING, attribute_type::BYTES) => {
            use base64::Engine as _;
            Value::String(base64::engine::general_purpose::STANDARD.encode(&first.bytes).into())
        }
        (item::SLICE, attribute_type::BOOLS) => Value::Array(Array::Bool(first.bytes.iter().map(|byte| *byte != 0).collect())),
        (item::SLICE, attribute_type::INT64S) => Value::Array(Array::I64(numbers().map(u64::cast_signed).collect())),
        (item::SLICE, attribute_type::FLOAT64S) => Value::Array(Array::F64(numbers().map(f64::from_bits).collect())),
        (item::SLICE, attribute_type::STRINGS) => {
            let elements = rest.iter().take_while(|one| one.number == item::ELEMENT);
            Value::Array(Array::String(elements.map(|one| StringValue::from(text(&one.bytes))).collect()))
        }
        _ => return None,
    })
}

/// A `time.Time` of which `wall` and `ext` are known (`time/time.go`): seconds since the year 1 or, with a reading of the monotonic clock,
/// since 1885.
fn go_time(bytes: &[u8]) -> Option<SystemTime> {
    const HAS_MONOTONIC: u64 = 1 << 63;
    const FROM_YEAR_1: i64 = 62_135_596_800;
    const FROM_1885: i64 = FROM_YEAR_1 - 59_453_308_800;
    let [wall, seconds]: [u64; 2] = bytemuck::cast(*bytes.first_chunk::<16>()?);
    let nanoseconds = u32::try_from(wall & ((1 << 30) - 1)).ok()?;
    let seconds = if wall & HAS_MONOTONIC == 0 {
        seconds.cast_signed().checked_sub(FROM_YEAR_1)?
    } else {
        i64::try_from(wall << 1 >> 31).ok()?.checked_sub(FROM_1885)?
    };
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, nanoseconds))
}

#[cfg(test)]
mod tests;
