//! Operations without an end of their own: those that were unwound, and those whose end was not seen.

use bpf::records::operation::OperationEvent;
use opentelemetry_sdk::trace::SpanData;

use super::{Finished, OpenOperation, OpenOperations};
use crate::spans::failures::{fail, panicked, unfinished};
use crate::spans::limits;

impl OpenOperations {
    /// All that is open on a goroutine from a level on has ended: by `runtime.Goexit`, or else by a panic, as far as one is known.
    pub(super) fn unwound(&mut self, head: &OperationEvent, is_goexit: bool, finished: Finished<'_>) {
        let is_unwound =
            |open: &OpenOperation| open.goroutine == head.goroutine && open.level >= head.level && open.returned.is_none();
        let unwound: Vec<OpenOperation> = self.open.extract_if(|_id, open| is_unwound(open)).map(|(_id, open)| open).collect();
        let panic = self.panics.take(head.goroutine).filter(|_| !is_goexit);
        for mut open in unwound {
            let end = panic.as_ref().map_or(head.time, |panic| panic.unwound(open.started, head.time));
            self.complete(&mut open, end, false);
            let data = &mut open.data;
            match &panic {
                Some(panic) => panicked(data, &panic.value),
                None if is_goexit => fail(data, "runtime.Goexit", "its goroutine was ended by runtime.Goexit"),
                None => unfinished(data),
            }
            limits::apply(&self.limits, data);
            finished(data);
        }
    }

    /// The span of one whose end was not seen, as of `now`.
    pub(super) fn close(&self, mut open: OpenOperation, now: u64) -> SpanData {
        let panic = self.panics.get(open.goroutine).filter(|_| open.returned.is_none());
        let unwound = || panic.map_or(now, |panic| panic.unwound(open.started, now));
        let returned = open.returned.filter(|_| !open.about.lasts);
        let end = returned.map_or_else(unwound, |(returned, _)| returned);
        self.complete(&mut open, end, returned.is_some());
        let mut data = open.data;
        if returned.is_none() {
            match panic {
                Some(panic) => panicked(&mut data, &panic.value),
                None => unfinished(&mut data),
            }
        }
        limits::apply(&self.limits, &mut data);
        data
    }

    /// Closes those that have begun before `time`, as of `now`.
    pub(in crate::spans) fn close_before(&mut self, time: u64, now: u64, closed: &mut Vec<SpanData>) {
        let old: Vec<_> = self.open.extract_if(|_id, open| open.started < time).map(|(_id, open)| open).collect();
        closed.extend(old.into_iter().map(|open| self.close(open, now)));
        self.objects.retain(|_object, id| self.open.contains_key(id));
    }
}
