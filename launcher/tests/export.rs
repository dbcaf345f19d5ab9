//! The exporters against a real collector.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod collector;

use std::time::{Duration, Instant, SystemTime};

use go_auto_launch::export::settings::{BatchSettings, Compression, ExportSettings, OtlpSettings, Protocol};
use go_auto_launch::export::{Exporting, Report, Source};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::net::TcpListener;

use collector::{Collector, Reply, url};

const ALL: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

/// A deadline that a healthy exporter never needs.
const FAR: Duration = Duration::from_secs(20);

fn resource() -> Resource {
    Resource::builder_empty()
        .with_schema_url([KeyValue::new("service.name", "tested"), KeyValue::new("process.pid", 7)], "https://schema/1")
        .build()
}

/// A span with everything in it that a span can have.
fn span(id: u64, scope: &'static str) -> SpanData {
    let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001);
    let context = |id: u64, state: TraceState| {
        SpanContext::new(TraceId::from(77), SpanId::from(id), TraceFlags::SAMPLED, id.is_multiple_of(2), state)
    };
    let array = |array| KeyValue::new("array", Value::Array(array));
    let mut events = SpanEvents::default();
    events.events.push(Event::new("exception", start, vec![KeyValue::new("exception.type", "e".repeat(300))], 2));
    events.dropped_count = 1;
    let mut links = SpanLinks::default();
    links.links.push(Link::new(context(id, TraceState::default()), vec![KeyValue::new("k", 1.5)], 3));
    links.dropped_count = 4;
    SpanData {
        span_context: context(id, TraceState::from_key_value([("a", "b"), ("c", "d")]).unwrap()),
        parent_span_id: if id.is_multiple_of(2) { SpanId::INVALID } else { SpanId::from(id + 1) },
        parent_span_is_remote: id.is_multiple_of(3),
        span_kind: [SpanKind::Server, SpanKind::Client, SpanKind::Internal, SpanKind::Producer, SpanKind::Consumer]
            [usize::try_from(id % 5).unwrap()]
        .clone(),
        name: format!("GET /items/{id}").into(),
        start_time: start,
        end_time: start + Duration::from_micros(id),
        attributes: vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("empty", ""),
            KeyValue::new("negative", -1),
            KeyValue::new("zero", 0),
            KeyValue::new("no", false),
            KeyValue::new("float", 0.25),
            array(Array::Bool(vec![true, false])),
            array(Array::I64(vec![0, -5, 1 << 40])),
            array(Array::F64(vec![0.0, 1e100])),
            array(Array::String(vec!["".into(), "é\n".into()])),
            array(Array::I64(Vec::new())),
        ],
        dropped_attributes_count: u32::try_from(id % 2).unwrap() * 300,
        events,
        links,
        status: [Status::Unset, Status::Ok, Status::error("broken")][usize::try_from(id % 3).unwrap()].clone(),
        instrumentation_scope: InstrumentationScope::builder(scope)
            .with_version("1")
            .with_schema_url("https://schema/2")
            .with_attributes([KeyValue::new("scope", true)])
            .build(),
    }
}

/// The exporters, and the one program whose spans they get.
struct OneSource {
    exporting: Exporting,
    source: Source,
}

impl OneSource {
    fn start(settings: &ExportSettings) -> Self {
        let exporting = Exporting::start(settings);
        Self { source: exporting.source(&resource()), exporting }
    }

    fn push(&mut self, span: &SpanData) {
        self.exporting.push(&self.source, span);
    }

    async fn finish(self, deadline: Instant) -> Report {
        self.exporting.finish(deadline).await
    }
}

fn start(otlp: &OtlpSettings, batch: BatchSettings) -> OneSource {
    OneSource::start(&ExportSettings { console: false, otlp: Some(otlp.clone()), batch })
}

/// Pushes `count` spans and finishes.
async fn export(otlp: &OtlpSettings, count: u64, deadline: Duration) -> Report {
    let mut exporting = start(otlp, BatchSettings::default());
    for id in 1..=count {
        exporting.push(&span(id, if id.is_multiple_of(2) { "even" } else { "odd" }));
    }
    exporting.finish(Instant::now() + deadline).await
}

/// The received spans, by id.
fn spans(collector: &Collector) -> Vec<Span> {
    let seen = collector.seen();
    let resources = seen.requests.iter().flat_map(|request| &request.resource_spans);
    let mut spans: Vec<Span> = resources.flat_map(|r| &r.scope_spans).flat_map(|s| s.spans.clone()).collect();
    spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
    spans
}

