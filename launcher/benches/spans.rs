//! What the launcher itself costs per span, without a traced program: records that are made up as probes write them are taken out,
//! decoded, joined, encoded, and sent to a collector on loopback. It is the CPU time of the telemetry thread, system calls included.

#![expect(clippy::unwrap_used, reason = "a benchmark panics rather than return errors")]

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Ready, ready};
use std::io::PipeReader;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bpf::missed::COUNTED;
use bpf::records::http_client::{HttpClientEnd, HttpClientStart, Peer};
use bpf::records::http_server::{HttpServerEnd, HttpServerStart, text};
use bpf::records::operation::{OperationEvent, OperationStart, ValueHead, whole};
use bpf::records::{RecordHeader, SpanIdentity, http_client, http_server, kind};
use bpf::trace::operation::kind::COUNT;
use bpf::trace::unsampled::Durations;
use bytemuck::{Pod, Zeroable as _, bytes_of};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use go_auto_launch::captured::Named;
use go_auto_launch::clock::{WallClock, boot_time};
use go_auto_launch::config::{Database, KnownMethods, Limits, Protocol, SpanSettings};
use go_auto_launch::engine::Records;
use go_auto_launch::events::ring::{Ring, TURN};
use go_auto_launch::export::settings::{BatchSettings, ExportSettings, OtlpSettings};
use go_auto_launch::export::{Exporting, Source};
use go_auto_launch::expression::ValueKind;
use go_auto_launch::instrumentations::database::span::statement;
use go_auto_launch::panic_value::TypeNames;
use go_auto_launch::probes::operations::About;
use go_auto_launch::spans::open::OpenSpans;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::time::{ClockId, clock_gettime};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::watch;

/// Spans of one iteration.
const SPANS: usize = 8_192;
/// Spans of a request to the collector.
const BATCH: usize = 512;
/// Spans that are open at once.
const OPEN: usize = 32;

/// What a kind of span is made of: its start and its end, for its number.
type Made = fn(u64) -> [Vec<u8>; 2];

/// The records of so many spans, in an order in which they may come.
fn records(kinds: &[Made]) -> Vec<Vec<u8>> {
    let spans: Vec<[Vec<u8>; 2]> = (1..).zip(kinds.iter().cycle()).map(|(id, made)| made(id)).take(SPANS).collect();
    let together = spans.chunks(OPEN);
    together.flat_map(|open| open.iter().map(|[start, _]| start).chain(open.iter().map(|[_, end]| end)).cloned()).collect()
}

fn record<H: Pod>(head: &H, rest: &[&[u8]]) -> Vec<u8> {
    let mut record = bytes_of(head).to_vec();
    for bytes in rest {
        record.extend_from_slice(bytes);
    }
    let size = u32::try_from(record.len()).unwrap();
    record[4..8].copy_from_slice(&size.to_ne_bytes());
    record
}

fn header(kind: u32) -> RecordHeader {
    RecordHeader { kind, size: 0 }
}

fn identity(id: u64) -> SpanIdentity {
    // No two ids alike, and none in order.
    let trace_id = u128::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_le_bytes();
    let span_id = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let (parent_span_id, parent_is_remote) = if id.is_multiple_of(2) { ([7; 8], 1) } else { ([0; 8], 0) };
    SpanIdentity { trace_id, span_id, parent_span_id, trace_flags: 1, parent_is_remote, ..SpanIdentity::NONE }
}

fn lengths<const N: usize>(texts: &[&str; N]) -> [u32; N] {
    texts.map(|text| u32::try_from(text.len()).unwrap())
}

fn server(id: u64) -> [Vec<u8>; 2] {
    let mut texts = [""; http_server::TEXTS];
    texts[text::METHOD] = "GET";
    texts[text::PATH] = "/hello";
    texts[text::QUERY] = "page=2";
    texts[text::HOST] = "shop.example:8080";
    texts[text::REMOTE] = "127.0.0.1:43210";
    texts[text::USER_AGENT] = "Mozilla/5.0 (X11; Linux x86_64) bench/1.0";
    let (time, span) = (boot_time(), identity(id));
    let start = HttpServerStart {
        header: header(kind::HTTP_SERVER_START),
        time,
        span,
        content_length: 0,
        proto_major: 1,
        proto_minor: 1,
        tls: 0,
        lengths: lengths(&texts),
    };
    let pattern = "/hello";
    let end = HttpServerEnd {
        header: header(kind::HTTP_SERVER_END),
        time: time + 12_345,
        span_id: span.span_id,
        body_size: 72,
        pattern_lengths: [u32::try_from(pattern.len()).unwrap(), 0, 0, 0],
        ..HttpServerEnd::zeroed()
    };
    [record(&start, &texts.map(str::as_bytes)), record(&end, &[pattern.as_bytes()])]
}

