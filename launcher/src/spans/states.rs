//! The `tracestate` of a trace: it came with the request that is served, and every span within shows it, as the SDK's do, which have the state
//! of their parent (OpenTelemetry specification, "Trace", `SpanContext`). It is known by the trace: of several requests of one trace that came
//! with different states, which no propagator makes, spans within show the last one's.

use std::collections::{HashMap, VecDeque};

use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry_sdk::trace::SpanData;

/// Traces whose state is remembered, those whose first request came last.
const MAX_TRACES: usize = 4_096;

/// Those of the last traces that had one.
#[derive(Debug, Default)]
pub(super) struct States {
    by_trace: HashMap<[u8; 16], TraceState, foldhash::fast::RandomState>,
    /// The traces, the oldest first.
    order: VecDeque<[u8; 16]>,
}

impl States {
    /// A request that is served has begun.
    pub(super) fn began(&mut self, served: &SpanContext) {
        if served.trace_state() == &TraceState::NONE {
            return;
        }
        let trace = served.trace_id().to_bytes();
        if self.by_trace.insert(trace, served.trace_state().clone()).is_none() {
            self.order.push_back(trace);
        }
        if self.order.len() > MAX_TRACES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_trace.remove(&oldest);
        }
    }

    /// The state that a span is to show which has none itself.
    pub(super) fn of(&self, span: &SpanData) -> Option<&TraceState> {
        let context = &span.span_context;
        if self.by_trace.is_empty() || context.trace_state() != &TraceState::NONE {
            return None;
        }
        self.by_trace.get(&context.trace_id().to_bytes())
    }

    /// Has a span show it.
    pub(super) fn apply(&self, span: &mut SpanData) {
        if let Some(state) = self.of(span) {
            let context = &span.span_context;
            span.span_context = SpanContext::new(
                context.trace_id(),
                context.span_id(),
                context.trace_flags(),
                context.is_remote(),
                state.clone(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use bpf::records::SpanIdentity;
    use opentelemetry::trace::SpanKind;

    use super::*;
    use crate::instrumentations::identity;

    fn span(trace: u16, state: &str) -> SpanData {
        let mut trace_id = [1; 16];
        trace_id[..2].copy_from_slice(&trace.to_ne_bytes());
        let identity = SpanIdentity { trace_id, span_id: [7; 8], trace_flags: 1, ..SpanIdentity::NONE };
        let state = identity::trace_state(state.as_bytes());
        identity::open_span(SpanKind::Internal, &identity, state, identity::scope("x"), std::time::SystemTime::UNIX_EPOCH)
    }

    fn applied(states: &States, mut span: SpanData) -> String {
        let before = span.span_context.clone();
        states.apply(&mut span);
        let after = &span.span_context;
        assert_eq!(
            (before.trace_id(), before.span_id(), before.trace_flags()),
            (after.trace_id(), after.span_id(), after.trace_flags())
        );
        span.span_context.trace_state().header()
    }

    #[test]
    fn spans_show_the_state_of_their_trace() {
        let mut states = States::default();
        states.began(&span(1, "a=1").span_context);
        states.began(&span(2, "").span_context);
        assert_eq!(applied(&states, span(1, "")), "a=1");
        assert_eq!(applied(&states, span(1, "own=2")), "own=2");
        assert_eq!(applied(&states, span(2, "")), "");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut states = States::default();
        for trace in 0..=u16::try_from(MAX_TRACES).unwrap() {
            // The same request, at two servers.
            states.began(&span(trace, "a=1").span_context);
            states.began(&span(trace, "a=1").span_context);
        }
        assert_eq!(applied(&states, span(0, "")), "");
        assert_eq!(applied(&states, span(1, "")), "a=1");
        assert_eq!(states.by_trace.len(), MAX_TRACES);
    }
}
