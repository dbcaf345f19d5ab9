//! One span between its start and its end, and what it is if no end comes.

use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;

use super::failures::unfinished;
use super::limits;
use crate::config::Limits;
use crate::events::decode::ServerEnd;
use crate::instrumentations::{net_http_server, rpc};

/// A span without its end.
#[derive(Debug)]
pub(super) struct OpenSpan {
    pub(super) data: Box<SpanData>,
    /// Start in nanoseconds of `CLOCK_BOOTTIME`: the duration is exact whatever happens to the wall clock.
    pub(super) started: u64,
    pub(super) without_end: WithoutEnd,
    /// How deep in its goroutine's stack something was learnt of it, in bytes.
    pub(super) depth: u32,
    /// Where the request asks for an upgrade to HTTP/2: its client's address, by which the other span of the same request is known.
    pub(super) upgrade: Option<Box<str>>,
}

/// What a span is if no end comes.
#[derive(Debug)]
pub(super) enum WithoutEnd {
    /// Nothing more is known of it.
    Unknown,
    /// Its answer was sent, as the program has said in its last moment: that this was cut is no failure.
    Answered(Box<SpanData>),
    /// Somebody waits for the answer.
    Unanswered(Box<SpanData>),
    /// No span at all, for the request has one of its own: the connection was upgraded to HTTP/2, or it is a call by gRPC.
    Another,
}

impl OpenSpan {
    /// It begins.
    pub(super) fn new(data: Box<SpanData>, started: u64) -> Self {
        Self { data, started, without_end: WithoutEnd::Unknown, depth: 0, upgrade: None }
    }

    /// The program ends.
    pub(super) fn interrupt(&mut self, end: &ServerEnd<'_>) {
        if matches!(self.without_end, WithoutEnd::Another) {
            return;
        }
        let mut data = self.data.clone();
        let is_answered = net_http_server::interrupt(&mut data, end);
        self.without_end = if is_answered { WithoutEnd::Answered(data) } else { WithoutEnd::Unanswered(data) };
    }

    /// The span without its end, as of `now`; `None` where it is another one's.
    pub(super) fn close(self, now: u64, limits: &Limits) -> Option<SpanData> {
        let Self { data, started, without_end, depth: _, upgrade: _ } = self;
        let (mut data, is_answered) = match without_end {
            WithoutEnd::Unknown => (data, false),
            WithoutEnd::Answered(data) => (data, true),
            WithoutEnd::Unanswered(data) => (data, false),
            WithoutEnd::Another => return None,
        };
        data.end_time = data.start_time + Duration::from_nanos(now.saturating_sub(started));
        rpc::settle(&mut data);
        if !is_answered {
            unfinished(&mut data);
        }
        limits::apply(limits, &mut data);
        Some(*data)
    }
}
