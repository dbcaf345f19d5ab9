//! Strings of a request: which record they make, and where they are cut.

use super::*;

#[test]
fn long_strings_make_a_long_record_and_are_cut_where_it_ends() {
    on_each(|release, server| {
        for (length, long, cut) in [
            (128, false, false),
            (129, true, false),
            (2000, true, false),
            (2048, true, false),
            (2049, true, true),
            (9000, true, true),
        ] {
            let path = "/p".repeat(4500)[..length].to_owned();
            let start = server.start(&GoRequest { path: path.clone(), ..GoRequest::default() });
            assert_eq!(start.kind == kind::HTTP_SERVER_START_LONG, long, "{release}: {length}");
            assert_eq!(start.texts[server_text::PATH], (path[..length.min(2048)].to_owned(), cut), "{release}: {length}");
            assert_eq!(start.texts[server_text::QUERY].0, "page=2");
            server.end();
        }
        let request = GoRequest::default().with([("User-Agent", "u".repeat(513).as_str()), ("X-Forwarded-For", "203.0.113.7")]);
        let start = server.start(&request);
        assert_eq!(start.texts[server_text::USER_AGENT], ("u".repeat(512), true));
        assert_eq!(start.texts[server_text::FORWARDED_FOR].0, "203.0.113.7");
    });
}

#[test]
fn what_proxies_say_makes_a_record_of_medium_size() {
    on_each(|release, server| {
        let request = GoRequest::default().with([
            ("Forwarded", "for=203.0.113.7;proto=https;host=shop.example"),
            ("X-Forwarded-For", "203.0.113.7\n10.0.0.1\n10.0.0.2"),
            ("X-Forwarded-Host", "shop.example"),
            ("X-Forwarded-Proto", "https, http"),
            ("Upgrade", "h2c"),
        ]);
        let start = server.start(&request);
        assert_eq!(start.kind, kind::HTTP_SERVER_START_PROXIED, "{release}");
        for (index, expected) in [
            (server_text::FORWARDED, "for=203.0.113.7;proto=https;host=shop.example"),
            (server_text::FORWARDED_NEXT, ""),
            (server_text::FORWARDED_FOR, "203.0.113.7"),
            (server_text::FORWARDED_FOR_NEXT, "10.0.0.1"),
            (server_text::FORWARDED_HOST, "shop.example"),
            (server_text::FORWARDED_PROTO, "https, http"),
            (server_text::UPGRADE, "h2c"),
        ] {
            assert_eq!(start.texts[index], (expected.to_owned(), false), "{release}: {index}");
        }
        server.end();
        // Nothing of these, and an upgrade, need no more room than nothing.
        let request = GoRequest::default().with([("X-Forwarded-For", "203.0.113.7"), ("upgrade", "websocket")]);
        let start = server.start(&request);
        assert_eq!((start.kind, start.texts[server_text::UPGRADE].0.as_str()), (kind::HTTP_SERVER_START_SHORT, "websocket"));
        assert!(start.texts[server_text::FORWARDED_HOST..].iter().all(|(text, _)| text.is_empty()), "{release}");
        server.end();
        let start = server.start(&GoRequest::default().with([("Forwarded", "for=a\nfor=b")]));
        let lines = [server_text::FORWARDED, server_text::FORWARDED_NEXT].map(|index| start.texts[index].0.as_str());
        assert_eq!((start.kind, lines), (kind::HTTP_SERVER_START_LONG, ["for=a", "for=b"]), "{release}");
    });
}

#[test]
fn a_long_pattern_is_cut() {
    let server = Server::new(layouts::GO_1_27);
    server.start(&GoRequest { pattern: "/".repeat(300), ..GoRequest::default() });
    let end = server.end();
    assert_eq!(end.pattern.get(), (&[b'/'; 252][..], true));
}
