//! What the program says of spans of ours by the OpenTelemetry API: kept until they end.

use std::collections::{HashMap, HashSet};

use bpf::records::operation::MAX_VALUE;
use opentelemetry_sdk::trace::SpanData;

use self::changes::Changes;
pub(super) use self::changes::set;
use self::said::change;
use super::names::Names;
use super::{ById, MAX_REMEMBERED, limits};
use crate::clock::WallClock;
use crate::config::Limits;
use crate::events::decode::RawValue;
use crate::events::otel_api::SpanCalled;
use crate::panic_value::TypeNames;

mod changes;
mod said;

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
    (names.constant(address, taken).map(|constant| constant.bytes().to_vec()).unwrap_or_default(), length > taken)
}
