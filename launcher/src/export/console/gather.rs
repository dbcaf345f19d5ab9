//! Spans into traces: a trace is complete when its local root has ended and nothing else of it is open.
//!
//! Bounded: of a trace at most [`MAX_LINES`] spans are kept, of all at most [`MAX_HELD`]; then the oldest trace is drawn
//! as it is.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use opentelemetry::trace::TraceId;

use super::line::Line;

/// More spans of one trace are only counted.
const MAX_LINES: usize = 500;

/// More spans than this are not held.
const MAX_HELD: usize = 10_000;

/// Spans may end a little after their root: goroutines that outlive the request, records that overtake each other.
const GRACE: Duration = Duration::from_millis(200);

/// A trace whose root does not come is drawn after this time without news.
const PATIENCE: Duration = Duration::from_secs(60);

/// Traces remembered as drawn, so that what comes late is not held for long.
const REMEMBERED: usize = 256;

/// The spans of one trace.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    pub(super) lines: Vec<Line>,
    /// Spans that were left out.
    pub(super) more: usize,
}

#[derive(Debug)]
struct Gathered {
    trace: Trace,
    /// Spans known to be open.
    open: usize,
    has_root: bool,
    last: Instant,
}

/// Traces that are not complete.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    traces: HashMap<TraceId, Gathered>,
    held: usize,
    drawn: VecDeque<TraceId>,
}

impl Gathering {
    fn entry(&mut self, id: TraceId, now: Instant) -> &mut Gathered {
        // What is late has no root of its own to wait for.
        let has_root = self.drawn.contains(&id);
        let entry = self.traces.entry(id).or_insert_with(|| Gathered {
            trace: Trace { id, lines: Vec::new(), more: 0 },
            open: 0,
            has_root,
            last: now,
        });
        entry.last = now;
        entry
    }

    /// A span of this trace has begun.
    pub(super) fn open(&mut self, id: TraceId, now: Instant) {
        self.entry(id, now).open += 1;
    }

    /// A span of this trace that has begun is not drawn; nor is a trace that was nothing else.
    pub(super) fn leave_out(&mut self, id: TraceId) {
        let Some(gathered) = self.traces.get_mut(&id) else { return };
        gathered.open = gathered.open.saturating_sub(1);
        if gathered.open == 0 && gathered.trace.lines.is_empty() {
            self.traces.remove(&id);
        }
    }

    /// A span has ended.
    pub(super) fn add(&mut self, line: Line, now: Instant) {
        let gathered = self.entry(line.trace, now);
        gathered.open = gathered.open.saturating_sub(1);
        gathered.has_root |= line.is_local_root;
        if gathered.trace.lines.len() < MAX_LINES {
            gathered.trace.lines.push(line);
            self.held += 1;
        } else {
            gathered.trace.more += 1;
        }
    }

    /// The traces that are complete, and those for which there is no room or patience; oldest first.
    pub(super) fn complete(&mut self, now: Instant) -> Vec<Trace> {
        let mut ids: Vec<TraceId> = self.traces.iter().filter(|(_, g)| g.is_complete(now)).map(|(id, _)| *id).collect();
        if self.held > MAX_HELD {
            let oldest = self.traces.iter().min_by_key(|(_, gathered)| gathered.last).map(|(id, _)| *id);
            ids.extend(oldest.filter(|oldest| !ids.contains(oldest)));
        }
        self.take(&ids)
    }

    /// All traces, complete or not.
    pub(super) fn rest(&mut self) -> Vec<Trace> {
        let ids: Vec<TraceId> = self.traces.keys().copied().collect();
        self.take(&ids)
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }

    fn take(&mut self, ids: &[TraceId]) -> Vec<Trace> {
        let mut traces: Vec<Trace> = ids.iter().filter_map(|id| self.traces.remove(id)).map(|g| g.trace).collect();
        for trace in &traces {
            self.held -= trace.lines.len();
            if self.drawn.len() == REMEMBERED {
                self.drawn.pop_front();
            }
            self.drawn.push_back(trace.id);
        }
        traces.retain(|trace| !trace.lines.is_empty());
        traces.sort_by_key(|trace| trace.lines.iter().map(|line| line.end).max());
        traces
    }
}

impl Gathered {
    fn is_complete(&self, now: Instant) -> bool {
        let quiet = now - self.last;
        (self.has_root && self.open == 0 && quiet >= GRACE) || quiet >= PATIENCE
    }
}
