//! Connections to the collector, directly or through a proxy.
//!
//! A request without TLS is handed to the proxy, with the whole URL in it; TLS and gRPC go through a tunnel (`CONNECT`).
//! hyper-util's tunnel does not say what the proxy has answered, and drops what the server says at once, as gRPC servers do.

use std::error::Error;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::Proxy;

/// More of a proxy's answer is not read.
const MAX_ANSWER: usize = 16 << 10;

/// Why there is no connection through a proxy.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the proxy {proxy} cannot be reached")]
    Unreachable { proxy: Proxy, source: Box<dyn Error + Send + Sync> },
    #[error("the proxy {proxy} broke off")]
    Broken { proxy: Proxy, source: std::io::Error },
    #[error("the proxy {proxy} does not answer as a proxy: is its port right?")]
    NotUnderstood { proxy: Proxy },
    #[error("the proxy {proxy} lets nothing through to {target}: {answer}; name the host in NO_PROXY if it needs no proxy")]
    Refused { proxy: Proxy, target: String, answer: String },
    #[error("the proxy {proxy} wants to know who asks ({answer}): set it as http://user:password@host:port")]
    Unauthorized { proxy: Proxy, answer: String },
}

/// How a collector is reached.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    via: Option<Arc<Via>>,
}

#[derive(Debug)]
struct Via {
    proxy: Proxy,
    uri: Uri,
    connector: HttpsConnector<HttpConnector>,
    /// Through a tunnel; otherwise the proxy reads the requests.
    is_tunnel: bool,
    authorization: Option<HeaderValue>,
}

impl Connector {
    /// Straight to the collector.
    pub(super) fn direct(tcp: HttpConnector) -> Self {
        Self { tcp, via: None }
    }

    /// Through `proxy`; to one of `https`, the way itself is encrypted by `tls`. `None` where its URL is none.
    pub(super) fn through(proxy: &Proxy, tls: ClientConfig, tcp: HttpConnector, is_tunnel: bool) -> Option<Self> {
        let uri = format!("{}/", proxy.url()).parse().ok()?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let via = Via {
            proxy: proxy.clone(),
            uri,
            connector: connector.wrap_connector(tcp.clone()),
            is_tunnel,
            authorization: authorization(proxy),
        };
        Some(Self { tcp, via: Some(Arc::new(via)) })
    }
}

/// The value of `Proxy-Authorization`.
pub(super) fn authorization(proxy: &Proxy) -> Option<HeaderValue> {
    let (user, password) = proxy.credentials()?;
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
    // Kept out of what is printed.
    value.set_sensitive(true);
    Some(value)
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Service<Uri> for Connector {
    type Response = Reached;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Reached, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(via) = self.via.clone() else {
            let connecting = self.tcp.call(target);
            return Box::pin(async move {
                let stream = MaybeHttpsStream::Http(connecting.await?);
                Ok(Reached { stream, is_forwarded: false })
            });
        };
        Box::pin(async move {
            let connecting = via.connector.clone().call(via.uri.clone());
            let stream = connecting.await.map_err(|source| ProxyError::Unreachable { proxy: via.proxy.clone(), source })?;
            let stream = if via.is_tunnel { via.tunnel(stream, &target).await? } else { stream };
            Ok(Reached { stream, is_forwarded: !via.is_tunnel })
        })
    }
}

impl Via {
    /// Asks for a tunnel (RFC 9110, section 9.3.6).
    async fn tunnel(&self, stream: Stream, target: &Uri) -> Result<Stream, ProxyError> {
        let default = if target.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let target = format!("{}:{}", target.host().unwrap_or_default(), target.port_u16().unwrap_or(default));
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let mut stream = TokioIo::new(stream);
        let answer =
            exchange(&mut stream, &request).await.map_err(|source| ProxyError::Broken { proxy: self.proxy.clone(), source })?;
        let line = answer.lines().next().unwrap_or_default();
        let (version, answer) = line.split_once(' ').unwrap_or_default();
        let status = answer.get(..3).and_then(|status| status.parse::<u16>().ok());
        let proxy = || self.proxy.clone();
        match status {
            Some(_) | None if !version.starts_with("HTTP/1.") => Err(ProxyError::NotUnderstood { proxy: proxy() }),
            Some(200..300) => Ok(stream.into_inner()),
            Some(407) => Err(ProxyError::Unauthorized { proxy: proxy(), answer: answer.to_owned() }),
            Some(_) => Err(ProxyError::Refused { proxy: proxy(), target, answer: answer.to_owned() }),
            None => Err(ProxyError::NotUnderstood { proxy: proxy() }),
        }
    }
}

/// Sends a request and reads the head of the answer, and nothing behind it: that is the server's already.
async fn exchange(stream: &mut TokioIo<Stream>, request: &[u8]) -> std::io::Result<String> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_ANSWER {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A connection on which requests may be sent.
#[derive(Debug)]
pub(super) struct Reached {
    stream: Stream,
    /// A proxy reads the requests: they name the whole URL.
    is_forwarded: bool,
}

impl Reached {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut Stream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for Reached {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_forwarded)
    }
}

impl Read for Reached {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl Write for Reached {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.stream().poll_write_vectored(context, parts)
    }
}
