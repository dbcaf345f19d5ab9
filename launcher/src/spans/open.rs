//! Spans between their start and their end: records in, finished spans out.

use std::collections::HashMap;

use bpf::records::HttpServerPanic;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::clock::WallClock;
use super::limits;
use super::panic_value::{PanicValue, TypeNames};
use crate::config::Limits;
use crate::events::decode::Record;
use crate::instrumentations::{net_http_client, net_http_server};

/// More open spans than this are a program that keeps requests open for ever, or ends that were lost; the oldest half is
/// then closed as unfinished.
const MAX_OPEN: usize = 65_536;

/// Names of types that are remembered.
const MAX_NAMES: usize = 1_024;

/// `error.type` of a span whose end was not seen.
const UNFINISHED: &str = "unfinished";

/// A span without its end.
#[derive(Debug)]
struct OpenSpan {
    data: SpanData,
    /// Start in nanoseconds of `CLOCK_BOOTTIME`: the duration is exact whatever happens to the wall clock.
    started: u64,
    /// What it is if no end comes, as of the program's last moment; `None` where nothing was reported then.
    interrupted: Option<Interrupted>,
}

/// A span that the end of the program cuts.
#[derive(Debug)]
struct Interrupted {
    data: SpanData,
    /// Nobody waits for an answer any more: that it was cut is no failure.
    is_answered: bool,
}

impl OpenSpan {
    fn new(data: SpanData, started: u64) -> Self {
        Self { data, started, interrupted: None }
    }
}

/// All spans whose end has not come.
#[derive(Debug)]
pub struct OpenSpans<N> {
    spans: HashMap<[u8; 8], OpenSpan>,
    limits: Limits,
    type_names: N,
    /// Names of types, by their address.
    names: HashMap<u64, Option<String>>,
    /// Ends whose start was lost.
    orphans: u64,
}

impl<N: TypeNames> OpenSpans<N> {
    /// No spans yet. `type_names` is asked when a panic is reported.
    #[must_use]
    pub fn new(limits: Limits, type_names: N) -> Self {
        Self { spans: HashMap::new(), limits, type_names, names: HashMap::new(), orphans: 0 }
    }

    /// Takes one record; returns the span that it finishes.
    pub fn apply(&mut self, record: &Record<'_>, clock: &WallClock) -> Option<SpanData> {
        match record {
            Record::HttpServerStart(start) => {
                let data = net_http_server::start(start, clock);
                self.spans.insert(start.span.span_id, OpenSpan::new(data, start.time));
                None
            }
            Record::HttpServerEnd(end) => self.finish(end.span_id, end.time, |span| net_http_server::finish(span, end)),
            Record::HttpServerUnfinished(end) => {
                // Its end may still come: the program has some instructions left.
                if let Some(open) = self.spans.get_mut(&end.span_id) {
                    let mut data = open.data.clone();
                    let is_answered = net_http_server::interrupt(&mut data, end);
                    open.interrupted = Some(Interrupted { data, is_answered });
                }
                None
            }
            Record::HttpServerPanic(panic) => {
                let HttpServerPanic { end, value_type, value, message } = panic;
                let value = self.value(*value_type, *value, message.get().0);
                self.finish(end.span_id, end.time, |span| net_http_server::finish_panic(span, panic, value))
            }
            Record::HttpClientStart(start) => {
                let data = net_http_client::start(start, clock);
                self.spans.insert(start.span.span_id, OpenSpan::new(data, start.time));
                None
            }
            Record::HttpClientEnd(end) => {
                let error = (end.error_type != 0).then(|| self.value(end.error_type, end.error, end.message.get().0));
                self.finish(end.span_id, end.time, |span| net_http_client::finish(span, end, error))
            }
        }
    }

    /// A Go value of the type whose descriptor is at `type_address`. Names are looked up once: that reads the program's file.
    fn value(&mut self, type_address: u64, words: [u64; 3], text: &[u8]) -> PanicValue {
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        let name = self.names.entry(type_address).or_insert_with(|| self.type_names.type_name(type_address));
        PanicValue::new(name.clone(), words, text)
    }

    fn finish(&mut self, id: [u8; 8], time: u64, complete: impl FnOnce(&mut SpanData)) -> Option<SpanData> {
        let Some(OpenSpan { mut data, started, interrupted: _ }) = self.spans.remove(&id) else {
            self.orphans += 1;
            return None;
        };
        data.end_time = data.start_time + std::time::Duration::from_nanos(time.saturating_sub(started));
        complete(&mut data);
        limits::apply(&self.limits, &mut data);
        Some(data)
    }

    /// Closes what is still open, marked as unfinished, as of `now` (nanoseconds of `CLOCK_BOOTTIME`).
    pub fn close_all(&mut self, now: u64) -> impl Iterator<Item = SpanData> {
        let limits = self.limits;
        self.spans.drain().map(move |(_id, open)| close(open, now, &limits))
    }

    /// Closes the older half where too many are open; an ordinary program never comes near.
    pub fn close_oldest(&mut self, now: u64) -> Vec<SpanData> {
        if self.spans.len() <= MAX_OPEN {
            return Vec::new();
        }
        let mut starts: Vec<u64> = self.spans.values().map(|open| open.started).collect();
        let middle = starts.len() / 2;
        let (_, &mut median, _) = starts.select_nth_unstable(middle);
        let old: Vec<[u8; 8]> = self.spans.iter().filter(|(_, open)| open.started < median).map(|(id, _)| *id).collect();
        let limits = self.limits;
        old.iter().filter_map(|id| self.spans.remove(id)).map(|open| close(open, now, &limits)).collect()
    }

    /// Ends whose start was lost.
    #[must_use]
    pub fn orphans(&self) -> u64 {
        self.orphans
    }
}

fn close(open: OpenSpan, now: u64, limits: &Limits) -> SpanData {
    let OpenSpan { data, started, interrupted } = open;
    let (mut data, is_answered) = interrupted.map_or((data, false), |one| (one.data, one.is_answered));
    data.end_time = data.start_time + std::time::Duration::from_nanos(now.saturating_sub(started));
    if !is_answered {
        data.attributes.push(KeyValue::new(semconv::ERROR_TYPE, UNFINISHED));
        data.status = Status::error("the end of this operation was not seen");
    }
    limits::apply(limits, &mut data);
    data
}
