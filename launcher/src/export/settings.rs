//! What the exporters need to be told: plain values, read by nobody but the exporters.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::config::Protocol;
use crate::config::{self, Batch, Config, DEFAULT_QUEUE_SIZE, Proxy};

/// Where spans go, and how they are gathered before.
#[derive(Clone, Debug, Default)]
pub struct ExportSettings {
    /// Draw each trace on standard error.
    pub console: bool,
    /// Send spans to a collector. `None` together with `console: false` is the exporter `none`.
    pub otlp: Option<OtlpSettings>,
    /// How spans are gathered before they are sent.
    pub batch: BatchSettings,
}

/// How spans are gathered before they are sent (`OTEL_BSP_*`).
#[derive(Clone, Copy, Debug)]
pub struct BatchSettings {
    /// The longest time that a span waits for others.
    pub schedule_delay: Duration,
    /// How long one batch may take, retries included.
    pub export_timeout: Duration,
    /// How many spans may be held, waiting and on their way; more are dropped and counted.
    pub max_queue_size: usize,
    /// How many spans go out together.
    pub max_export_batch_size: usize,
}

/// How many bytes of encoded spans may be held, whatever their number.
pub const MAX_QUEUE_BYTES: usize = 8 << 20;

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            schedule_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
            max_queue_size: DEFAULT_QUEUE_SIZE,
            max_export_batch_size: 512,
        }
    }
}

/// A collector and how to talk to it.
#[derive(Clone)]
pub struct OtlpSettings {
    /// How it is sent.
    pub protocol: Protocol,
    /// The URL: complete for HTTP (`…/v1/traces`), scheme and authority for gRPC. `https` is TLS, `http` is not.
    pub endpoint: String,
    /// Headers (gRPC: metadata) of each request. They may hold credentials.
    pub headers: Vec<(String, String)>,
    /// The proxy that requests go through. It may hold credentials.
    pub proxy: Option<Proxy>,
    /// How long one request may take.
    pub timeout: Duration,
    /// How requests are compressed.
    pub compression: Compression,
    /// The file of the authorities (PEM) that the collector's certificate must come from.
    pub certificate: Option<PathBuf>,
    /// The file of our own certificate (PEM).
    pub client_certificate: Option<PathBuf>,
    /// The file of its key (PEM).
    pub client_key: Option<PathBuf>,
}

impl OtlpSettings {
    /// The settings by default, for this protocol and URL.
    #[must_use]
    pub fn new(protocol: Protocol, endpoint: impl Into<String>) -> Self {
        Self {
            protocol,
            endpoint: endpoint.into(),
            headers: Vec::new(),
            proxy: None,
            timeout: Duration::from_secs(10),
            compression: Compression::None,
            certificate: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

impl fmt::Debug for OtlpSettings {
    /// Leaves out the headers' values and the URL, whose user part may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("OtlpSettings")
            .field("protocol", &self.protocol)
            .field("headers", &names)
            .field("proxy", &self.proxy)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("certificate", &self.certificate)
            .field("client_certificate", &self.client_certificate)
            .field("client_key", &self.client_key)
            .finish_non_exhaustive()
    }
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `gzip`
    Gzip,
}

impl From<&Config> for ExportSettings {
    fn from(config: &Config) -> Self {
        let Batch { schedule_delay, export_timeout, max_queue_size, max_export_batch_size } = config.batch;
        Self {
            console: config.console,
            otlp: config.otlp.as_ref().map(OtlpSettings::from),
            batch: BatchSettings { schedule_delay, export_timeout, max_queue_size, max_export_batch_size },
        }
    }
}

impl From<&config::Otlp> for OtlpSettings {
    fn from(otlp: &config::Otlp) -> Self {
        let config::Otlp { endpoint, protocol, headers, proxy, timeout, gzip, certificate, client_certificate, client_key } =
            otlp;
        Self {
            protocol: *protocol,
            endpoint: endpoint.url().to_owned(),
            headers: headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            proxy: proxy.clone(),
            timeout: *timeout,
            compression: if *gzip { Compression::Gzip } else { Compression::None },
            // Absolute: they are read when the launcher has left the working directory.
            certificate: absolute(certificate.as_deref()),
            client_certificate: absolute(client_certificate.as_deref()),
            client_key: absolute(client_key.as_deref()),
        }
    }
}

fn absolute(path: Option<&Path>) -> Option<PathBuf> {
    path.map(|path| std::path::absolute(path).unwrap_or_else(|_no_working_directory| path.to_owned()))
}