#[tokio::test]
async fn every_transport_delivers_every_span_as_the_library_would() {
    for protocol in ALL {
        for (tls, compression) in
            [(false, Compression::None), (false, Compression::Gzip), (true, Compression::None), (true, Compression::Gzip)]
        {
            let collector = Collector::start(protocol, tls, &[]).await;
            let otlp = OtlpSettings { compression, ..collector.settings.clone() };
            let report = export(&otlp, 1300, FAR).await;
            assert_eq!((report.exported(), report.lost()), (1300, 0), "{protocol} {tls} {compression:?}: {report}");
            let expected: Vec<Span> = (1..=1300).map(|id| Span::from(span(id, ""))).collect();
            assert_eq!(spans(&collector), expected, "{protocol} {tls} {compression:?}");
        }
    }
}

#[tokio::test]
async fn resource_and_scopes_arrive() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[]).await;
        export(&collector.settings, 3, FAR).await;
        let seen = collector.seen();
        let [request] = seen.requests.as_slice() else { panic!("one request expected") };
        let [resource] = request.resource_spans.as_slice() else { panic!("one resource expected") };
        assert_eq!(resource.schema_url, "https://schema/1");
        assert_eq!(resource.resource.as_ref().unwrap().attributes.len(), 2);
        let [odd, even] = resource.scope_spans.as_slice() else { panic!("two scopes expected") };
        assert_eq!(odd.schema_url, "https://schema/2");
        let scope = odd.scope.as_ref().unwrap();
        assert_eq!((scope.name.as_str(), scope.version.as_str(), scope.attributes.len()), ("odd", "1", 1));
        assert_eq!((odd.spans.len(), even.spans.len()), (2, 1));
    }
}

#[tokio::test]
async fn headers_arrive() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[]).await;
        let mut otlp = collector.settings.clone();
        otlp.headers = vec![("X-Tenant".to_owned(), "a b".to_owned()), ("authorization".to_owned(), "Bearer x".to_owned())];
        export(&otlp, 1, FAR).await;
        let seen = collector.seen();
        assert_eq!(seen.headers[0]["x-tenant"], "a b");
        assert_eq!(seen.headers[0]["authorization"], "Bearer x");
        assert!(seen.headers[0]["user-agent"].to_str().unwrap().starts_with("go-auto-launch/"));
    }
}

#[tokio::test]
async fn user_and_password_of_the_url_are_sent_as_a_header() {
    let collector = Collector::start(Protocol::HttpProtobuf, false, &[]).await;
    let mut otlp = collector.settings.clone();
    otlp.endpoint = otlp.endpoint.replace("://", "://user:pass@");
    export(&otlp, 1, FAR).await;
    assert_eq!(collector.seen().headers[0]["authorization"], "Basic dXNlcjpwYXNz");
}

