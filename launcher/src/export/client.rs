//! One request to the collector, and what its answer means: OTLP over gRPC, HTTP with protobuf, HTTP with JSON.
//!
//! Nothing connects before the first request; connections are kept and replaced by hyper.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, PROXY_AUTHORIZATION, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::{self, Taken};
use super::batch::Request as ExportRequest;
use super::encode::{Body, Encoding, gzip};
use super::failure::{Failure, FailureKind, redact, with_causes};
use super::grpc;
use super::proxy::{self, Connector, ProxyError};
use super::settings::{Compression, OtlpSettings, Protocol};
use super::tls::{self, TlsError};
use crate::config::Proxy;

/// More of an answer is not read.
const MAX_ANSWER: usize = 64 << 10;

/// Who does not take a connection in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections unused for so long are closed, before the collector or something on the way does it unseen.
const IDLE: Duration = Duration::from_secs(30);

/// A connection on which nothing has come for so long is asked whether it lives.
const PING_AFTER: Duration = Duration::from_secs(5);

/// It is dead if it does not answer within this time.
const PING_TIMEOUT: Duration = Duration::from_secs(4);

/// What a collector may learn about us.
const AGENT: &str = concat!("go-auto-launch/", env!("CARGO_PKG_VERSION"));

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the endpoint is no http or https URL")]
    Endpoint,
    #[error("the header {name:?} has a name or value that cannot be sent")]
    Header { name: String },
    #[error("the proxy {proxy} is no http or https URL")]
    Proxy { proxy: Proxy },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

type HttpClient = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The client of one collector.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient,
    proxy: Option<Proxy>,
    protocol: Protocol,
    compression: Compression,
    uri: Uri,
    headers: HeaderMap,
    /// Values that no log line may show.
    secrets: Vec<String>,
}

impl Client {
    pub(super) fn new(settings: &OtlpSettings) -> Result<Self, ClientError> {
        let (uri, credentials) = uri(settings).ok_or(ClientError::Endpoint)?;
        let mut headers = headers(settings)?;
        let mut secrets: Vec<String> = settings.headers.iter().flat_map(|(_, value)| secrets(value)).collect();
        if let Some(credentials) = credentials {
            let value = format!("Basic {}", STANDARD.encode(&credentials));
            let header = HeaderValue::from_str(&value).map_err(|_never| ClientError::Endpoint)?;
            headers.entry(AUTHORIZATION).or_insert(header);
            secrets.extend([credentials, value]);
        }
        if let Some(proxy) = &settings.proxy {
            secrets.extend(proxy_secrets(proxy));
            if !needs_tunnel(settings.protocol, &uri) {
                headers.extend(proxy::authorization(proxy).map(|value| (PROXY_AUTHORIZATION, value)));
            }
        }
        Ok(Self {
            http: http_client(settings, &uri)?,
            proxy: settings.proxy.clone(),
            protocol: settings.protocol,
            compression: settings.compression,
            uri,
            headers,
            secrets,
        })
    }

    /// How spans are encoded for it.
    pub(super) fn encoding(protocol: Protocol) -> Encoding {
        match protocol {
            Protocol::Grpc | Protocol::HttpProtobuf => Encoding::Protobuf,
            Protocol::HttpJson => Encoding::Json,
        }
    }

    /// How many bytes must be free before a message.
    pub(super) fn reserved(protocol: Protocol) -> usize {
        match protocol {
            Protocol::Grpc => grpc::PREFIX,
            Protocol::HttpProtobuf | Protocol::HttpJson => 0,
        }
    }

    /// Makes `request`, with its reserved bytes in front, ready to be sent.
    pub(super) fn prepare(&self, request: ExportRequest) -> Body {
        let ExportRequest { mut buffer, mut begin } = request;
        let compressed = match self.compression {
            Compression::Gzip => buffer.get(begin..).and_then(|message| gzip(message, Self::reserved(self.protocol))),
            Compression::None => None,
        };
        let is_gzip = compressed.is_some();
        if let Some(compressed) = compressed {
            (buffer, begin) = (compressed, 0);
        }
        if self.protocol == Protocol::Grpc {
            grpc::prefix(buffer.get_mut(begin..).unwrap_or_default(), is_gzip);
        }
        Body { bytes: Bytes::from(buffer).slice(begin..), is_gzip }
    }

    /// The destination, for the log: no credentials and no query.
    pub(super) fn destination(&self) -> String {
        let path = if self.protocol == Protocol::Grpc { "" } else { self.uri.path() };
        let authority = self.uri.authority().map_or("", Authority::as_str);
        let by = self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        format!("{}://{authority}{path} ({}){by}", self.uri.scheme_str().unwrap_or("http"), self.protocol)
    }

    /// `text` without the secrets in it.
    pub(super) fn redacted(&self, text: &str) -> String {
        redact(text, &self.secrets)
    }

    /// Sends `body` once.
    pub(super) async fn send(&self, body: &Body) -> Result<Taken, Failure> {
        self.exchange(body).await.map_err(|failure| failure.redacted(&self.secrets))
    }

