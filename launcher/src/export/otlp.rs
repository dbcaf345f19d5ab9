//! The OTLP exporter: a queue, and a task that empties it.

use std::fmt;
use std::sync::Arc;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::client::{Client, ClientError};
use super::encode::{EncodedResource, Encoder};
use super::outage::Outage;
use super::queue::{Account, Held, Queue};
use super::sender::{self, Ending, Sender};
use super::settings::{BatchSettings, OtlpSettings};

/// The exporter.
pub(super) struct Otlp {
    queue: Arc<Queue>,
    ending: watch::Sender<Option<Ending>>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Otlp {
    /// Starts the exporter, within a runtime. Nothing is connected yet.
    pub(super) fn start(settings: &OtlpSettings, batch: BatchSettings) -> Result<Self, ClientError> {
        let client = Client::new(settings)?;
        let protocol = settings.protocol;
        let encoder = Encoder { encoding: Client::encoding(protocol), reserved: Client::reserved(protocol) };
        let queue = Arc::new(Queue::new(encoder, batch));
        let (ending, ended) = watch::channel(None);
        let sender = Sender {
            destination: client.destination(),
            client,
            queue: Arc::clone(&queue),
            timeout: settings.timeout,
            export_timeout: batch.export_timeout,
            outage: Outage::default(),
            ending: ended,
        };
        let task = tokio::spawn(sender::run(Arc::new(sender)));
        Ok(Self { queue, ending, task })
    }

    /// Encodes what all spans of a program share.
    pub(super) fn resource(&self, resource: &Resource) -> Arc<EncodedResource> {
        Arc::new(EncodedResource::new(self.queue.encoder().encoding, resource))
    }

    /// Takes a span of `resource`; never blocks.
    pub(super) fn push(&self, resource: &Arc<EncodedResource>, span: &SpanData) {
        self.queue.push(resource, span);
    }

    /// Sends what is held, until `deadline`.
    pub(super) async fn finish(mut self, deadline: Instant) -> (Account, Held) {
        self.queue.end();
        let _sender_is_there = self.ending.send(Some(Ending { began: Instant::now(), deadline }));
        if timeout_at(deadline, &mut self.task).await.is_err() {
            // Its tasks end with it.
            self.task.abort();
        }
        self.queue.account()
    }
}