fn client(id: u64) -> [Vec<u8>; 2] {
    let texts: [_; http_client::TEXTS] = ["GET", "http", "stock.example:8080", "/items/17", "page=2&size=50", ""];
    let (time, span) = (boot_time(), identity(id));
    let start = HttpClientStart {
        header: header(kind::HTTP_CLIENT_START),
        time,
        span,
        content_length: 0,
        has_user: 0,
        redirects: 0,
        lengths: lengths(&texts),
    };
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[127, 0, 0, 1]);
    let end = HttpClientEnd {
        header: header(kind::HTTP_CLIENT_END),
        time: time + 54_321,
        span_id: span.span_id,
        content_length: 512,
        status: 200,
        proto_major: 1,
        proto_minor: 1,
        writes: 1,
        peer: Peer { address, length: 4, port: 8080 },
        ..HttpClientEnd::zeroed()
    };
    [record(&start, &texts.map(str::as_bytes)), record(&end, &[])]
}

/// What is captured of a statement, in this order.
const CAPTURES: [(&str, ValueKind); 2] =
    [("query", ValueKind::Text), ("arguments", ValueKind::Integer { bytes: 8, is_signed: true })];

fn operation(id: u64) -> [Vec<u8>; 2] {
    let (time, span) = (boot_time(), identity(id));
    let start =
        OperationStart { header: header(kind::OPERATION_START), time, span, goroutine: 0xc000_0000 + id, operation: 1, level: 0 };
    let query = b"SELECT id, name, price FROM items WHERE shop = $1 AND price < $2";
    let length = u32::try_from(query.len()).unwrap();
    let text = ValueHead { number: 0, whole: whole::WHOLE, length };
    let number = ValueHead { number: 1, whole: whole::WHOLE, length: 8 };
    let values: [&[u8]; 4] = [bytes_of(&text), query, bytes_of(&number), &[2, 0, 0, 0, 0, 0, 0, 0]];
    let end = OperationEvent {
        header: header(kind::OPERATION_END),
        time: time + 99_999,
        span_id: span.span_id,
        goroutine: start.goroutine,
        operation: 1,
        ..OperationEvent::zeroed()
    };
    [record(&start, &values), record(&end, &[])]
}

/// Hands out the same records again and again, all of them each time.
#[derive(Debug)]
struct Recorded {
    records: Arc<Vec<Vec<u8>>>,
    next: usize,
    /// Never readable.
    backlog: PipeReader,
}

impl Records for Recorded {
    fn next(&mut self, use_record: &mut dyn FnMut(&[u8])) -> bool {
        let record = self.records.get(self.next);
        self.next = if record.is_some() { self.next + 1 } else { 0 };
        record.map(|record| use_record(record)).is_some()
    }

    fn capacity(&self) -> usize {
        0
    }

    fn backlog(&self) -> BorrowedFd<'_> {
        self.backlog.as_fd()
    }

    fn missed(&self) -> Option<[u64; COUNTED as usize]> {
        None
    }

    fn unsampled(&self) -> Option<[Durations; COUNT as usize]> {
        None
    }
}

/// A program without types.
#[derive(Debug)]
struct NoTypes;

impl TypeNames for NoTypes {
    fn type_name(&self, _address: u64) -> Option<String> {
        None
    }

    fn constant(&self, _address: u64, _length: u64) -> Option<Vec<u8>> {
        None
    }
}

/// A collector that takes everything and looks at nothing, on a thread of its own. It says how many requests it has answered.
fn collector() -> (SocketAddr, watch::Receiver<usize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (answered, count) = watch::channel(0);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let answered = answered.clone();
                let service = hyper::service::service_fn(move |request| take(request, answered.clone()));
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    (address, count)
}

