//! Strings of a request: a record has room for what there is, and they are cut where it ends.

use super::*;

#[test]
fn long_strings_are_cut() {
    on_each(|release, server| {
        for (length, cut) in [(128, false), (2000, false), (2048, false), (2049, true), (9000, true)] {
            let path = "/p".repeat(4500)[..length].to_owned();
            let start = server.start(&GoRequest { path: path.clone(), ..GoRequest::default() });
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
fn what_proxies_say() {
    on_each(|release, server| {
        let request = GoRequest::default().with([
            ("Forwarded", "for=203.0.113.7;proto=https;host=shop.example"),
            ("X-Forwarded-For", "203.0.113.7\n10.0.0.1\n10.0.0.2"),
            ("X-Forwarded-Host", "shop.example"),
            ("X-Forwarded-Proto", "https, http"),
            ("Upgrade", "h2c"),
        ]);
        let start = server.start(&request);
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
        let request = GoRequest::default().with([("X-Forwarded-For", "203.0.113.7"), ("upgrade", "websocket")]);
        let start = server.start(&request);
        assert_eq!(start.texts[server_text::UPGRADE].0, "websocket");
        assert!(start.texts[server_text::FORWARDED_HOST..].iter().all(|(text, _)| text.is_empty()), "{release}");
        server.end();
        let start = server.start(&GoRequest::default().with([("Forwarded", "for=a\nfor=b")]));
        let lines = [server_text::FORWARDED, server_text::FORWARDED_NEXT].map(|index| start.texts[index].0.as_str());
        assert_eq!(lines, ["for=a", "for=b"], "{release}");
    });
}

#[test]
fn a_long_pattern_is_cut() {
    let server = Server::new(layouts::GO_1_27);
    server.start(&GoRequest { pattern: "/".repeat(300), ..GoRequest::default() });
    let end = server.end();
    assert_eq!((end.pattern, end.is_cut), ("/".repeat(252), true));
}

/// The longest record that there is: every string longer than what is taken of it.
#[test]
fn everything_too_long() {
    on_each(|release, server| {
        let long = "x".repeat(5_000);
        let names = ["User-Agent", "X-Forwarded-Proto", "Upgrade", "X-Forwarded-Host"];
        let lines = format!("{long}\n{long}");
        let mut request = GoRequest::default().with(names.map(|name| (name, long.as_str())));
        request = request.with([("Forwarded", lines.as_str()), ("X-Forwarded-For", &lines), ("Tracestate", &long)]);
        request = request.with([("Traceparent", format!("00-{TRACE}-{PARENT}-01").as_str())]);
        for text in [&mut request.method, &mut request.path, &mut request.query, &mut request.host, &mut request.remote] {
            text.clone_from(&long);
        }
        let start = server.start(&request);
        for (index, (text, cut)) in start.texts.iter().enumerate() {
            assert!(*cut && text.len() == CAPACITIES[index] as usize, "{release}: {index}");
        }
        assert_eq!(server.end().status, 200);
    });
}
