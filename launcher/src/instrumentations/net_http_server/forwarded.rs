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
mod tests;
