//! Operations that go on behind the return of their function, until an object ends.

use super::{Finished, OpenOperations};
use crate::events::decode::OperationHappened;
use crate::panic_value::TypeNames;
use crate::spans::early::EarlyEnd;
use crate::spans::limits;
use crate::spans::names::Names;
use crate::spans::values::{self, Values};

impl OpenOperations {
    /// The function of an operation has returned, which goes on with an object.
    pub(super) fn returned<N: TypeNames>(
        &mut self,
        record: &OperationHappened<'_>,
        names: &mut Names<N>,
        finished: Finished<'_>,
    ) {
        let OperationHappened { what: _, head, values: raw } = record;
        // An object at the address of one that has never ended, whose memory it has been given.
        if let Some(before) = self.objects.insert(head.object, head.span_id).filter(|before| *before != head.span_id)
            && let Some(open) = self.open.remove(&before)
        {
            finished(&self.close(open, head.time));
        }
        let (Some(about), Some(open)) = (self.about(head.operation), self.open.get_mut(&head.span_id)) else {
            self.orphans += 1;
            return;
        };
        values::add(&mut open.values, raw, &about.captures[1], names);
        open.returned = Some((head.time, head.object));
        let started = open.started;
        self.panics.returns(head.goroutine, started, head.time);
        if let Some(early) = self.early.take(head.object, started) {
            self.finish(head.span_id, early, finished);
        }
    }

    /// An object has ended of which the kernel knew no operation.
    pub(super) fn ended_early<N: TypeNames>(
        &mut self,
        record: &OperationHappened<'_>,
        names: &mut Names<N>,
        finished: Finished<'_>,
    ) {
        let OperationHappened { what: _, head, values: raw } = record;
        let Some(about) = self.about(head.operation) else {
            return;
        };
        let mut end = EarlyEnd { values: Values::default(), time: head.time };
        values::add(&mut end.values, raw, &about.captures[0], names);
        // Its function may have returned meanwhile.
        let returned = self.objects.get(&head.object).copied();
        if let Some(id) = returned.filter(|id| self.open.get(id).is_some_and(|open| open.started <= head.time)) {
            self.finish(id, end, finished);
            return;
        }
        self.early.insert(head.object, end);
    }

    /// Ends an operation whose function has returned.
    fn finish(&mut self, id: [u8; 8], end: EarlyEnd, finished: Finished<'_>) {
        let Some(mut open) = self.open.remove(&id) else {
            return;
        };
        if let Some((_, object)) = open.returned {
            self.objects.remove(&object);
        }
        open.values.extend(end.values);
        self.complete(&mut open, end.time, true);
        limits::apply(&self.limits, &mut open.data);
        finished(&open.data);
    }
}