#[tokio::test]
async fn a_collector_that_is_busy_for_a_while_loses_nothing() {
    for protocol in ALL {
        let replies = [Reply::Unavailable, Reply::Unavailable, Reply::Take, Reply::Unavailable];
        let collector = Collector::start(protocol, false, &replies).await;
        let report = export(&collector.settings, 1200, FAR).await;
        assert_eq!((report.exported(), report.lost()), (1200, 0), "{protocol}: {report}");
        assert_eq!(spans(&collector).len(), 1200, "{protocol}: nothing twice");
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_is_replaced_at_once() {
    let replies = [Reply::Take, Reply::Close, Reply::Take];
    let collector = Collector::start(Protocol::HttpProtobuf, false, &replies).await;
    let batch = BatchSettings { max_export_batch_size: 10, ..BatchSettings::default() };
    let mut exporting = start(&collector.settings, batch);
    for id in 1..=20 {
        exporting.push(&span(id, "s"));
    }
    let report = exporting.finish(Instant::now() + FAR).await;
    assert_eq!((report.exported(), report.lost()), (20, 0), "{report}");
}

#[tokio::test]
async fn the_pause_that_a_collector_asks_for_is_kept() {
    let collector = Collector::start(Protocol::HttpProtobuf, false, &[Reply::After(1)]).await;
    let begun = Instant::now();
    let report = export(&collector.settings, 1, FAR).await;
    assert_eq!(report.exported(), 1);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_not_waited_for() {
    let collector = Collector::start(Protocol::HttpProtobuf, false, &[Reply::After(60)]).await;
    let begun = Instant::now();
    let report = export(&collector.settings, 1, Duration::from_secs(5)).await;
    assert_eq!((report.failed(), report.lost()), (1, 1));
    assert!(begun.elapsed() < Duration::from_secs(5), "there was nothing to wait for");
}

#[tokio::test]
async fn refused_spans_are_counted_and_explained() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[Reply::Refuse(3, "too old")]).await;
        let report = export(&collector.settings, 10, FAR).await;
        assert_eq!((report.exported(), report.refused(), report.lost()), (7, 3, 3), "{protocol}");
        assert!(report.to_string().contains("3 were refused by the collector (last error: too old)"), "{report}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated_and_tells_no_secrets() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[Reply::Never]).await;
        let mut otlp = collector.settings.clone();
        otlp.headers = vec![("authorization".to_owned(), "Bearer secret".to_owned())];
        let report = export(&otlp, 10, FAR).await;
        assert_eq!((report.failed(), report.lost()), (10, 10), "{protocol}");
        assert!(report.to_string().contains("bad: …"), "{report}");
        assert!(!report.to_string().contains("secret") && !format!("{otlp:?}").contains("secret"));
        assert_eq!(collector.seen().headers.len(), 1);
    }
}

#[tokio::test]
async fn a_web_page_is_no_collector() {
    let collector = Collector::start(Protocol::HttpProtobuf, false, &[Reply::Page]).await;
    let report = export(&collector.settings, 10, FAR).await;
    assert_eq!(report.failed(), 10);
    assert!(report.to_string().contains("is the URL right?"), "{report}");
}

#[tokio::test]
async fn an_absent_collector_holds_nobody_up() {
    // Bound but not listening for longer than this line: nobody is there.
    let address = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    for protocol in ALL {
        let begun = Instant::now();
        let report = export(&OtlpSettings::new(protocol, url(protocol, address, false)), 10, FAR).await;
        assert_eq!((report.failed(), report.lost()), (10, 10), "{report}");
        assert!(begun.elapsed() < Duration::from_secs(5), "given up long before the deadline");
    }
}

#[tokio::test]
async fn the_deadline_holds_whatever_the_collector_does() {
    // One that never accepts, one that never answers, one that is no HTTP server at all.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let babbling = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let babble = babbling.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = babbling.accept().await {
            let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.9\r\n").await;
        }
    });
    for protocol in ALL {
        let stuck = Collector::start(protocol, false, &vec![Reply::Hang; 16]).await;
        for otlp in [
            stuck.settings.clone(),
            OtlpSettings::new(protocol, url(protocol, silent.local_addr().unwrap(), false)),
            OtlpSettings::new(protocol, url(protocol, silent.local_addr().unwrap(), true)),
            OtlpSettings::new(protocol, url(protocol, babble, false)),
        ] {
            let begun = Instant::now();
            let report = export(&otlp, 3000, Duration::from_millis(300)).await;
            assert!(begun.elapsed() < Duration::from_secs(2), "{protocol}");
            assert_eq!((report.exported(), report.lost()), (0, 3000), "{protocol}: {report}");
        }
    }
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let collector = Collector::start(Protocol::Grpc, false, &[Reply::Hang]).await;
    let batch = BatchSettings { max_queue_size: 100, max_export_batch_size: 10, ..BatchSettings::default() };
    let mut exporting = start(&collector.settings, batch);
    for id in 1..=150 {
        exporting.push(&span(id, "s"));
    }
    let report = exporting.finish(Instant::now() + Duration::from_secs(1)).await;
    assert_eq!((report.exported(), report.dropped(), report.unsent() + report.failed()), (90, 50, 10), "{report}");
    assert!(report.to_string().contains("50 found the queue full"), "{report}");
}

/// Bursts as a ring buffer that was nearly full makes them: nothing is sent while they are pushed.
#[tokio::test]
async fn a_burst_loses_nothing_but_what_is_counted() {
    const TOO_MANY: usize = 1000;
    // Spans as large as these fill the default queue by their bytes.
    let batch = BatchSettings { max_queue_size: 4096, ..BatchSettings::default() };
    let (room, half) = (batch.max_queue_size, batch.max_queue_size / 2);
    for (protocol, compression) in [
        (Protocol::Grpc, Compression::None),
        (Protocol::HttpProtobuf, Compression::None),
        (Protocol::HttpProtobuf, Compression::Gzip),
    ] {
        let collector = Collector::start(protocol, false, &[]).await;
        let otlp = OtlpSettings { compression, ..collector.settings.clone() };
        let mut exporting = start(&otlp, batch);
        let mut ids = 1..;
        ids.by_ref().take(room + TOO_MANY).for_each(|id| exporting.push(&span(id, "s")));
        collector.requests(room / batch.max_export_batch_size).await;
        ids.take(half).for_each(|id| exporting.push(&span(id, "s")));
        let report = exporting.finish(Instant::now() + FAR).await;
        let counted = (report.exported(), report.dropped(), report.lost());
        let [arriving, dropped] = [room + half, TOO_MANY].map(|count| u64::try_from(count).unwrap());
        assert_eq!(counted, (arriving, dropped, dropped), "{protocol} {compression:?}: {report}");
        let arrived: Vec<SpanId> =
            spans(&collector).iter().map(|span| SpanId::from_bytes(span.span_id[..].try_into().unwrap())).collect();
        let expected = (1..).take(room).chain((1..).skip(room + TOO_MANY).take(half)).map(SpanId::from);
        assert!(arrived.into_iter().eq(expected), "{protocol} {compression:?}");
    }
}

