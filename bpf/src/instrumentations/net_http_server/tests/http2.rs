//! Requests by HTTP/2, of each of its servers.

use super::*;

#[test]
fn http2_requests() {
    let request = GoRequest { proto: (2, 0), tls: true, ..GoRequest::default() }.with([("User-Agent", "h2")]);
    on_each(|release, server| {
        let config = server.process.layout;
        for (site, layout) in [
            (event::START_HTTP2, &config.http2_writer),
            (event::START_XNET, &config.xnet_writer),
            // Where `serverHandler.ServeHTTP` is probed, HTTP/2 requests come by it too.
            (event::START_HANDLER, &config.http2_writer),
            (event::START_HTTP2_REQUEST, &config.http2_writer),
        ] {
            let writer = server.process.http2_writer(layout, 204, 99);
            let start = server.start_at(site, writer, &request);
            assert_eq!((start.proto, start.tls, start.content_length), ((2, 0), 1, 42), "{release}, site {site}");
            let expected = ["POST", "/items/7", "page=2", "shop.example:8080", "192.0.2.7:50000", "h2", "", ""];
            assert_eq!(start.texts, texts(expected, ""), "{release}, site {site}");
            let end = server.unwind();
            assert_eq!((end.status, end.body_size, end.flags), (204, 99, 0), "{release}, site {site}");
            assert_eq!(end.span_id, start.span.span_id);
            let has_pattern = release != "go1.21" && site != event::START_HTTP2_REQUEST;
            assert_eq!(end.pattern.as_str(), if has_pattern { "POST /items/{id}" } else { "" }, "{release}, site {site}");
        }
        // A stream that is gone.
        server.start_at(event::START_HTTP2, 0xdead_0000, &request);
        assert_eq!(server.unwind().flags, end_flag::RESPONSE_UNREADABLE);
    });
}

#[test]
fn the_preface_of_http2_is_no_request() {
    on_each(|release, server| {
        let preface = GoRequest { method: "PRI".into(), path: "*".into(), proto: (2, 0), ..GoRequest::default() };
        let writer = server.process.response(0, 0, true);
        assert_eq!(server.hit_start(event::START_HANDLER, writer, &preface), Err(Missed::NothingToDo), "{release}");
        assert_eq!(end(server.at(0, [0; 5], 1)), Err(Missed::NothingToDo));
        assert!(server.process.take_records().is_empty());
        // Methods that look alike are requests.
        let writer = server.process.http2_writer(&server.process.layout.http2_writer, 200, 0);
        for (method, proto) in [("PUT", (2, 0)), ("PRIX", (2, 0)), ("PRI", (1, 1))] {
            server.start_at(event::START_HANDLER, writer, &GoRequest { method: method.into(), proto, ..GoRequest::default() });
            server.end();
        }
    });
}
