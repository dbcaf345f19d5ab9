//! Header lines of proxies, and what is believed of them.

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