#[tokio::test]
async fn a_batch_goes_when_it_is_full_and_otherwise_after_a_while() {
    let collector = Collector::start(Protocol::HttpProtobuf, false, &[]).await;
    let batch = BatchSettings { max_export_batch_size: 10, ..BatchSettings::default() };
    let mut exporting = start(&collector.settings, batch);
    let begun = Instant::now();
    for id in 1..=10 {
        exporting.push(&span(id, "s"));
    }
    collector.requests(1).await;
    assert!(begun.elapsed() < Duration::from_millis(450), "a full batch waits for nothing");
    let batch = BatchSettings { schedule_delay: Duration::from_millis(20), ..BatchSettings::default() };
    let mut second = start(&collector.settings, batch);
    second.push(&span(11, "s"));
    collector.requests(2).await;
    assert_eq!(exporting.finish(Instant::now() + FAR).await.exported(), 10);
    assert_eq!(second.finish(Instant::now() + FAR).await.exported(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_named() {
    for protocol in ALL {
        let collector = Collector::start(protocol, true, &[]).await;
        let otlp = OtlpSettings { certificate: None, ..collector.settings.clone() };
        let report = export(&otlp, 1, FAR).await;
        assert_eq!(report.failed(), 1);
        assert!(report.to_string().contains("certificate"), "{report}");
    }
}

#[tokio::test]
async fn spans_of_several_programs_keep_their_resources() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[]).await;
        let batch = BatchSettings { max_export_batch_size: 1000, ..BatchSettings::default() };
        let mut exporting = Exporting::start(&ExportSettings { console: false, otlp: Some(collector.settings.clone()), batch });
        let sources = ["web", "worker", "cron"].map(|name| {
            let resource = Resource::builder_empty().with_attribute(KeyValue::new("service.name", name)).build();
            exporting.source(&resource)
        });
        for (id, source) in (1..=30).zip(sources.iter().cycle()) {
            exporting.push(source, &span(id, "s"));
        }
        assert_eq!(exporting.finish(Instant::now() + FAR).await.exported(), 30);
        let seen = collector.seen();
        let mut found = Vec::new();
        for resource in seen.requests.iter().flat_map(|request| &request.resource_spans) {
            let name = resource.resource.as_ref().unwrap().attributes[0].value.clone().unwrap();
            let ids = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            found.push((format!("{name:?}"), ids.map(|span| u64::from(span.span_id[7]) % 3).collect::<Vec<_>>()));
        }
        assert_eq!(found.len(), 3, "{protocol}: {found:?}");
        for ((name, ids), (expected, remainder)) in found.iter().zip([("web", 1), ("worker", 2), ("cron", 0)]) {
            assert!(name.contains(expected), "{name}");
            assert_eq!(*ids, [remainder; 10]);
        }
    }
}

#[tokio::test]
async fn without_exporters_nothing_happens() {
    let settings = ExportSettings::default();
    let mut exporting = OneSource::start(&settings);
    exporting.push(&span(1, "s"));
    let report = exporting.finish(Instant::now() + FAR).await;
    assert_eq!((report.exported(), report.lost()), (0, 0));
}

#[tokio::test]
async fn an_exporter_that_cannot_be_set_up_is_left_out() {
    let mut otlp = OtlpSettings::new(Protocol::Grpc, "https://localhost:1");
    otlp.certificate = Some("/does/not/exist.pem".into());
    let report = export(&otlp, 3, FAR).await;
    assert_eq!((report.exported(), report.lost()), (0, 3), "what was asked for and cannot be is lost: {report}");
    assert!(report.to_string().contains("/does/not/exist.pem"), "{report}");
}
