//! Where and how spans are sent.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::{Endpoint, Protocol};
use super::proxy::Proxy;
use super::reader::{Reader, boolean, is_token, pairs, timeout};

/// The OTLP exporter's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// The URL to send to: complete for HTTP (`…/v1/traces`), scheme and authority for gRPC.
    pub endpoint: Endpoint,
    /// How it is sent.
    pub protocol: Protocol,
    /// Headers (gRPC: metadata) of each request.
    pub headers: Headers,
    /// The proxy that it is sent through.
    pub proxy: Option<Proxy>,
    /// How long one request may take.
    pub timeout: Duration,
    /// Whether requests are compressed by gzip.
    pub gzip: bool,
    /// The file of the authorities (PEM) that the collector's certificate must come from.
    pub certificate: Option<PathBuf>,
    /// The file of our own certificate (PEM).
    pub client_certificate: Option<PathBuf>,
    /// The file of its key (PEM).
    pub client_key: Option<PathBuf>,
}

/// Names and values of headers. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Names and values, for sending.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Pairs whose names are HTTP tokens and whose values are visible ASCII and blanks.
    fn parse(text: &str) -> Option<Self> {
        let visible = |char: char| char.is_ascii_graphic() || char == ' ' || char == '\t';
        let pairs = pairs(text)?;
        pairs.iter().all(|(name, value)| is_token(name) && value.chars().all(visible)).then_some(Self(pairs))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "…"))).finish()
    }
}

impl Otlp {
    /// Where spans go, and how.
    #[must_use]
    pub fn destination(&self) -> String {
        let by = self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        format!("{} ({}){by}", self.endpoint, self.protocol)
    }

    /// Reads the settings: the variable for traces before the general one, the flag before both.
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        let protocol = reader
            .first(&["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"], Protocol::parse)
            .unwrap_or(Protocol::HttpProtobuf);
        let path = |text: &str| Some(PathBuf::from(text));
        let endpoint = endpoint(reader, protocol);
        Self {
            proxy: Proxy::read(reader, &endpoint, protocol),
            endpoint,
            protocol,
            headers: reader
                .first(&["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"], Headers::parse)
                .unwrap_or_default(),
            timeout: reader
                .first(&["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"], timeout)
                .unwrap_or(Duration::from_secs(10)),
            gzip: reader
                .first(&["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"], |text| {
                    match &*text.to_ascii_lowercase() {
                        "gzip" => Some(true),
                        "none" => Some(false),
                        _ => None,
                    }
                })
                .unwrap_or(false),
            certificate: reader.first(&["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"], path),
            client_certificate: reader
                .first(&["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"], path),
            client_key: reader.first(&["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"], path),
        }
    }
}

/// By what an endpoint is asked for: the variable for traces, and the general one, which has a flag.
pub(super) const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The flag and the general variable are base URLs, to which HTTP appends the path; the one for traces is complete.
/// A gRPC endpoint may lack the scheme: then `OTEL_EXPORTER_OTLP_INSECURE` decides it.
fn endpoint<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>, protocol: Protocol) -> Endpoint {
    let insecure = reader.first(&["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"], boolean).unwrap_or(false);
    let grpc = protocol == Protocol::Grpc;
    let scheme = grpc.then_some(if insecure { "http" } else { "https" });
    let complete = |text: &str| Endpoint::parse(text, scheme);
    let base = |text: &str| {
        let url = Endpoint::parse(text, scheme)?;
        Some(if grpc { url } else { url.for_traces() })
    };
    let [for_traces, general] = ENDPOINTS;
    reader
        .flag(general, base)
        .or_else(|| reader.variable(&[for_traces], complete))
        .or_else(|| reader.variable(&[general], base))
        .unwrap_or_else(|| Endpoint(protocol.default_endpoint().to_owned()))
}
