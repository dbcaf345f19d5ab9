//! Spans between their start and their end: records in, finished spans out.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;

use super::calls::Calls;
use super::encoded::EncodedSpans;
use super::names::Names;
use super::open_span::{OpenSpan, WithoutEnd};
use super::operations::{Finished, OpenOperations};
use super::states::States;
use super::{ById, MAX_OVER, limits};
use crate::clock::WallClock;
use crate::config::{KnownMethods, Limits, SpanSettings};
use crate::events::decode::{Happened, Record, ServerPanic};
use crate::instrumentations::{net_http_client, net_http_server, rpc};
use crate::panic_value::TypeNames;
use crate::probes::operations::About;

/// More open spans than this are a program that keeps requests open for ever, or ends that were lost; the oldest half is
/// then closed as unfinished.
const MAX_OPEN: usize = 65_536;

/// All spans whose end has not come.
#[derive(Debug)]
pub struct OpenSpans<N> {
    spans: ById<OpenSpan>,
    /// The last span of a request that asks for an upgrade to HTTP/2, by the client's address.
    upgrades: HashMap<Box<str>, [u8; 8]>,
    limits: Limits,
    known_methods: KnownMethods,
    names: Names<N>,
    /// Those of operations of tables.
    operations: OpenOperations,
    /// Spans that were handed over, in whose place and with whose list of attributes the next ones are made.
    #[expect(clippy::vec_box, reason = "a span stays where it is, whether it is open or over")]
    over: Vec<Box<SpanData>>,
    /// What the program says of spans.
    calls: Calls,
    /// Spans that the program makes.
    encoded: EncodedSpans,
    states: States,
    /// Ends whose start was lost.
    orphans: u64,
}

impl<N: TypeNames> OpenSpans<N> {
    /// No spans yet. `type_names` is asked when a panic is reported.
    #[must_use]
    pub fn new(settings: SpanSettings, about: Vec<Option<Arc<About>>>, type_names: N) -> Self {
        let SpanSettings { limits, known_methods, database } = settings;
        Self {
            spans: ById::default(),
            upgrades: HashMap::new(),
            limits,
            known_methods,
            names: Names::new(type_names),
            operations: OpenOperations::new(about, limits, database),
            over: Vec::new(),
            calls: Calls::default(),
            encoded: EncodedSpans::default(),
            states: States::default(),
            orphans: 0,
        }
    }

    /// What is asked when a panic is reported.
    pub fn type_names(&self) -> &N {
        self.names.source()
    }

    /// Takes one record; hands over the spans that it finishes.
    pub fn apply(&mut self, record: &Record<'_>, clock: &WallClock, finished: Finished<'_>) {
        match record {
            Record::OperationStart(start) => {
                if let Some(outer) = self.spans.get_mut(&start.head.span.span_id) {
                    // The same request, of which the protocol within HTTP says more.
                    outer.without_end = WithoutEnd::Another;
                }
                let Self { operations, names, states, .. } = self;
                if let Some(data) = operations.start(start, clock, names) {
                    states.began(&data.span_context);
                }
            }
            // Of a request that is served.
            Record::OperationEvent(event)
                if event.what == Happened::Annotated
                    && self.spans.contains_key(&event.head.span_id)
                    && !self.operations.has(event.head.span_id) =>
            {
                if let Some(open) = self.spans.get_mut(&event.head.span_id) {
                    self.operations.annotate(event, &mut self.names, (open.depth, &mut open.data));
                    open.depth = open.depth.max(event.head.level);
                }
            }
            Record::OperationEvent(event) => {
                let Self { operations, names, calls, limits, states, .. } = self;
                operations.event(event, names, &mut |span| as_called(calls, states, limits, span, finished));
            }
            Record::EncodedSpan(part) => {
                if let Some(mut span) = self.encoded.take(part) {
                    limits::apply(&self.limits, &mut span);
                    self.states.apply(&mut span);
                    finished(&span);
                }
            }
            Record::SpanCall(called) if self.is_open(called.head.span_id) => {
                let Self { calls, limits, names, .. } = self;
                calls.called(called, limits, clock, names);
            }
            Record::Superseded(span_id) if self.is_open(*span_id) => self.calls.supersede(*span_id),
            // Of one that has ended.
            Record::SpanCall(_) | Record::Superseded(_) => {}
            Record::HttpClientStart(start) if self.operations.has(start.span.span_id) => {
                self.operations.sends(start.span.span_id);
            }
            Record::HttpClientEnd(end) if self.operations.has_sent(&end.head) => {}
            Record::HttpServerStart(_)
            | Record::HttpServerEnd(_)
            | Record::HttpServerUnfinished(_)
            | Record::HttpServerPanic(_)
            | Record::HttpClientStart(_)
            | Record::HttpClientEnd(_) => {
                if let Some(mut span) = self.apply_http(record, clock) {
                    self.states.apply(&mut span);
                    if self.calls.is_empty() || self.calls.apply(&self.limits, &mut span) {
                        finished(&span);
                    }
                    self.keep(span);
                }
            }
        }
    }

    fn is_open(&self, span_id: [u8; 8]) -> bool {
        self.spans.contains_key(&span_id) || self.operations.has(span_id)
    }

    /// A new span in the place of one that is over; `make` gets that one's list of attributes, empty.
    fn make(&mut self, make: impl FnOnce(&KnownMethods, Vec<KeyValue>) -> SpanData) -> Box<SpanData> {
        match self.over.pop() {
            Some(mut data) => {
                let attributes = std::mem::take(&mut data.attributes);
                *data = make(&self.known_methods, attributes);
                data
            }
            None => Box::new(make(&self.known_methods, Vec::new())),
        }
    }

