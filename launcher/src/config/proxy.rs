//! Through which proxy the collector is reached: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, read as Go programs read them
//! (`golang.org/x/net/http/httpproxy`).
//!
//! As there (`FromEnvironment`), a name in capitals counts before the one in small letters. hyper-util's matcher reads them as curl
//! does: no ports in `NO_PROXY`, loopback addresses proxied.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use super::endpoint::{Endpoint, Protocol};
use super::reader::{Problem, Reader, percent_decode};

/// A proxy. `Debug` and `Display` leave out user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://host:port` or `https://host:port`.
    url: String,
    /// User and password.
    credentials: Option<(String, String)>,
}

impl Proxy {
    /// A URL, or `host` or `host:port`; user and password, percent-encoded, may stand before the host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let endpoint = Endpoint::parse(&format!("{scheme}://{host}"), None)?;
        let credentials = match user {
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                Some((percent_decode(user)?, percent_decode(password)?))
            }
            None => None,
        };
        Some(Self { url: endpoint.url().to_owned(), credentials })
    }

    /// Scheme, host and port, where there is one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// User and password.
    #[must_use]
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// The proxy for this endpoint; `None` where there is none, and for the machine itself.
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(
        reader: &mut Reader<'_, E>,
        endpoint: &Endpoint,
        protocol: Protocol,
    ) -> Option<Self> {
        let text = |text: &str| Some(text.to_owned());
        let exceptions = reader.first(&["NO_PROXY", "no_proxy"], text).unwrap_or_default();
        let (host, port) = endpoint.host_and_port();
        if is_local(host) || is_excepted(&exceptions, host, port) {
            return None;
        }
        // gRPC asks for a tunnel, with TLS or without, and takes that of HTTPS (`google.golang.org/grpc`, internal/resolver/
        // delegatingresolver).
        if endpoint.is_tls() || protocol == Protocol::Grpc {
            return reader.first(&["HTTPS_PROXY", "https_proxy"], Self::parse);
        }
        let mut read = |name| Some((name, reader.first(&[name], Self::parse)?));
        let (name, proxy) = ["HTTP_PROXY", "http_proxy"].into_iter().find_map(&mut read)?;
        // In a CGI program, HTTP_PROXY is the header `Proxy` of a request: https://go.dev/s/cgihttpproxy. Go refuses the proxy
        // whichever of the two names it (`proxyForURL`).
        if reader.first(&["REQUEST_METHOD"], text).is_some() {
            reader.problems.push(Problem::Cgi { name });
            return None;
        }
        Some(proxy)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The address that a host is; one of version 4 in sixteen bytes is that of version 4.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The machine itself needs no proxy, whatever is said.
fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback())
}

/// Whether `NO_PROXY` names the host: as `*`, as an address or a network of addresses, or as a domain; with or without the port.
/// What is none of these is passed over.
fn is_excepted(exceptions: &str, host: &str, port: u16) -> bool {
    exceptions.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some(network), Some(address)) = (Network::parse(entry), address(host)) {
            return network.contains(address);
        }
        let (name, for_port) = split_port(entry);
        let is_named = match (address(name), address(host)) {
            (Some(named), Some(address)) => named == address,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => is_of_domain(host, name),
        };
        is_named && for_port.is_none_or(|named| named == port.to_string())
    })
}

/// Host and port of `host:port`, `[v6]:port`, `host` or an address without brackets.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        Some(_) | None => (entry, None),
    }
}

/// `example.com` names itself and what is below it, `.example.com` and `*.example.com` only what is below it.
fn is_of_domain(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    let domain = domain.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(&domain);
    match domain.strip_prefix('.') {
        Some(_) => host.ends_with(domain),
        None => !domain.is_empty() && (host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))),
    }
}

/// `address/bits`.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse().ok()?);
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let shifted = match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u128::from(network.to_bits() ^ address.to_bits()).checked_shr(32 - self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits() ^ address.to_bits()).checked_shr(128 - self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        shifted.unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_proxies() {
        for (text, url, credentials) in [
            ("proxy", "http://proxy", None),
            ("proxy:3128", "http://proxy:3128", None),
            ("http://proxy:3128/", "http://proxy:3128", None),
            ("HTTPS://proxy", "https://proxy", None),
            ("[::1]:3128", "http://[::1]:3128", None),
            ("user:p%40ss%2f@proxy:3128", "http://proxy:3128", Some(("user", "p@ss/"))),
            ("https://us@er:pass:word@proxy", "https://proxy", Some(("us@er", "pass:word"))),
            ("user@proxy", "http://proxy", Some(("user", ""))),
        ] {
            let proxy = Proxy::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((proxy.url(), proxy.credentials()), (url, credentials), "{text}");
            assert!(!format!("{proxy:?} {proxy}").contains("us"), "{text}");
        }
        for text in ["socks5://proxy:1080", "http://", "proxy:port", "http://:3128", "pro xy", "u%zz@proxy", "://", "proxy:70000"]
        {
            assert_eq!(Proxy::parse(text), None, "{text}");
        }
        for text in
            ["http://[::1", "[::1", "http://::1]:80", "::1", "[proxy]:80", "[::1]x:80", "http://pr_oxy%41:80", "pro<xy>", "a[b"]
        {
            assert_eq!(Proxy::parse(text), None, "{text}");
        }
    }

    /// As `useProxy` of Go's `httpproxy`.
    #[test]
    fn exceptions() {
        let excepted = |list: &str, host: &str| is_excepted(list, host, 4318);
        for (list, host, expected) in [
            ("", "example.com", false),
            (" , ,", "example.com", false),
            ("*", "example.com", true),
            ("other,*", "10.0.0.1", true),
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com", true),
            ("Example.COM", "a.b.example.com", true),
            ("example.com", "notexample.com", false),
            (".example.com", "example.com", false),
            (".example.com", "a.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("example.com:4318", "example.com", true),
            ("example.com:80", "example.com", false),
            (".example.com:4318", "a.example.com", true),
            ("a, b ,example.com", "example.com", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1:4318", "10.0.0.1", true),
            ("10.0.0.1:80", "10.0.0.1", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "example.com", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.0.0.0/33", "10.1.2.3", false),
            ("10.0.0.0/8", "[::ffff:10.1.2.3]", true),
            ("2001:db8::/32", "[2001:db8:1::1]", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("::/0", "[2001:db9::1]", true),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("[2001:db8::1]:4318", "[2001:db8::1]", true),
            ("[2001:db8::1]:80", "[2001:db8::1]", false),
            ("0.1", "10.0.0.1", false),
            (":4318", "example.com", false),
            ("com", "example.com", true),
        ] {
            assert_eq!(excepted(list, host), expected, "{list} {host}");
        }
    }

    #[test]
    fn the_machine_itself_is_local() {
        for (host, expected) in [
            ("localhost", true),
            ("Localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("[::1]", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_local(host), expected, "{host}");
        }
    }
}
