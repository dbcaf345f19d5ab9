//! The bounded queue: spans in, batches out, and the account of what became of every span.
//!
//! It is shared by the thread's tasks only; the lock is never contended and never held across an await.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use super::batch::Batch;
use super::encode::{EncodedResource, Encoder};
use super::settings::{BatchSettings, MAX_QUEUE_BYTES};

/// A batch is closed at this size, whatever its number of spans: collectors refuse gRPC messages above 4 MiB.
const MAX_BATCH_BYTES: usize = 2 << 20;

/// The first span of an idle period waits no longer than this: whoever tries a program out sees its traces at once.
const SOON: Duration = Duration::from_millis(500);

/// A buffer for a batch as most are, which does not grow by being copied; what is not used of it takes no memory.
fn new_buffer() -> Vec<u8> {
    Vec::with_capacity(256 << 10)
}

/// What became of the spans.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) exported: u64,
    /// Found the queue full.
    pub(super) dropped: u64,
    /// Refused by the collector within an accepted request.
    pub(super) refused: u64,
    /// In batches that could not be delivered.
    pub(super) failed: u64,
    pub(super) last_error: Option<String>,
}

/// What became of one batch.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The collector took it, but for `refused` spans, and may have said why.
    Taken { refused: u64, message: Option<String> },
    /// It could not be delivered.
    Failed(String),
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    encoder: Encoder,
    settings: BatchSettings,
    /// Something has changed that the sender wants to know.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Takes the next spans.
    open: Batch,
    /// When the open batch has to go, full or not.
    due: Option<Instant>,
    /// Waiting for their turn, oldest first.
    closed: VecDeque<Batch>,
    /// An empty buffer for the next batch, while one follows the other: its pages are there.
    spare: Option<Vec<u8>>,
    /// Spans and bytes held: waiting and on their way.
    held: Held,
    last_taken: Option<Instant>,
    ending: bool,
    account: Account,
}

/// An amount of spans.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

impl Queue {
    pub(super) fn new(encoder: Encoder, mut settings: BatchSettings) -> Self {
        // A batch larger than the queue would never be full.
        settings.max_export_batch_size = settings.max_export_batch_size.clamp(1, settings.max_queue_size.max(1));
        Self { state: Mutex::default(), encoder, settings, changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a span of `resource`, or counts it as dropped.
    pub(super) fn push(&self, resource: &Arc<EncodedResource>, span: &SpanData) {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.held.spans >= self.settings.max_queue_size || state.held.bytes >= MAX_QUEUE_BYTES {
            state.account.dropped += 1;
            return;
        }
        let State { open, spare, held, .. } = state;
        held.bytes += self.encoder.add(open, resource, span, || spare.take().unwrap_or_else(new_buffer));
        state.held.spans += 1;
        let is_full = state.open.spans() >= self.settings.max_export_batch_size || state.open.bytes() >= MAX_BATCH_BYTES;
        if is_full {
            state.close();
        } else if state.open.spans() == 1 {
            state.due = Some(self.due(state.last_taken));
        } else {
            return;
        }
        drop(guard);
        self.changed.notify_one();
    }

    fn due(&self, last_taken: Option<Instant>) -> Instant {
        let now = Instant::now();
        let delay = self.settings.schedule_delay;
        let is_idle = last_taken.is_none_or(|last| now - last >= delay);
        now + if is_idle { delay.min(SOON) } else { delay }
    }

    /// The next batch that has to go.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        if state.closed.is_empty() && (state.ending || state.due.is_some_and(|due| due <= Instant::now())) {
            state.close();
            state.spare = None;
        }
        let batch = state.closed.pop_front();
        if batch.is_some() {
            state.last_taken = Some(Instant::now());
        }
        batch
    }

    /// What encodes the spans.
    pub(super) fn encoder(&self) -> Encoder {
        self.encoder
    }

    /// When the open batch has to go; `None` if nothing waits for that.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.state().due
    }

    /// From now on nothing waits to become more.
    pub(super) fn end(&self) {
        self.state().ending = true;
        self.changed.notify_one();
    }

    /// Whether the end has come and nothing is left to be taken.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        state.ending && state.closed.is_empty() && state.open.spans() == 0
    }

    /// Books what became of a batch that was taken, and takes back its buffer if others wait.
    pub(super) fn settle(&self, batch: Held, delivery: Delivery, buffer: Vec<u8>) {
        let mut state = self.state();
        if state.open.spans() > 0 && buffer.capacity() > 0 {
            state.spare = Some(buffer);
        }
        state.held.spans -= batch.spans;
        state.held.bytes -= batch.bytes;
        let spans = batch.spans as u64;
        match delivery {
            Delivery::Taken { refused, message } => {
                let refused = refused.min(spans);
                state.account.exported += spans - refused;
                state.account.refused += refused;
                if refused > 0 && message.is_some() {
                    state.account.last_error = message;
                }
            }
            Delivery::Failed(error) => {
                state.account.failed += spans;
                state.account.last_error = Some(error);
            }
        }
    }

    /// What became of the spans, and what is still held.
    pub(super) fn account(&self) -> (Account, Held) {
        let state = self.state();
        (state.account.clone(), state.held)
    }
}

impl State {
    fn close(&mut self) {
        self.due = None;
        if self.open.spans() > 0 {
            self.closed.push_back(std::mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests;
