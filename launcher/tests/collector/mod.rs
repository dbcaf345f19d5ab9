//! A collector for tests: tonic's server with the official service for gRPC, hyper's for HTTP, on a port of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use go_auto_launch::export::settings::{OtlpSettings, Protocol};

/// What the collector does with a request. When the list is used up, everything is taken.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Take,
    /// Taken but for so many spans.
    Refuse(i64, &'static str),
    /// Not now (UNAVAILABLE, 503).
    Unavailable,
    /// Not now, but after so many seconds (429).
    After(u32),
    /// Never (`INVALID_ARGUMENT`, 400), with the request's own authorization in the message.
    Never,
    /// HTTP only: a web page.
    Page,
    /// HTTP only: the connection is closed without an answer.
    Close,
    /// No answer at all.
    Hang,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: Vec<ExportTraceServiceRequest>,
    pub(crate) headers: Vec<HeaderMap>,
    replies: VecDeque<Reply>,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    seen: Arc<Mutex<Seen>>,
    arrived: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct Collector {
    shared: Shared,
    pub(crate) settings: OtlpSettings,
    task: tokio::task::JoinHandle<()>,
    _files: Option<Certificates>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// Starts a collector; `settings` lead to it.
    pub(crate) async fn start(protocol: Protocol, tls: bool, replies: &[Reply]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared::default();
        shared.seen.lock().unwrap().replies = replies.iter().cloned().collect();
        let files = tls.then(Certificates::make);
        let task = match protocol {
            Protocol::Grpc => tokio::spawn(grpc(listener, shared.clone(), files.as_ref().map(Certificates::for_tonic))),
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                let acceptor = files.as_ref().map(Certificates::acceptor);
                tokio::spawn(http(listener, shared.clone(), protocol, acceptor))
            }
        };
        let mut settings = OtlpSettings::new(protocol, url(protocol, address, tls));
        if let Some(files) = &files {
            settings.certificate = Some(files.path("ca.pem"));
            settings.client_certificate = Some(files.path("client.pem"));
            settings.client_key = Some(files.path("client.key"));
        }
        Self { shared, settings, task, _files: files }
    }

    /// Waits until `count` requests have arrived, whatever was answered.
    pub(crate) async fn requests(&self, count: usize) {
        loop {
            let arrived = self.shared.arrived.notified();
            if self.shared.seen.lock().unwrap().headers.len() >= count {
                return;
            }
            arrived.await;
        }
    }

    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap()
    }
}

/// The URL of a server at `address`.
pub(crate) fn url(protocol: Protocol, address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    match protocol {
        Protocol::Grpc => format!("{scheme}://{address}"),
        Protocol::HttpProtobuf | Protocol::HttpJson => format!("{scheme}://{address}/v1/traces?tenant=a"),
    }
}

impl Shared {
    fn next(&self, headers: HeaderMap) -> Reply {
        let mut seen = self.seen.lock().unwrap();
        seen.headers.push(headers);
        self.arrived.notify_waiters();
        seen.replies.pop_front().unwrap_or(Reply::Take)
    }

    fn take(&self, request: ExportTraceServiceRequest, refused: Option<(i64, &str)>) -> ExportTraceServiceResponse {
        self.seen.lock().unwrap().requests.push(request);
        ExportTraceServiceResponse {
            partial_success: refused
                .map(|(rejected_spans, message)| ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() }),
        }
    }
}

fn authorization(headers: &HeaderMap) -> String {
    headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tonic::async_trait]
impl TraceService for Shared {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let headers = request.metadata().clone().into_headers();
        let secret = authorization(&headers);
        let response = match self.next(headers) {
            Reply::Take => self.take(request.into_inner(), None),
            Reply::Refuse(count, why) => self.take(request.into_inner(), Some((count, why))),
            Reply::Unavailable | Reply::After(_) => return Err(tonic::Status::unavailable("not now")),
            Reply::Never | Reply::Page | Reply::Close => return Err(tonic::Status::invalid_argument(format!("bad: {secret}"))),
            Reply::Hang => std::future::pending().await,
        };
        Ok(tonic::Response::new(response))
    }
}

