//! Operations of tables between their start and their end: records in, finished spans out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bpf::records::http_client::HttpClientEnd;
use bpf::records::operation::TRACE_STATE;
use foldhash::fast::RandomState;
use opentelemetry::trace::{Link, SpanContext, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::early::EarlyEnds;
use super::failures::{self, fail};
use super::known::Known;
use super::names::Names;
use super::panics::Panics;
use super::values::Values;
use super::{ById, MAX_OVER, MAX_REMEMBERED, limits, values};
use crate::captured::{Captured, Value};
use crate::clock::WallClock;
use crate::config::{Database, Limits};
use crate::events::decode::{Happened, OperationHappened, OperationStarted, RawValue};
use crate::instrumentations::{identity, net_http_client};
use crate::panic_value::{PanicValue, TypeNames};
use crate::probes::operations::{About, KEY, MAKES, WITHIN};

mod going_on;
mod without_end;

/// An operation without its end.
#[derive(Debug)]
struct OpenOperation {
    about: Arc<About>,
    data: SpanData,
    /// Start in nanoseconds of `CLOCK_BOOTTIME`.
    started: u64,
    values: Values,
    known: Option<Arc<Values>>,
    goroutine: u64,
    level: u32,
    /// When its function has returned, and with which object it goes on.
    returned: Option<(u64, u64)>,
}

/// All operations of tables that are open.
#[derive(Debug)]
pub(super) struct OpenOperations {
    /// What becomes of records, by the numbers of operations.
    about: Vec<Option<Arc<About>>>,
    scopes: HashMap<&'static str, InstrumentationScope, RandomState>,
    open: ById<OpenOperation>,
    /// The spans of operations that go on until an object ends, by its address.
    objects: HashMap<u64, [u8; 8], RandomState>,
    /// Ends that came before the function had returned in which the operation began.
    early: EarlyEnds,
    /// The spans of operations that have made an object, by its address.
    makers: HashMap<u64, SpanContext>,
    known: Known,
    /// Those for which a round trip of `net/http` is under way.
    sending: HashSet<[u8; 8]>,
    panics: Panics,
    limits: Limits,
    database: Database,
    /// Lists of operations that have returned, empty: the next ones take their memory.
    over: Vec<(Values, Vec<KeyValue>)>,
    /// Ends whose start was lost.
    orphans: u64,
}

/// Where finished spans go.
pub type Finished<'f> = &'f mut dyn FnMut(&SpanData);

impl OpenOperations {
    /// None yet.
    pub(super) fn new(about: Vec<Option<Arc<About>>>, limits: Limits, database: Database) -> Self {
        Self {
            about,
            scopes: HashMap::default(),
            open: ById::default(),
            objects: HashMap::default(),
            early: EarlyEnds::default(),
            makers: HashMap::new(),
            known: Known::default(),
            sending: HashSet::new(),
            panics: Panics::default(),
            limits,
            database,
            over: Vec::new(),
            orphans: 0,
        }
    }

    fn about(&self, operation: u32) -> Option<Arc<About>> {
        self.about.get(usize::try_from(operation).ok()?)?.clone()
    }

    /// One begins: its span, unless nothing is known of it.
    pub(super) fn start<N: TypeNames>(
        &mut self,
        record: &OperationStarted<'_>,
        clock: &WallClock,
        names: &mut Names<N>,
    ) -> Option<&SpanData> {
        let OperationStarted { head, values: raw } = record;
        let about = self.about(head.operation)?;
        let (mut found, attributes) = self.over.pop().unwrap_or_default();
        found.reserve(raw.len() + 4);
        let is_known = |value: &RawValue<'_>| about.known.contains(&usize::from(value.number));
        values::add(&mut found, raw.iter().filter(|value| !is_known(value)), &about.captures[0], names);
        let known = object(&found, KEY).and_then(|key| {
            let about_object = raw.iter().filter(|value| is_known(value)).collect::<Vec<_>>();
            self.known.of(key, &about, &about_object, names)
        });
        let scope = self.scopes.entry(about.library).or_insert_with(|| identity::scope(about.library)).clone();
        let state = raw.iter().find(|value| value.number == TRACE_STATE);
        let state = state.map(|value| identity::trace_state(value.bytes)).unwrap_or_default();
        let mut data = identity::open_span(about.kind.clone(), &head.span, state, scope, clock.time(head.time));
        data.attributes = attributes;
        if let Some(maker) = object(&found, WITHIN).and_then(|object| self.makers.get(&object)) {
            data.links.links.push(Link::new(maker.clone(), Vec::new(), 0));
        }
        let (started, goroutine, level) = (head.time, head.goroutine, head.level);
        self.panics.go_on(goroutine, started);
        let open = OpenOperation { about, data, started, values: found, known, goroutine, level, returned: None };
        Some(&self.open.entry(head.span.span_id).insert_entry(open).into_mut().data)
    }

    /// Something has happened to one of these.
    pub(super) fn event<N: TypeNames>(&mut self, record: &OperationHappened<'_>, names: &mut Names<N>, finished: Finished<'_>) {
        let OperationHappened { what, head, values: raw } = record;
        match what {
            Happened::Ended if head.span_id == [0; 8] => self.ended_early(record, names, finished),
            Happened::Ended => self.end(record, names, finished),
            Happened::Returned => self.returned(record, names, finished),
            Happened::Annotated => {
                let (about, database) = (self.about(head.operation), &self.database);
                if let Some((about, open)) = about.zip(self.open.get_mut(&head.span_id)) {
                    annotate((&about, database), record, names, (0, &mut open.data));
                }
            }
            Happened::Panicked => {
                let value = raw.first().and_then(|value| values::held(value.bytes, names));
                self.panics.begin(
                    head.goroutine,
                    value.unwrap_or_else(|| PanicValue::new(None, [0; 3], Arc::default)),
                    head.time,
                );
            }
            Happened::Unwound => self.unwound(head, false, finished),
            Happened::Exited => self.unwound(head, true, finished),
        }
    }

    /// Adds what an annotation tells to the span around, of which something was learnt as deep in the stack as `depth`.
    pub(super) fn annotate<N: TypeNames>(
        &self,
        record: &OperationHappened<'_>,
        names: &mut Names<N>,
        (depth, data): (u32, &mut SpanData),
    ) {
        if let Some(about) = self.about(record.head.operation) {
            annotate((&about, &self.database), record, names, (depth, data));
        }
    }

    fn end<N: TypeNames>(&mut self, record: &OperationHappened<'_>, names: &mut Names<N>, finished: Finished<'_>) {
        let OperationHappened { what: _, head, values: raw } = record;
        let (Some(about), Some(mut open)) = (self.about(head.operation), self.open.remove(&head.span_id)) else {
            self.orphans += 1;
            return;
        };
        // What an object ends with is captured at the start of a function, or at its end: never at both.
        let [start, end] = &about.captures;
        let is_close = !Arc::ptr_eq(&about, &open.about);
        let captures = if is_close && end.is_empty() { start } else { end };
        values::add(&mut open.values, raw, captures, names);
        let recovered = match open.returned {
            Some((_, object)) => {
                self.objects.remove(&object);
                None
            }
            None => self.panics.returns(head.goroutine, open.started, head.time),
        };
        self.complete(&mut open, head.time, true);
        let OpenOperation { mut data, mut values, started, .. } = open;
        if let Some(panic) = recovered.filter(|_| about.kind == SpanKind::Server) {
            let time = data.start_time + Duration::from_nanos(panic.began.saturating_sub(started));
            failures::recovered(&mut data, &panic.value, time);
        }
        if let Some(object) = object(&values, MAKES) {
            if self.makers.len() >= MAX_REMEMBERED {
                self.makers.clear();
            }
            self.makers.insert(object, data.span_context.clone());
        }
        limits::apply(&self.limits, &mut data);
        finished(&data);
        if self.over.len() < MAX_OVER {
            values.clear();
            data.attributes.clear();
            self.over.push((values, data.attributes));
        }
    }

    /// Completes the span of an operation that is over at this time; whether that is its end.
    fn complete(&self, open: &mut OpenOperation, end: u64, is_ended: bool) {
        let OpenOperation { about, data, started, values, known, .. } = open;
        data.end_time = data.start_time + Duration::from_nanos(end.saturating_sub(*started));
        let known = known.as_deref().map(Vec::as_slice).unwrap_or_default();
        let captured = Captured { function: &about.function, values, known, database: &self.database, is_ended, is_inner: true };
        (about.span)(&captured, data);
        if let Some(failure) = captured.failure() {
            let is_marked = data.attributes.iter().any(|attribute| attribute.key.as_str() == semconv::ERROR_TYPE);
            if data.status == Status::Unset && !is_marked && about.kind == SpanKind::Internal {
                fail(data, failure.type_name, failure.message.as_deref().unwrap_or_default());
            }
        }
    }

    /// Whether the operation of this span is open.
    pub(super) fn has(&self, span_id: [u8; 8]) -> bool {
        self.open.contains_key(&span_id)
    }

    /// A round trip of `net/http` begins that sends the request of this one.
    pub(super) fn sends(&mut self, span_id: [u8; 8]) {
        if self.sending.len() >= MAX_REMEMBERED {
            self.sending.clear();
        }
        self.sending.insert(span_id);
    }

    /// A round trip has ended; whether it is that of one of these, which may have ended before.
    pub(super) fn has_sent(&mut self, end: &HttpClientEnd) -> bool {
        let is_ours = self.sending.remove(&end.span_id);
        if let Some(open) = self.open.get_mut(&end.span_id).filter(|_| is_ours) {
            net_http_client::add_peer(&mut open.data, &end.peer);
        }
        is_ours
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// When those that are open have begun.
    pub(super) fn starts(&self) -> impl Iterator<Item = u64> {
        self.open.values().map(|open| open.started)
    }

    /// Ends whose start was lost.
    pub(super) fn orphans(&self) -> u64 {
        self.orphans
    }
}

/// Adds what an annotation tells.
fn annotate<N: TypeNames>(
    (about, database): (&About, &Database),
    record: &OperationHappened<'_>,
    names: &mut Names<N>,
    (depth, data): (u32, &mut SpanData),
) {
    let [start, end] = &about.captures;
    let mut values = Values::new();
    values::add(&mut values, &record.values, if end.is_empty() { start } else { end }, names);
    let (function, is_inner) = (&about.function, record.head.level >= depth);
    (about.span)(&Captured { function, values: &values, known: &[], database, is_ended: true, is_inner }, data);
}

/// The address of an object that was captured.
fn object(values: &[(Cow<'static, str>, Value)], wanted: &str) -> Option<u64> {
    match values.iter().find(|(name, _)| name == wanted) {
        Some((_, Value::Integer(address))) => u64::try_from(*address).ok().filter(|&address| address != 0),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests;
