//! What the proxies in front of a server say of the request as the client sent it: `Forwarded` (RFC 7239), and the
//! `X-Forwarded-…` headers where that says nothing.
//!
//! Anybody may write these headers; they are believed, as the semantic conventions want it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use bpf::records::http_server::{TEXTS, text as server_text};

use crate::instrumentations::http;

/// A request in front of all proxies, as far as they say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded<'a> {
    /// The client's IP address.
    pub(super) client: Option<Cow<'a, str>>,
    /// `http` or `https`.
    pub(super) scheme: Option<&'static str>,
    /// Host, and port where there is one.
    pub(super) host: Option<Cow<'a, str>>,
}

/// The headers. Most requests have none of them.
const HEADERS: [usize; 6] = [
    server_text::FORWARDED,
    server_text::FORWARDED_NEXT,
    server_text::FORWARDED_FOR,
    server_text::FORWARDED_FOR_NEXT,
    server_text::FORWARDED_PROTO,
    server_text::FORWARDED_HOST,
];

/// A header's line.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a str,
    /// Its end is missing.
    is_cut: bool,
}

impl<'a> Line<'a> {
    /// What is not UTF-8 ends the line.
    fn of((bytes, is_cut): (&'a [u8], bool)) -> Self {
        let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        Self { text, is_cut: is_cut || text.len() < bytes.len() }
    }

    /// The first element of a list (RFC 9110, section 5.6.1: empty ones do not count), if it is whole.
    fn first(self) -> Option<&'a str> {
        let (at, element) = self.text.split(',').map(str::trim).enumerate().find(|(_at, element)| !element.is_empty())?;
        let is_last = self.text.split(',').count() == at + 1;
        (!self.is_cut || !is_last).then_some(element)
    }
}

impl<'a> Forwarded<'a> {
    /// Reads the headers of a request, its texts in the order of [`server_text`] and whether each was cut.
    pub(super) fn of(texts: &[(&'a [u8], bool); TEXTS]) -> Self {
        if HEADERS.iter().all(|&index| texts[index].0.is_empty()) {
            return Self::default();
        }
        let line = |index: usize| Line::of(texts[index]);
        let mut forwarded = Self::standard([line(server_text::FORWARDED), line(server_text::FORWARDED_NEXT)]);
        let clients = [line(server_text::FORWARDED_FOR), line(server_text::FORWARDED_FOR_NEXT)];
        forwarded.client =
            forwarded.client.or_else(|| clients.into_iter().find_map(Line::first).and_then(address).map(Cow::from));
        forwarded.scheme = forwarded.scheme.or_else(|| line(server_text::FORWARDED_PROTO).first().and_then(scheme));
        forwarded.host =
            forwarded.host.or_else(|| line(server_text::FORWARDED_HOST).first().filter(|host| is_host(host)).map(Cow::from));
        forwarded
    }

    /// What `Forwarded` says. The proxy that is next to the client comes first, so each parameter counts where it is first.
    fn standard(lines: [Line<'a>; 2]) -> Self {
        let mut forwarded = Self::default();
        let mut client = None;
        for Pair { name, value } in lines.into_iter().flat_map(|Line { text, is_cut }| Pairs { rest: text, is_cut }) {
            if name.eq_ignore_ascii_case("for") {
                client = client.or(Some(value));
            } else if name.eq_ignore_ascii_case("proto") {
                forwarded.scheme = forwarded.scheme.or_else(|| scheme(&value));
            } else if name.eq_ignore_ascii_case("host") {
                forwarded.host = forwarded.host.or_else(|| Some(value).filter(|host| is_host(host)));
            }
        }
        forwarded.client = client.and_then(|node| match node {
            Cow::Borrowed(node) => address(node).map(Cow::from),
            Cow::Owned(node) => address(&node).map(|address| Cow::from(address.to_owned())),
        });
        forwarded
    }
}

/// The IP address of a node, without port; none of `unknown`, or of an identifier such as `_hidden`.
fn address(node: &str) -> Option<&str> {
    let is_address = |host: &&str| host.parse::<IpAddr>().is_ok();
    Some(node).filter(is_address).or_else(|| http::split_host_port(node).0.filter(is_address))
}

/// Whether a text is a host, with or without port (RFC 3986, sections 3.2.2 and 3.2.3). `server.address` is made of it.
fn is_host(text: &str) -> bool {
    let (is_host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or_default();
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_name(name), port)
    };
    is_host && (matches!(port, "" | ":") || port.strip_prefix(':').is_some_and(is_port))
}

/// Whether a text is an IPv4 address or a name; the characters of both are those of `reg-name`.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_allowed = match byte {
            b'%' => bytes.by_ref().take(2).filter(u8::is_ascii_hexdigit).count() == 2,
            other => other.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&other),
        };
        if !is_allowed {
            return false;
        }
    }
    !text.is_empty()
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The scheme of an HTTP request; the requests of web sockets have that of HTTP (RFC 8441, section 5).
fn scheme(proto: &str) -> Option<&'static str> {
    let is = |name: &str| proto.eq_ignore_ascii_case(name);
    if is("https") || is("wss") {
        Some("https")
    } else if is("http") || is("ws") {
        Some("http")
    } else {
        None
    }
}

