//! The exporters through a real proxy, which knows where `collector.test` is: nobody else does.
//!
//! The last test needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[expect(dead_code, reason = "the collector takes everything here")]
mod collector;
mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use go_auto_launch::config::Proxy as ProxyUrl;
use go_auto_launch::export::settings::{BatchSettings, ExportSettings, OtlpSettings, Protocol};
use go_auto_launch::export::{Exporting, Report};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use collector::{Certificates, Collector};
use support::apps::{self, GoVersion, Variant};

const ALL: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

/// A deadline that a healthy exporter never needs.
const FAR: Duration = Duration::from_secs(20);

/// What a proxy does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Obliging,
    /// It wants `user:p@ss`.
    Strict,
    /// It lets nobody through.
    Refusing,
    /// It is no proxy.
    Babbling,
}

/// A proxy that takes `collector.test` for one address.
struct Proxy {
    address: SocketAddr,
    /// The heads of the requests.
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn start(manner: Manner, collector: SocketAddr) -> Self {
        Self::start_with(manner, collector, None).await
    }

    /// One that is reached by TLS where there is an acceptor.
    async fn start_with(manner: Manner, collector: SocketAddr, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = heads.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, acceptor) = (seen.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => serve(acceptor.accept(stream).await.ok()?, manner, collector, seen).await,
                        None => serve(stream, manner, collector, seen).await,
                    }
                });
            }
        });
        Self { address, heads, task }
    }

    fn url(&self, credentials: &str) -> ProxyUrl {
        ProxyUrl::parse(&format!("http://{credentials}{}", self.address)).unwrap()
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// The head of a request, without its last line.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    manner: Manner,
    collector: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let head = head(&mut client).await?;
    heads.lock().unwrap().push(head.clone());
    // `user:p@ss`
    let is_known = head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwqhnz\r\n");
    let refusal = match manner {
        Manner::Babbling => "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        Manner::Refusing => "HTTP/1.1 403 Not from here\r\nContent-Length: 0\r\n\r\n",
        Manner::Strict if !is_known => "HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n",
        Manner::Strict | Manner::Obliging => "",
    };
    if !refusal.is_empty() {
        return client.write_all(refusal.as_bytes()).await.ok();
    }
    let mut server = TcpStream::connect(collector).await.ok()?;
    if head.starts_with("CONNECT ") {
        // Together with what the server says first, as a proxy that waits a little does.
        let mut first = [0; 256];
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n";
        let mut together = answer.to_vec();
        if let Ok(Ok(read)) = tokio::time::timeout(Duration::from_millis(50), server.read(&mut first)).await {
            together.extend_from_slice(&first[..read]);
        }
        client.write_all(&together).await.ok()?;
    } else {
        // The URL becomes a path.
        let (method, url) = head.split_once(" http://")?;
        let request = format!("{method} {}", &url[url.find('/')?..]);
        server.write_all(request.as_bytes()).await.ok()?;
    }
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}

