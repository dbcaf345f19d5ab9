//! Real Go servers behind proxies: whom and what the client asked, as `Forwarded` and the `X-Forwarded-…` headers say.
//!
//! Needs what `http_server.rs` needs.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::net::SocketAddr;

use support::apps::{self, GoVersion, Variant};
use support::receiver::Attributes as _;
use support::server::{Client, Server, curl};

/// Header lines, and what they make of `client.address`, `url.scheme`, `server.address` and `server.port`.
type Case = (&'static [(&'static str, &'static str)], [Option<&'static str>; 3], Option<i64>);

const CASES: [Case; 7] = [
    (&[], [Some("127.0.0.1"), Some("http"), Some("example.test")], Some(8080)),
    (
        &[
            ("Forwarded", r#"for="[2001:db8::17]:4711";proto=https;host="shop.example:8443", for=10.0.0.1;proto=http"#),
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Forwarded-Host", "other.example"),
            ("X-Forwarded-Proto", "http"),
        ],
        [Some("2001:db8::17"), Some("https"), Some("shop.example")],
        Some(8443),
    ),
    (
        &[
            ("X-Forwarded-For", "203.0.113.7, 10.0.0.1"),
            ("X-Forwarded-Host", "shop.example, inner.example:81"),
            ("X-Forwarded-Proto", "https, http"),
        ],
        [Some("203.0.113.7"), Some("https"), Some("shop.example")],
        None,
    ),
    // Lines of their own, as proxies add them.
    (
        &[("Forwarded", "proto=https"), ("Forwarded", "for=192.0.2.60;host=shop.example"), ("Forwarded", "for=unknown")],
        [Some("192.0.2.60"), Some("https"), Some("shop.example")],
        None,
    ),
    (
        &[("X-Forwarded-For", ""), ("X-Forwarded-For", "192.0.2.60")],
        [Some("192.0.2.60"), Some("http"), Some("example.test")],
        Some(8080),
    ),
    // Who does not want to be known is not; the request came from the peer.
    (&[("Forwarded", "for=_hidden;by=_us")], [Some("127.0.0.1"), Some("http"), Some("example.test")], Some(8080)),
    // Names of headers that are as long.
    (
        &[("Forwardes", "for=192.0.2.60"), ("X-Forwarded-Port", "99"), ("Referer", "http://a/"), ("Upgrade", "h2c")],
        [Some("127.0.0.1"), Some("http"), Some("example.test")],
        Some(8080),
    ),
];

fn each_case(version: GoVersion) {
    let app = apps::build("http_server", version, Variant::Stripped);
    let server = Server::start(&app, &["-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0"], 2);
    let [plain, secure] = server.addresses[..] else { panic!("two servers") };
    let mut client = Client::connect(plain);
    for (headers, ..) in CASES {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(client.send("GET", "/hello", &headers, ""), Some(200));
    }
    assert_eq!(by_http2(secure), "2 200");
    let left = server.end();
    let (http2, http1): (Vec<_>, Vec<_>) =
        left.spans.iter().partition(|span| span.text("network.protocol.version").unwrap() == "2");
    assert_eq!(http1.len(), CASES.len(), "{version:?}: {}", left.stderr);
    for (span, (headers, texts, port)) in http1.iter().zip(CASES) {
        let found = ["client.address", "url.scheme", "server.address"].map(|name| span.text(name));
        assert_eq!(found, texts.map(|text| text.map(str::to_owned)), "{version:?}: {headers:?}");
        assert_eq!(span.number("server.port"), port, "{version:?}: {headers:?}");
        assert_eq!(span.text("network.peer.address").unwrap(), "127.0.0.1");
    }
    let [span] = &http2[..] else { panic!("{version:?}: {http2:?}") };
    let found = ["client.address", "url.scheme", "server.address"].map(|name| span.text(name).unwrap());
    assert_eq!(found, ["192.0.2.60", "http", "shop.example"], "{version:?}");
}

/// One request by HTTP/2 over TLS, which the proxy in front of it has got without.
fn by_http2(address: SocketAddr) -> String {
    let header = r#"Forwarded: for=192.0.2.60;proto=http;host="shop.example""#;
    curl(&["--http2", "-H", header, "-H", "X-Forwarded-Proto: https"], &format!("https://{address}/hello"))
}

#[test]
fn go_1_21() {
    each_case(GoVersion::GO_1_21);
}

#[test]
fn go_1_24() {
    each_case(GoVersion::GO_1_24);
}

#[test]
fn go_1_27() {
    each_case(GoVersion::GO_1_27);
}