    /// Takes back a span that was handed over.
    fn keep(&mut self, mut span: Box<SpanData>) {
        if self.over.len() < MAX_OVER {
            span.attributes.clear();
            self.over.push(span);
        }
    }

    fn apply_http(&mut self, record: &Record<'_>, clock: &WallClock) -> Option<Box<SpanData>> {
        match record {
            Record::OperationStart(_)
            | Record::OperationEvent(_)
            | Record::EncodedSpan(_)
            | Record::SpanCall(_)
            | Record::Superseded(_) => None,
            Record::HttpServerStart(start) => {
                let data = self.make(|known, attributes| net_http_server::start(start, clock, known, attributes));
                self.states.began(&data.span_context);
                let mut open = OpenSpan::new(data, start.time);
                open.upgrade = start.upgrade_to_http2();
                if let Some(client) = &open.upgrade
                    && let Some(before) = self.upgrades.insert(client.clone(), start.span.span_id)
                    && let Some(outer) = self.spans.get_mut(&before)
                {
                    // Within a request of the same connection, which waits for all that come by HTTP/2.
                    outer.without_end = WithoutEnd::Another;
                }
                self.spans.insert(start.span.span_id, open);
                None
            }
            Record::HttpServerEnd(end) => self.finish(end.head.span_id, end.head.time, |span| net_http_server::finish(span, end)),
            Record::HttpServerUnfinished(end) => {
                // Its end may still come: the program has some instructions left.
                if let Some(open) = self.spans.get_mut(&end.head.span_id) {
                    open.interrupt(end);
                }
                None
            }
            Record::HttpServerPanic(panic) => {
                let ServerPanic { end, value_type, value, message: (message, _cut) } = panic;
                let value = self.names.value(*value_type, *value, message);
                self.finish(end.head.span_id, end.head.time, |span| net_http_server::finish_panic(span, panic, value))
            }
            Record::HttpClientStart(start) => {
                let data = self.make(|known, attributes| net_http_client::start(start, clock, known, attributes));
                self.spans.insert(start.span.span_id, OpenSpan::new(data, start.time));
                None
            }
            Record::HttpClientEnd(end) => {
                let (head, (message, _cut)) = (&end.head, end.message);
                let error = (head.error_type != 0).then(|| self.names.value(head.error_type, head.error, message));
                self.finish(head.span_id, head.time, |span| net_http_client::finish(span, head, error))
            }
        }
    }

    fn finish(&mut self, id: [u8; 8], time: u64, complete: impl FnOnce(&mut SpanData)) -> Option<Box<SpanData>> {
        let Some(OpenSpan { mut data, started, without_end, depth: _, upgrade }) = self.spans.remove(&id) else {
            self.orphans += 1;
            return None;
        };
        if let Some(client) = upgrade
            && self.upgrades.get(&client) == Some(&id)
        {
            self.upgrades.remove(&client);
        }
        if matches!(without_end, WithoutEnd::Another) {
            return None;
        }
        data.end_time = data.start_time + std::time::Duration::from_nanos(time.saturating_sub(started));
        complete(&mut data);
        rpc::settle(&mut data);
        limits::apply(&self.limits, &mut data);
        Some(data)
    }

    /// Closes what is still open, marked as unfinished, as of `now` (nanoseconds of `CLOCK_BOOTTIME`).
    pub fn close_all(&mut self, now: u64) -> impl Iterator<Item = SpanData> {
        let limits = self.limits;
        self.upgrades.clear();
        let mut closed = Vec::new();
        self.operations.close_before(u64::MAX, now, &mut closed);
        let closed = self.spans.drain().filter_map(move |(_id, open)| open.close(now, &limits)).chain(closed);
        let Self { calls, states, .. } = self;
        closed.filter_map(move |mut span| {
            states.apply(&mut span);
            calls.apply(&limits, &mut span).then_some(span)
        })
    }

    /// Closes the older half where too many are open; an ordinary program never comes near.
    pub fn close_oldest(&mut self, now: u64) -> Vec<SpanData> {
        if self.spans.len() + self.operations.len() <= MAX_OPEN {
            return Vec::new();
        }
        let starts = self.spans.values().map(|open| open.started).chain(self.operations.starts());
        let mut starts: Vec<u64> = starts.collect();
        let middle = starts.len() / 2;
        let (_, &mut median, _) = starts.select_nth_unstable(middle);
        self.close_before(median, now)
    }

    /// Closes what was started before `time`, marked as unfinished, as of `now` (both in nanoseconds of `CLOCK_BOOTTIME`).
    pub fn close_before(&mut self, time: u64, now: u64) -> Vec<SpanData> {
        let limits = self.limits;
        let old = self.spans.extract_if(|_id, open| open.started < time);
        let mut closed: Vec<SpanData> = old.filter_map(|(_id, open)| open.close(now, &limits)).collect();
        self.operations.close_before(time, now, &mut closed);
        self.upgrades.retain(|_client, id| self.spans.contains_key(id));
        closed.retain_mut(|span| {
            self.states.apply(span);
            self.calls.apply(&limits, span)
        });
        closed
    }

    /// Spans of the program's that its API could not encode.
    #[must_use]
    pub fn unencoded(&self) -> u64 {
        self.encoded.unencoded()
    }

    /// Ends whose start was lost.
    #[must_use]
    pub fn orphans(&self) -> u64 {
        self.orphans + self.operations.orphans() + self.encoded.lost()
    }
}

/// Hands over a span that has ended, with what was said of it.
fn as_called(calls: &mut Calls, states: &States, limits: &Limits, span: &SpanData, finished: Finished<'_>) {
    if calls.is_empty() && states.of(span).is_none() {
        finished(span);
        return;
    }
    let mut span = span.clone();
    states.apply(&mut span);
    if calls.apply(limits, &mut span) {
        finished(&span);
    }
}