    async fn exchange(&self, body: &Body) -> Result<Taken, Failure> {
        let mut request = Request::new(Full::new(body.bytes.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if body.is_gzip {
            let name = if self.protocol == Protocol::Grpc { GRPC_ENCODING } else { CONTENT_ENCODING };
            request.headers_mut().insert(name, HeaderValue::from_static("gzip"));
        }
        let response = self.http.request(request).await.map_err(|error| {
            let kind = if error.is_connect() { FailureKind::Unreachable } else { FailureKind::Broken };
            Failure::new(kind, with_causes(&error))
        })?;
        let (parts, answer) = response.into_parts();
        if parts.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && let Some(proxy) = &self.proxy
        {
            let answer = parts.status.to_string();
            return Err(Failure::permanent(ProxyError::Unauthorized { proxy: proxy.clone(), answer }));
        }
        let answer = Limited::new(answer, MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| Failure::retryable(format_args!("the answer broke off: {}", with_causes(&*error))))?;
        let trailers = answer.trailers().cloned().unwrap_or_default();
        let answer = answer.to_bytes();
        match self.protocol {
            Protocol::Grpc => {
                grpc::status(parts.status, &parts.headers, &trailers)?;
                answer::grpc(grpc::message(&answer))
            }
            Protocol::HttpProtobuf | Protocol::HttpJson => answer::http(&parts, &answer),
        }
    }
}

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// A proxy reads HTTP/1 requests only, and none that are encrypted.
fn needs_tunnel(protocol: Protocol, uri: &Uri) -> bool {
    protocol == Protocol::Grpc || uri.scheme() == Some(&Scheme::HTTPS)
}

/// What of a proxy's credentials must not be seen.
fn proxy_secrets(proxy: &Proxy) -> Vec<String> {
    let header = proxy::authorization(proxy);
    let encoded = header.iter().filter_map(|value| value.to_str().ok()).flat_map(secrets);
    let Some((user, password)) = proxy.credentials() else { return Vec::new() };
    [format!("{user}:{password}"), password.to_owned()].into_iter().filter(|text| text.len() >= 4).chain(encoded).collect()
}

fn http_client(settings: &OtlpSettings, uri: &Uri) -> Result<HttpClient, ClientError> {
    let is_grpc = settings.protocol == Protocol::Grpc;
    let is_tls = |url: &str| url.starts_with("https:");
    let may_need_tls = uri.scheme() == Some(&Scheme::HTTPS) || settings.proxy.as_ref().is_some_and(|proxy| is_tls(proxy.url()));
    let tls = if may_need_tls { tls::config(settings)? } else { tls::none()? };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = match &settings.proxy {
        None => Connector::direct(tcp),
        Some(proxy) => {
            let through = Connector::through(proxy, tls.clone(), tcp, needs_tunnel(settings.protocol, uri));
            through.ok_or_else(|| ClientError::Proxy { proxy: proxy.clone() })?
        }
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let connector =
        if is_grpc { builder.enable_http2().wrap_connector(connector) } else { builder.enable_http1().wrap_connector(connector) };
    Ok(legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http2_only(is_grpc)
        // One HTTP/2 connection carries all requests: it must not be kept when it is dead. Only while a request waits:
        // gRPC servers close connections that are pinged for no reason.
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(false)
        .build(connector))
}

/// The URL without user and password, and these two as `user:password`.
fn uri(settings: &OtlpSettings) -> Option<(Uri, Option<String>)> {
    let mut parts = settings.endpoint.parse::<Uri>().ok()?.into_parts();
    let is_http = parts.scheme.as_ref().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let authority = parts.authority.filter(|_| is_http)?;
    let (credentials, host) = match authority.as_str().rsplit_once('@') {
        Some((credentials, host)) => (Some(credentials.to_owned()), host),
        None => (None, authority.as_str()),
    };
    parts.authority = Some(host.parse().ok()?);
    if settings.protocol == Protocol::Grpc {
        parts.path_and_query = Some(PathAndQuery::from_static(grpc::PATH));
    }
    Some((Uri::from_parts(parts).ok()?, credentials))
}

/// What of a header's value must not be seen: all of it, and a token without its scheme (`Bearer …`). Shorter values are
/// no secrets, and messages would become unreadable without them.
fn secrets(value: &str) -> impl Iterator<Item = String> {
    let token = value.split_once(' ').map(|(_scheme, token)| token);
    [Some(value), token].into_iter().flatten().filter(|text| text.len() >= 4).map(str::to_owned)
}

fn headers(settings: &OtlpSettings) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let invalid = || ClientError::Header { name: name.clone() };
        let key = name.parse::<HeaderName>().map_err(|_invalid| invalid())?;
        let mut value = HeaderValue::from_str(value).map_err(|_invalid| invalid())?;
        // HTTP/2 keeps such values out of its compression tables.
        value.set_sensitive(true);
        headers.append(key, value);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    let content_type = match settings.protocol {
        Protocol::Grpc => {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            "application/grpc"
        }
        Protocol::HttpProtobuf => "application/x-protobuf",
        Protocol::HttpJson => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(headers)
}