fn span() -> SpanData {
    SpanData {
        span_context: SpanContext::new(TraceId::from(7), SpanId::from(7), TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: "GET".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: opentelemetry::InstrumentationScope::builder("test").build(),
    }
}

async fn export(otlp: &OtlpSettings, deadline: Duration) -> Report {
    let settings = ExportSettings { console: false, otlp: Some(otlp.clone()), batch: BatchSettings::default() };
    let mut exporting = Exporting::start(&settings);
    let source = exporting.source(&Resource::builder_empty().build());
    exporting.push(&source, &span());
    exporting.finish(Instant::now() + deadline).await
}

/// The address in a collector's URL.
fn address(settings: &OtlpSettings) -> SocketAddr {
    let authority = settings.endpoint.split("://").nth(1).unwrap().split('/').next().unwrap();
    let (_host, port) = authority.rsplit_once(':').unwrap();
    SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
}

#[tokio::test]
async fn what_is_not_encrypted_is_handed_to_the_proxy() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let collector = Collector::start(protocol, false, &[]).await;
        let proxy = Proxy::start(Manner::Strict, address(&collector.settings)).await;
        let endpoint = "http://collector.test/v1/traces?tenant=a".to_owned();
        let otlp = OtlpSettings { endpoint, proxy: Some(proxy.url("user:p%40ss@")), ..collector.settings.clone() };
        let report = export(&otlp, FAR).await;
        assert_eq!((report.exported(), report.lost()), (1, 0), "{protocol}: {report}");
        let heads = proxy.heads();
        let [head] = &heads[..] else { panic!("{heads:?}") };
        assert!(head.starts_with("POST http://collector.test/v1/traces?tenant=a HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("host: collector.test\r\n"), "{head}");
        assert_eq!(collector.seen().requests.len(), 1);
    }
}

#[tokio::test]
async fn tls_and_grpc_go_through_a_tunnel() {
    for (protocol, tls) in
        [(Protocol::Grpc, false), (Protocol::Grpc, true), (Protocol::HttpProtobuf, true), (Protocol::HttpJson, true)]
    {
        let collector = Collector::start(protocol, tls, &[]).await;
        let target = address(&collector.settings);
        let (manner, credentials) = if tls { (Manner::Strict, "user:p%40ss@") } else { (Manner::Obliging, "") };
        let proxy = Proxy::start(manner, target).await;
        // The certificate is for the address; else the name is one that only the proxy knows.
        let host = if tls { "127.0.0.1" } else { "collector.test" };
        let endpoint = collector.settings.endpoint.replace("127.0.0.1", host);
        let otlp = OtlpSettings { endpoint, proxy: Some(proxy.url(credentials)), ..collector.settings.clone() };
        let report = export(&otlp, FAR).await;
        assert_eq!((report.exported(), report.lost()), (1, 0), "{protocol} {tls}: {report}");
        let heads = proxy.heads();
        let connect = format!("CONNECT {host}:{} HTTP/1.1\r\nHost: {host}:{}\r\n", target.port(), target.port());
        assert!(heads[0].starts_with(&connect), "{heads:?}");
        assert_eq!(collector.seen().headers[0].get("proxy-authorization"), None, "it is for the proxy");
    }
}

#[tokio::test]
async fn a_proxy_may_be_reached_by_tls_itself() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[]).await;
        let files = Certificates::make();
        let proxy = Proxy::start_with(Manner::Strict, address(&collector.settings), Some(files.acceptor())).await;
        let otlp = OtlpSettings {
            endpoint: collector.settings.endpoint.replace("127.0.0.1", "collector.test"),
            proxy: ProxyUrl::parse(&format!("https://user:p%40ss@{}", proxy.address)),
            certificate: Some(files.path("ca.pem")),
            client_certificate: Some(files.path("client.pem")),
            client_key: Some(files.path("client.key")),
            ..collector.settings.clone()
        };
        let report = export(&otlp, FAR).await;
        assert_eq!((report.exported(), report.lost()), (1, 0), "{protocol}: {report}");
        assert_eq!(proxy.heads().len(), 1, "{protocol}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_oblige_is_named_with_its_answer() {
    for protocol in ALL {
        let collector = Collector::start(protocol, false, &[]).await;
        let endpoint = collector.settings.endpoint.replace("127.0.0.1", "collector.test");
        for (manner, expected) in [
            (Manner::Refusing, "403"),
            (Manner::Strict, "wants to know who asks (407"),
            (Manner::Babbling, if protocol == Protocol::Grpc { "does not answer as a proxy" } else { "invalid HTTP" }),
        ] {
            let proxy = Proxy::start(manner, address(&collector.settings)).await;
            let otlp =
                OtlpSettings { endpoint: endpoint.clone(), proxy: Some(proxy.url("user:s3cr3t@")), ..collector.settings.clone() };
            let report = export(&otlp, Duration::from_millis(500)).await.to_string();
            assert!(report.contains(expected), "{protocol} {manner:?}: {report}");
            assert!(!report.contains("s3cr3t") && !report.contains("dXNlcjpzM2NyM3Q"), "{report}");
            if protocol == Protocol::Grpc {
                assert!(report.contains(&format!("the proxy http://{}", proxy.address)), "{report}");
            }
            assert_eq!(collector.seen().requests.len(), 0);
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    for protocol in ALL {
        let mut otlp = OtlpSettings::new(protocol, "http://collector.test:4318/v1/traces");
        otlp.proxy = ProxyUrl::parse(&closed.to_string());
        let report = export(&otlp, Duration::from_millis(500)).await.to_string();
        assert!(report.contains(&format!("the proxy http://{closed} cannot be reached: tcp connect error")), "{report}");
    }
}

/// The launcher itself, told by variables.
#[tokio::test]
async fn the_variables_lead_through_the_proxy_or_past_it() {
    for (protocol, name) in [("http/protobuf", "HTTP_PROXY"), ("grpc", "https_proxy"), ("http/json", "http_proxy")] {
        let proxy = Proxy::start(Manner::Refusing, SocketAddr::from(([127, 0, 0, 1], 1))).await;
        for no_proxy in ["other.test,.collector.test,collector.test:1", "collector.test"] {
            let seen_before = proxy.heads().len();
            let mut command = Command::new(env!("CARGO_BIN_EXE_go-auto-launch"));
            command
                .env_clear()
                .envs([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.test:4318"), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)])
                .env(name, format!("http://user:s3cr3t@{}", proxy.address))
                .env("NO_PROXY", no_proxy)
                .args(["--flush-timeout=300ms", "--verbose", "--"])
                .arg(apps::build("short", GoVersion::GO_1_26, Variant::Stripped));
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let is_used = no_proxy != "collector.test";
            assert_eq!(proxy.heads().len() > seen_before, is_used, "{protocol}: {said}");
            assert_eq!(said.contains(&format!("through the proxy http://{}", proxy.address)), is_used, "{said}");
            assert!(!said.contains("s3cr3t") && !said.contains("dXNlcjpzM2NyM3Q"), "{said}");
        }
    }
}