async fn grpc(listener: TcpListener, shared: Shared, tls: Option<ServerTlsConfig>) {
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).unwrap();
    }
    let service = TraceServiceServer::new(shared).accept_compressed(CompressionEncoding::Gzip);
    server.add_service(service).serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
}

async fn http(listener: TcpListener, shared: Shared, protocol: Protocol, tls: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(connection(stream, shared.clone(), protocol, tls.clone()));
    }
}

async fn connection(stream: TcpStream, shared: Shared, protocol: Protocol, tls: Option<TlsAcceptor>) {
    let service = hyper::service::service_fn(move |request| answer(request, shared.clone(), protocol));
    let server = hyper::server::conn::http1::Builder::new();
    // The client may close at any time.
    let _ended = match tls {
        None => server.serve_connection(TokioIo::new(stream), service).await.is_ok(),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await.is_ok(),
            Err(_) => false,
        },
    };
}

async fn answer(request: Request<Incoming>, shared: Shared, protocol: Protocol) -> Result<Response<Full<Bytes>>, &'static str> {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.uri.path(), "/v1/traces");
    assert_eq!(parts.uri.query(), Some("tenant=a"));
    let secret = authorization(&parts.headers);
    let body = body.collect().await.unwrap().to_bytes();
    let reply = shared.next(parts.headers.clone());
    let plain = |status: StatusCode, text: String| {
        Response::builder().status(status).header("content-type", "text/plain").body(Full::from(text)).unwrap()
    };
    let refused = match reply {
        Reply::Take => None,
        Reply::Refuse(count, why) => Some((count, why)),
        Reply::Unavailable => return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "not now".to_owned())),
        Reply::After(seconds) => {
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, String::new());
            response.headers_mut().insert("retry-after", seconds.into());
            return Ok(response);
        }
        Reply::Never => return Ok(plain(StatusCode::BAD_REQUEST, format!("bad: {secret}"))),
        Reply::Close => return Err("closed on purpose"),
        Reply::Page => {
            let page = Response::builder().header("content-type", "text/html").body("<h1>It works!</h1>".into());
            return Ok(page.unwrap());
        }
        Reply::Hang => std::future::pending().await,
    };
    let is_json = protocol == Protocol::HttpJson;
    let content_type = if is_json { "application/json" } else { "application/x-protobuf" };
    assert_eq!(parts.headers["content-type"], content_type);
    let body = decompress(&parts.headers, &body);
    let request = if is_json {
        serde_json::from_slice(&body).unwrap()
    } else {
        ExportTraceServiceRequest::decode(body.as_slice()).unwrap()
    };
    let response = shared.take(request, refused);
    let body = if is_json { serde_json::to_vec(&response).unwrap() } else { response.encode_to_vec() };
    Ok(Response::builder().header("content-type", content_type).body(Full::from(body)).unwrap())
}

fn decompress(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut decoded = body.to_vec();
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        decoded.clear();
        flate2::read::GzDecoder::new(body).read_to_end(&mut decoded).unwrap();
    }
    decoded
}

/// An authority, and certificates of it for the server and the client, as files.
#[derive(Debug)]
pub(crate) struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
        let issuer = Issuer::new(authority, authority_key);
        for (name, host) in [("server", "127.0.0.1"), ("client", "client.test")] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap();
            write(&format!("{name}.pem"), certificate.signed_by(&key, &issuer).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn for_tonic(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(Identity::from_pem(self.read("server.pem"), self.read("server.key")))
            .client_ca_root(Certificate::from_pem(self.read("ca.pem")))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let chain = vec![CertificateDer::from_pem_file(self.path("server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
