//! What is held, and when it goes. The clock is tokio's and stands still.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::super::encode::Encoding;
use super::*;

fn span(name: String) -> SpanData {
    SpanData {
        span_context: SpanContext::new(TraceId::from(1), SpanId::from(2), TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: Cow::Owned(name),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn queue(settings: BatchSettings) -> Queue {
    Queue::new(Encoder { encoding: Encoding::Protobuf, reserved: 5 }, settings)
}

fn push(queue: &Queue, name: String) {
    thread_local! {
        static RESOURCE: Arc<EncodedResource> =
            Arc::new(EncodedResource::new(Encoding::Protobuf, &Resource::builder_empty().build()));
    }
    RESOURCE.with(|resource| queue.push(resource, &span(name)));
}

fn held(batch: &Batch) -> Held {
    Held { spans: batch.spans(), bytes: batch.bytes() }
}

#[test]
fn spans_on_their_way_count_until_they_are_settled() {
    let queue = queue(BatchSettings { max_queue_size: 4, max_export_batch_size: 2, ..BatchSettings::default() });
    for _ in 0..5 {
        push(&queue, "a".to_owned());
    }
    let batch = queue.take().unwrap();
    push(&queue, "b".to_owned());
    assert_eq!(queue.account().0.dropped, 2);
    queue.settle(held(&batch), Delivery::Taken { refused: 1, message: Some("no".to_owned()) }, Vec::new());
    push(&queue, "c".to_owned());
    let (account, held) = queue.account();
    assert_eq!((account.exported, account.refused, account.dropped, held.spans), (1, 1, 2, 3));
}

#[test]
fn large_spans_are_bounded_by_their_bytes() {
    let queue = queue(BatchSettings::default());
    for _ in 0..100 {
        push(&queue, "x".repeat(200_000));
    }
    let (account, held) = queue.account();
    assert!(held.bytes < MAX_QUEUE_BYTES + 200_100 && account.dropped > 50, "{account:?} {held:?}");
    let batch = queue.take().unwrap();
    assert!(batch.bytes() < 3 << 20, "collectors take 4 MiB: {}", batch.bytes());
}

#[tokio::test(start_paused = true)]
async fn the_first_span_goes_soon_and_the_next_after_the_delay() {
    let queue = queue(BatchSettings::default());
    push(&queue, "a".to_owned());
    assert!(queue.take().is_none());
    tokio::time::advance(SOON).await;
    assert_eq!(queue.take().unwrap().spans(), 1);
    push(&queue, "b".to_owned());
    tokio::time::advance(SOON).await;
    assert!(queue.take().is_none());
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(queue.take().unwrap().spans(), 1);
    assert!(queue.take().is_none() && !queue.is_done());
}

#[test]
fn at_the_end_nothing_waits() {
    let queue = queue(BatchSettings::default());
    push(&queue, "a".to_owned());
    queue.end();
    assert!(!queue.is_done());
    assert_eq!(queue.take().unwrap().spans(), 1);
    assert!(queue.is_done());
}

#[test]
fn a_buffer_is_kept_while_others_wait_and_no_longer() {
    let queue = queue(BatchSettings { max_export_batch_size: 2, ..BatchSettings::default() });
    let settle = |batch: Batch| {
        let held = held(&batch);
        let mut buffer = queue.encoder().request(batch).buffer;
        buffer.clear();
        queue.settle(held, Delivery::Taken { refused: 0, message: None }, buffer);
    };
    for _ in 0..2 {
        push(&queue, "a".to_owned());
    }
    settle(queue.take().unwrap());
    assert!(queue.state().spare.is_none(), "nobody waits");
    for _ in 0..3 {
        push(&queue, "b".to_owned());
    }
    settle(queue.take().unwrap());
    assert!(queue.state().spare.is_some());
    queue.end();
    settle(queue.take().unwrap());
    assert!(queue.state().spare.is_none(), "the last one was not full");
    assert_eq!(queue.account().0.exported, 5);
}