/// `name=value` of a forwarded element.
struct Pair<'a> {
    name: &'a str,
    value: Cow<'a, str>,
}

/// The pairs of a line, of all its elements; what is none is passed over.
struct Pairs<'a> {
    rest: &'a str,
    is_cut: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        loop {
            self.rest = self.rest.trim_start_matches([',', ';', ' ', '\t']);
            let (name, after) = self.rest.split_at(self.rest.find(['=', ',', ';'])?);
            let Some(after) = after.strip_prefix('=') else {
                self.rest = after;
                continue;
            };
            let (value, rest) = value(after.trim_start_matches([' ', '\t']), self.is_cut)?;
            self.rest = rest;
            return Some(Pair { name: name.trim(), value });
        }
    }
}

/// The value that `text` begins with, and what is behind it; `None` where its end is missing.
fn value(text: &str, is_cut: bool) -> Option<(Cow<'_, str>, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return unquote(quoted);
    }
    match text.find([',', ';']) {
        None if is_cut => None,
        end => {
            let (value, rest) = text.split_at(end.unwrap_or(text.len()));
            Some((value.trim_end().into(), rest))
        }
    }
}

/// A quoted string (RFC 9110, section 5.6.4) without its first quote, and what is behind the second.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    let (before, rest) = text.split_at(plain);
    if let Some(rest) = rest.strip_prefix('"') {
        return Some((before.into(), rest));
    }
    let mut value = before.to_owned();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value.into(), characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of header lines; a line that ends with `…` was cut there.
    fn of(lines: &[(usize, &'static str)]) -> Forwarded<'static> {
        let mut texts = [([].as_slice(), false); TEXTS];
        for (index, line) in lines {
            texts[*index] = line.strip_suffix('…').map_or((line.as_bytes(), false), |cut| (cut.as_bytes(), true));
        }
        Forwarded::of(&texts)
    }

    fn expected(client: Option<&'static str>, scheme: Option<&'static str>, host: Option<&'static str>) -> Forwarded<'static> {
        Forwarded { client: client.map(Cow::from), scheme, host: host.map(Cow::from) }
    }

    const FOR: usize = server_text::FORWARDED_FOR;
    const FOR_NEXT: usize = server_text::FORWARDED_FOR_NEXT;
    const PROTO: usize = server_text::FORWARDED_PROTO;
    const HOST: usize = server_text::FORWARDED_HOST;
    const STANDARD: usize = server_text::FORWARDED;
    const STANDARD_NEXT: usize = server_text::FORWARDED_NEXT;

    #[test]
    fn no_header_says_nothing() {
        assert_eq!(of(&[]), Forwarded::default());
    }

    /// Among them all examples of RFC 7239, sections 4, 6 and 7.
    #[test]
    fn the_standard_header() {
        let all = (Some("192.0.2.43"), Some("https"), Some("shop.example:8443"));
        for (line, (client, scheme, host)) in [
            ("for=\"_gazonk\"", (None, None, None)),
            ("For=\"[2001:db8:cafe::17]:4711\"", (Some("2001:db8:cafe::17"), None, None)),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", (Some("192.0.2.60"), Some("http"), None)),
            ("for=192.0.2.43, for=198.51.100.17", (Some("192.0.2.43"), None, None)),
            ("for=_hidden, for=_SEVKISEK", (None, None, None)),
            ("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", (Some("192.0.2.43"), None, None)),
            ("for=unknown, for=192.0.2.43", (None, None, None)),
            ("for=\"192.0.2.43:47011\"", (Some("192.0.2.43"), None, None)),
            ("for=\"192.0.2.43:_port\"", (Some("192.0.2.43"), None, None)),
            ("for=\"[2001:db8::1]:_port\"", (Some("2001:db8::1"), None, None)),
            // Not quoted, as it should be.
            ("for=[2001:db8::1]:80;host=shop.example:8443", (Some("2001:db8::1"), None, Some("shop.example:8443"))),
            ("for=2001:db8::1", (Some("2001:db8::1"), None, None)),
            ("FOR=192.0.2.43;PROTO=HTTPS;HOST=\"shop.example:8443\"", all),
            (" ,; for = 192.0.2.43 ;\tproto=https ; host=\"shop.example:8443\" , for=unknown", all),
            ("host=\"shop\\.example\\:8443\";for=\"192\\.0.2.43\";proto=\"\\https\"", all),
            // A parameter counts where it is first, in whichever element.
            ("for=192.0.2.43, proto=https;host=\"shop.example:8443\", proto=http;host=inner", all),
            ("secret=\"for=6.6.6.6, for=7.7.7.7;\\\";\";for=192.0.2.43", (Some("192.0.2.43"), None, None)),
            ("proto=gopher;host=", (None, None, None)),
            ("nonsense;for=192.0.2.43", (Some("192.0.2.43"), None, None)),
            ("for=\"192.0.2.43", (None, None, None)),
            ("for=\"192.0.2.43\\", (None, None, None)),
            ("for=\"192.0.2.43\"junk;proto=https", (Some("192.0.2.43"), Some("https"), None)),
            ("for=192.0.2.4…", (None, None, None)),
            ("proto=https;for=192.0.2.4…", (None, Some("https"), None)),
            ("for", (None, None, None)),
            ("=", (None, None, None)),
            ("for=", (None, None, None)),
        ] {
            assert_eq!(of(&[(STANDARD, line)]), expected(client, scheme, host), "{line}");
        }
    }

    #[test]
    fn a_second_line_goes_on_where_the_first_ends() {
        let lines = [(STANDARD, "proto=https;by=_us"), (STANDARD_NEXT, "for=192.0.2.43;proto=http;host=shop.example")];
        assert_eq!(of(&lines), expected(Some("192.0.2.43"), Some("https"), Some("shop.example")));
        assert_eq!(of(&[(FOR, " , "), (FOR_NEXT, "203.0.113.7, 10.0.0.1")]).client.unwrap(), "203.0.113.7");
        assert_eq!(of(&[(FOR, "203.0.113.7"), (FOR_NEXT, "10.0.0.1")]).client.unwrap(), "203.0.113.7");
        assert_eq!(of(&[(FOR, "unknown"), (FOR_NEXT, "10.0.0.1")]).client, None);
    }

    #[test]
    fn the_headers_of_custom() {
        for (line, client) in [
            ("203.0.113.7, 10.0.0.1", Some("203.0.113.7")),
            ("203.0.113.7:1234", Some("203.0.113.7")),
            ("2001:db8::1,::1", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            (",, 203.0.113.7", Some("203.0.113.7")),
            ("unknown, 10.0.0.1", None),
            ("203.0.113.7, 10.0.0.…", Some("203.0.113.7")),
            ("203.0.11…", None),
        ] {
            assert_eq!(of(&[(FOR, line)]).client.as_deref(), client, "{line}");
        }
        for (line, scheme) in [
            ("https, http", Some("https")),
            ("http,https", Some("http")),
            ("HTTPS", Some("https")),
            (" wss ", Some("https")),
            ("ws", Some("http")),
            ("gopher, https", None),
            (",https", Some("https")),
            ("http…", None),
        ] {
            assert_eq!(of(&[(PROTO, line)]).scheme, scheme, "{line}");
        }
        assert_eq!(of(&[(HOST, "shop.example:8443, inner")]).host.unwrap(), "shop.example:8443");
        assert_eq!(of(&[(HOST, "shop.exam…")]).host, None);
    }

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("shop", true),
            ("shop.example", true),
            ("shop.example:8443", true),
            ("shop.example:", true),
            ("shop_1.example.", true),
            ("a-b~c.example:0", true),
            ("xn--bcher-kva.example", true),
            ("b%C3%BCcher.example", true),
            ("!$&'()*+;=", true),
            ("192.0.2.43", true),
            ("192.0.2.43:80", true),
            ("[2001:db8::1]", true),
            ("[2001:db8::1]:8443", true),
            ("[::ffff:192.0.2.43]:1", true),
            ("", false),
            (":80", false),
            ("a b", false),
            ("c<>", false),
            ("http://evil/:99", false),
            ("shop.example/path", false),
            ("user@shop.example", false),
            ("shop.example:http", false),
            ("shop.example:+80", false),
            ("shop.example:65536", false),
            ("shop.example:80:80", false),
            ("2001:db8::1", false),
            ("[::1", false),
            ("::1]", false),
            ("[]", false),
            ("[shop]", false),
            ("[::1]x", false),
            ("[::1]80", false),
            ("[::1%eth0]", false),
            ("[192.0.2.43]", false),
            ("b%C3%BCcher%", false),
            ("%4", false),
            ("%zz", false),
            ("%+1", false),
            ("bücher.example", false),
            ("shop\u{7f}", false),
            ("shop\\", false),
            ("\"shop\"", false),
        ] {
            assert_eq!(is_host(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_says_nothing() {
        let host = |lines: &[(usize, &'static str)]| of(lines).host.map(Cow::into_owned);
        let shop = Some("shop.example".to_owned());
        for bad in ["a b", "c<>", "http://evil/:99", "[::1", "shop:http"] {
            assert_eq!(host(&[(HOST, bad)]), None, "{bad}");
            let (plain, quoted) = (format!("host={bad}").leak(), format!("for=_a;host=\"{bad}\"").leak());
            for line in [&*plain, &*quoted] {
                assert_eq!(host(&[(STANDARD, line)]), None, "{line}");
                assert_eq!(host(&[(STANDARD, line), (HOST, "shop.example")]), shop, "{line}");
                assert_eq!(host(&[(STANDARD, line), (STANDARD_NEXT, "host=shop.example")]), shop, "{line}");
            }
        }
        assert_eq!(host(&[(HOST, "[::1]:80")]).as_deref(), Some("[::1]:80"));
        // Only the first one counts: what is behind it are proxies nearer to the server.
        assert_eq!(host(&[(HOST, "a b, c<>")]), None);
        assert_eq!(host(&[(HOST, "a b, shop.example")]), None);
    }

    #[test]
    fn the_standard_header_counts_before_those_of_custom() {
        let custom = [(FOR, "203.0.113.7"), (PROTO, "https"), (HOST, "shop.example")];
        let with = |line| of(&[custom[0], custom[1], custom[2], (STANDARD, line)]);
        let both = with("for=192.0.2.43;proto=http;host=other.example");
        assert_eq!(both, expected(Some("192.0.2.43"), Some("http"), Some("other.example")));
        let whole = expected(Some("203.0.113.7"), Some("https"), Some("shop.example"));
        assert_eq!(with("for=unknown;proto=gopher"), whole);
        assert_eq!(of(&custom), whole);
    }

    #[test]
    fn what_is_not_text_ends_a_line() {
        let mut texts = [([].as_slice(), false); TEXTS];
        texts[FOR] = (b"203.0.113.7,\xff", false);
        texts[STANDARD] = (b"for=192.0.2.4\xff3", false);
        assert_eq!(Forwarded::of(&texts).client.unwrap(), "203.0.113.7");
    }
}
