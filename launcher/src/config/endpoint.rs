//! Where spans are sent: the URL, and which protocol is spoken there.

use std::fmt;
use std::net::Ipv6Addr;

/// The OTLP transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
    /// `http/json`
    HttpJson,
}

impl Protocol {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "grpc" => Some(Self::Grpc),
            "http/protobuf" => Some(Self::HttpProtobuf),
            "http/json" => Some(Self::HttpJson),
            _ => None,
        }
    }

    pub(super) fn default_endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::HttpProtobuf | Self::HttpJson => "http://localhost:4318/v1/traces",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        })
    }
}

/// A URL. `Debug` and `Display` leave out user, password and query: there may be secrets in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(pub(super) String);

impl Endpoint {
    /// The whole URL, for connecting.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0
    }

    /// Whether it is an https URL.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host, with the brackets of an IPv6 address, and port.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("http", &self.0));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let default = if scheme == "https" { 443 } else { 80 };
        match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().unwrap_or(default)),
            Some(_) | None => (host, default),
        }
    }

    /// A URL with a host. Without a scheme it is one only if `scheme` supplies it.
    pub(super) fn parse(text: &str, scheme: Option<&str>) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (scheme?.to_owned(), text),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let (name, port) = match host.rsplit_once(':') {
            // The last colon of an IPv6 address is inside its brackets.
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            Some(_) | None => (host, None),
        };
        let is_host = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
            None => !name.is_empty() && !name.contains(':'),
        };
        let url = format!("{scheme}://{rest}");
        let usable = matches!(scheme.as_str(), "http" | "https")
            && is_host
            && port.is_none_or(|port| port.parse::<u16>().is_ok())
            && text.chars().all(|char| char.is_ascii_graphic())
            // What the client makes of it: it takes fewer characters in a host.
            && url.parse::<http::Uri>().is_ok();
        usable.then_some(Self(url))
    }

    /// The base URL with `/v1/traces` appended to its path; a query stays behind it.
    pub(super) fn for_traces(self) -> Self {
        let (url, query) = match self.0.split_once('?') {
            Some((url, query)) => (url, format!("?{query}")),
            None => (self.0.as_str(), String::new()),
        };
        Self(format!("{}/v1/traces{query}", url.trim_end_matches('/')))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{host}{path}")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