/// An answer with trailers.
type Answer = Response<WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>>;

async fn take(request: Request<Incoming>, answered: watch::Sender<usize>) -> Result<Answer, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    answered.send_modify(|count| *count += 1);
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    Ok(Response::new(Full::new(Bytes::from_static(&[0; 5])).with_trailers(ready(Some(Ok(trailers))))))
}

/// The telemetry thread's part, as far as it can be had without a process.
struct Thread {
    ring: Ring,
    spans: OpenSpans<NoTypes>,
}

impl Thread {
    fn new(records: &Arc<Vec<Vec<u8>>>) -> Self {
        let (backlog, _writer) = std::io::pipe().unwrap();
        let about = About {
            library: "database/sql",
            function: "database/sql.(*DB).QueryContext".to_owned(),
            kind: SpanKind::Client,
            lasts: false,
            span: statement,
            captures: [CAPTURES.map(|(name, kind)| Named { name: name.into(), kind }).to_vec(), Vec::new()],
            known: 0..0,
        };
        let settings =
            SpanSettings { limits: Limits::DEFAULT, known_methods: KnownMethods::default(), database: Database::default() };
        Self {
            ring: Ring::new(Box::new(Recorded { records: Arc::clone(records), next: 0, backlog })).unwrap(),
            spans: OpenSpans::new(settings, vec![None, Some(Arc::new(about))], NoTypes),
        }
    }

    /// A turn, as `telemetry::traced` takes it.
    fn turn(&mut self, mut finished: impl FnMut(&SpanData)) -> bool {
        let clock = WallClock::now();
        let Self { ring, spans } = self;
        ring.drain(TURN, |record| spans.apply(&record, &clock, &mut finished))
    }
}

/// Exporters, and the one program.
fn exporting(collector: SocketAddr) -> (Exporting, Source) {
    let otlp = Some(OtlpSettings::new(Protocol::Grpc, format!("http://{collector}")));
    let batch = BatchSettings { max_export_batch_size: BATCH, max_queue_size: 2 * SPANS, ..BatchSettings::default() };
    let exporting = Exporting::start(&ExportSettings { console: false, otlp, batch });
    let attributes = (0..20).map(|index| KeyValue::new(format!("attribute.{index}"), "twenty-four bytes of text"));
    let resource = Resource::builder_empty().with_attributes(attributes).build();
    let source = exporting.source(&resource);
    (exporting, source)
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// All records once; returns how many spans came of them.
async fn all(thread: &mut Thread, mut finished: impl FnMut(&SpanData)) -> usize {
    let mut count = 0;
    while thread.turn(|span| {
        count += 1;
        finished(span);
    }) {
        tokio::task::yield_now().await;
    }
    count
}

fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (collector, mut answered) = collector();
    let kinds: [(&str, &[Made]); 3] =
        [("server", &[server]), ("server and client", &[server, client]), ("all", &[server, client, operation])];
    for (name, kinds) in kinds {
        let records = Arc::new(records(kinds));
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Elements(SPANS as u64));
        group.bench_function("records into spans", |bencher| {
            bencher.iter_custom(|iterations| {
                runtime.block_on(async {
                    let mut thread = Thread::new(&records);
                    let before = cpu_time();
                    for _iteration in 0..iterations {
                        assert_eq!(all(&mut thread, |_span| ()).await, SPANS);
                    }
                    cpu_time().saturating_sub(before)
                })
            });
        });
        group.bench_function("records to the collector", |bencher| {
            bencher.iter_custom(|iterations| {
                runtime.block_on(async {
                    let mut thread = Thread::new(&records);
                    let (mut exporting, source) = exporting(collector);
                    let before = cpu_time();
                    for _iteration in 0..iterations {
                        let before = *answered.borrow();
                        all(&mut thread, |span| exporting.push(&source, span)).await;
                        // Else the queue would be full at last.
                        answered.wait_for(|count| *count >= before + SPANS / BATCH).await.unwrap();
                    }
                    let report = exporting.finish(Instant::now() + Duration::from_secs(60)).await;
                    assert_eq!(report.lost(), 0, "{report}");
                    cpu_time().saturating_sub(before)
                })
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
