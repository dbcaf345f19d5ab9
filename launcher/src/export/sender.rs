//! Batches from the queue to the collector: several at a time, each again and again until it is taken, refused for good,
//! or out of time.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};

use super::answer::Taken;
use super::batch::Batch;
use super::client::Client;
use super::encode::Body;
use super::failure::{Failure, FailureKind};
use super::outage::Outage;
use super::queue::{Delivery, Held, Queue};

/// Requests on their way at the same time: a collector 40 ms away still takes 50,000 spans/s.
const MAX_IN_FLIGHT: usize = 4;

/// The first pause before a request is repeated; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// No pause of ours is longer (the collector may ask for a longer one).
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// At the end, a collector that nobody answers for is given this long to appear.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// The end of the program: from when, until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) began: Instant,
    pub(super) deadline: Instant,
}

/// What delivers batches.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) queue: Arc<Queue>,
    /// How long one request may take.
    pub(super) timeout: Duration,
    /// How long one batch may take.
    pub(super) export_timeout: Duration,
    pub(super) outage: Outage,
    pub(super) ending: watch::Receiver<Option<Ending>>,
    pub(super) destination: String,
}

/// Sends what the queue has until it has ended and is empty.
pub(super) async fn run(sender: Arc<Sender>) {
    let queue = Arc::clone(&sender.queue);
    let mut exports = JoinSet::new();
    loop {
        while exports.len() < MAX_IN_FLIGHT
            && let Some(batch) = queue.take()
        {
            exports.spawn(Arc::clone(&sender).export(batch));
        }
        if exports.is_empty() && queue.is_done() {
            return;
        }
        let due = queue.next_due().filter(|_| exports.len() < MAX_IN_FLIGHT);
        tokio::select! {
            () = queue.changed.notified() => {}
            Some(_ended) = exports.join_next() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

impl Sender {
    async fn export(self: Arc<Self>, batch: Batch) {
        let held = Held { spans: batch.spans(), bytes: batch.bytes() };
        let body = self.client.prepare(self.queue.encoder().request(batch));
        let delivery = match self.deliver(&body).await {
            Ok(Taken { refused, message }) => {
                let message = message.map(|message| self.client.redacted(&message));
                if refused > 0 {
                    self.outage.refused(&self.destination, refused, message.as_deref().unwrap_or("no reason given"));
                }
                Delivery::Taken { refused, message }
            }
            Err(failure) => {
                self.outage.lost(held.spans as u64);
                Delivery::Failed(failure.message)
            }
        };
        self.queue.settle(held, delivery, body.into_buffer());
    }

    /// Sends `body` until it is taken or there is no point in going on.
    async fn deliver(&self, body: &Body) -> Result<Taken, Failure> {
        let mut ending = self.ending.clone();
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut has_broken = false;
        loop {
            let end = ending.borrow_and_update().as_ref().copied();
            let give_up = end.map_or(begun + self.export_timeout, |end| end.deadline.min(begun + self.export_timeout));
            let failure = match self.request(body, give_up).await {
                Ok(taken) => {
                    self.outage.taken(&self.destination);
                    return Ok(taken);
                }
                Err(failure) if failure.kind == FailureKind::Broken && !has_broken => {
                    // Ordinary, once: nothing to talk about.
                    has_broken = true;
                    continue;
                }
                Err(failure) => failure,
            };
            self.outage.failed(&self.destination, &failure);
            let asked = match failure.kind {
                FailureKind::Permanent => return Err(failure),
                FailureKind::Unreachable if end.is_some_and(|end| end.began.elapsed() > LAST_PATIENCE) => {
                    return Err(failure);
                }
                FailureKind::Unreachable | FailureKind::Broken => None,
                FailureKind::Retryable(asked) => asked,
            };
            // Between half the pause and all of it: clients that failed together do not come back together.
            let wait = asked.unwrap_or_else(|| pause.mul_f64(0.5 + 0.5 * fastrand::f64()));
            pause = (pause * 2).min(LONGEST_PAUSE);
            // A collector may ask for any number of seconds; the sum must not overflow.
            if wait >= give_up.saturating_duration_since(Instant::now()) {
                return Err(failure);
            }
            tokio::select! {
                () = sleep(wait) => {}
                // The program has ended: what waits is tried at once, and then in short steps.
                Ok(()) = ending.changed() => pause = FIRST_PAUSE,
            }
        }
    }

    /// One request, until its own time is up or the batch's is.
    async fn request(&self, body: &Body, give_up: Instant) -> Result<Taken, Failure> {
        let limit = (Instant::now() + self.timeout).min(give_up);
        match timeout_at(limit, self.client.send(body)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Failure::retryable("no answer in time")),
        }
    }
}
