//! What the program says of spans of ours by the OpenTelemetry API: kept until they end.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bpf::config::otel_api::event;
use bpf::records::operation::MAX_VALUE;
use bpf::records::otel_api::{SpanCall, attribute_type, item};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::names::Names;
use super::{ById, MAX_REMEMBERED, limits, values};
use crate::clock::WallClock;
use crate::config::Limits;
use crate::events::decode::RawValue;
use crate::events::otel_api::SpanCalled;
use crate::panic_value::TypeNames;

/// What was said in one call.
#[derive(Debug)]
enum Change {
    Attributes(Vec<KeyValue>),
    Event(Event),
    Link(Link),
    Status(Status),
    Name(String),
}

/// What is to be done to a span at its end: no more than it may hold, however long it is open.
#[derive(Debug, Default)]
struct Changes {
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
    links: Vec<Link>,
    status: Option<Status>,
    name: Option<String>,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

/// All that was said of spans that are open.
#[derive(Debug, Default)]
pub struct Calls {
    changes: ById<Changes>,
    /// Spans in whose place the SDK has made one.
    superseded: HashSet<[u8; 8]>,
    /// Calls of which more records come, by goroutine.
    begun: HashMap<u64, (u64, Vec<Item>)>,
}

/// What a call was given.
#[derive(Clone, Debug)]
struct Item {
    number: u16,
    bytes: Vec<u8>,
    /// The next one of the same number is a part of this.
    goes_on: bool,
}

impl Calls {
    /// Takes a call of a span that is open.
    pub(super) fn called<N: TypeNames>(
        &mut self,
        called: &SpanCalled<'_>,
        limits: &Limits,
        clock: &WallClock,
        names: &mut Names<N>,
    ) {
        let SpanCalled { head, items: raw } = called;
        let (time, mut items) = self.begun.remove(&head.goroutine).unwrap_or_default();
        if time != head.time {
            items.clear();
        }
        for raw in raw {
            add(&mut items, raw, names);
        }
        if head.goes_on != 0 {
            if self.begun.len() >= MAX_REMEMBERED {
                self.begun.clear();
            }
            self.begun.insert(head.goroutine, (head.time, items));
            return;
        }
        if let Some(change) = change(head, &items, clock, names) {
            self.changes.entry(head.span_id).or_default().add(change, limits);
        }
    }

    /// The SDK makes a span of what has this one, which is open.
    pub(super) fn supersede(&mut self, span_id: [u8; 8]) {
        self.superseded.insert(span_id);
    }

    /// Whether nothing was said of any span.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.superseded.is_empty()
    }

    /// Changes a span that has ended as was said; false where it is none.
    pub(super) fn apply(&mut self, limits: &Limits, span: &mut SpanData) -> bool {
        let id = span.span_context.span_id().to_bytes();
        let changes = self.changes.remove(&id);
        if self.superseded.remove(&id) {
            return false;
        }
        if let Some(changes) = changes {
            changes.apply(span);
            limits::apply(limits, span);
        }
        true
    }
}

impl Changes {
    fn add(&mut self, change: Change, limits: &Limits) {
        match change {
            Change::Attributes(attributes) => {
                for attribute in attributes {
                    let is_known = self.attributes.iter().any(|there| there.key == attribute.key);
                    if is_known || self.attributes.len() < limits.span_attributes {
                        set(&mut self.attributes, attribute);
                    } else {
                        self.dropped_attributes = self.dropped_attributes.saturating_add(1);
                    }
                }
            }
            Change::Event(event) => push(&mut self.events, event, limits.span_events, &mut self.dropped_events),
            Change::Link(link) => push(&mut self.links, link, limits.span_links, &mut self.dropped_links),
            // `Ok` is the last word, and no status takes one back (OpenTelemetry specification, "Set Status").
            Change::Status(status) if self.status.as_ref().is_none_or(|there| rank(&status) >= rank(there)) => {
                self.status = Some(status);
            }
            Change::Status(_) => {}
            Change::Name(name) => self.name = Some(name),
        }
    }

    fn apply(self, span: &mut SpanData) {
        for attribute in self.attributes {
            set(&mut span.attributes, attribute);
        }
        span.dropped_attributes_count += self.dropped_attributes;
        span.events.events.extend(self.events);
        span.events.dropped_count += self.dropped_events;
        span.links.links.extend(self.links);
        span.links.dropped_count += self.dropped_links;
        if let Some(name) = self.name {
            span.name = name.into();
        }
        if let Some(status) = self.status.filter(|status| rank(status) >= rank(&span.status)) {
            span.status = status;
        }
    }
}

/// Adds to a list that has a limit.
fn push<T>(list: &mut Vec<T>, one: T, limit: usize, dropped: &mut u32) {
    if list.len() < limit {
        list.push(one);
    } else {
        *dropped = dropped.saturating_add(1);
    }
}

fn rank(status: &Status) -> u8 {
    match status {
        Status::Unset => 0,
        Status::Error { .. } => 1,
        Status::Ok => 2,
    }
}

/// Sets an attribute: in the place of the one with its key, if there is one.
pub(super) fn set(attributes: &mut Vec<KeyValue>, attribute: KeyValue) {
    match attributes.iter_mut().find(|there| there.key == attribute.key) {
        Some(there) => *there = attribute,
        None => attributes.push(attribute),
    }
}

fn add<N: TypeNames>(items: &mut Vec<Item>, raw: &RawValue<'_>, names: &mut Names<N>) {
    let (bytes, goes_on) = if raw.is_unread { constant(raw.bytes, names) } else { (raw.bytes.to_vec(), raw.is_cut) };
    match items.last_mut().filter(|last| last.goes_on && last.number == raw.number) {
        Some(last) => {
            last.bytes.extend(bytes);
            last.goes_on = goes_on;
        }
        None => items.push(Item { number: raw.number, bytes, goes_on }),
    }
}

/// A text of the program's file, as long as one part is, and whether there is more.
fn constant<N: TypeNames>(bytes: &[u8], names: &mut Names<N>) -> (Vec<u8>, bool) {
    let Some([address, length]) = bytes.first_chunk::<16>().map(|words| bytemuck::cast::<_, [u64; 2]>(*words)) else {
        return (Vec::new(), false);
    };
    let taken = length.min(MAX_VALUE.into());
    (names.constant(address, taken).unwrap_or_default().to_vec(), length > taken)
}

fn change<N: TypeNames>(head: &SpanCall, items: &[Item], clock: &WallClock, names: &mut Names<N>) -> Option<Change> {
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
