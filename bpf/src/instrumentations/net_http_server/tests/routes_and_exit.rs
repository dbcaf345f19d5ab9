//! The route that only the mux knows, and what is open when the program ends.

use super::*;
use crate::config::http_server::ResponseLayout;
use crate::config::{ABSENT, ALWAYS, EMPTY_RECIPE, EndRecipe, NO_RESULT, ResultLocation};
use crate::instrumentations::net_http_server::route;
use crate::target::Memory as _;

/// By which the pattern of `findHandler` lies in the third and fourth register.
fn in_registers() -> EndRecipe {
    let mut results = EMPTY_RECIPE.results;
    for (number, result) in (0..).zip(results.iter_mut().take(4)) {
        *result = ResultLocation { base: Setting::new(number), mask: Setting::new(u64::MAX), ..NO_RESULT };
    }
    EndRecipe { condition: Setting::new(ALWAYS), guarded: Setting::new(0), results, ..EMPTY_RECIPE }
}

impl Server {
    fn with_mux(layout: HttpServerConfig) -> Self {
        let mut server = Self::new(layout);
        server.process.recipes = vec![EMPTY_RECIPE; 5];
        server.process.recipes.push(in_registers());
        server
    }

    fn mux_finds(&self, pattern: &str) {
        self.mux_finds_at(self.process.string(pattern));
    }

    fn mux_finds_at(&self, [address, length]: [u64; 2]) {
        let mut registers = Registers::calling(&[], self.goroutine);
        registers.integers[2..4].copy_from_slice(&[address, length]);
        self.process.registers.set(registers);
        self.process.cookie.set(Cookie { event: event::ROUTE, recipe: 5 });
        let _not_needed = route(&self.process);
    }
}

fn without_pattern() -> GoRequest {
    GoRequest { pattern: String::new(), ..GoRequest::default() }
}

#[test]
fn a_route_that_the_request_does_not_hold_is_the_first_one_found() {
    for (_, layout) in layouts::ALL {
        let server = Server::with_mux(layout);
        server.start(&without_pattern());
        server.mux_finds("");
        server.mux_finds("/api/");
        let end = server.end();
        assert_eq!((end.pattern.as_str(), end.inner.is_empty()), ("/api/", true));
        assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [1, 0]);
        // The next request of the same goroutine has none.
        server.start(&without_pattern());
        assert_eq!(server.end().pattern, "");
        assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [1, 0]);
    }
}

#[test]
fn a_route_that_the_request_holds_goes_before() {
    let server = Server::with_mux(layouts::GO_1_27);
    server.start(&GoRequest::default());
    server.mux_finds("/other");
    assert_eq!(server.end().pattern, "POST /items/{id}");
    assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [0, 1]);
}

/// A mux within has been given a copy of the request: what that one notes, the server does not see.
#[test]
fn routes_of_muxes_within_are_all_reported() {
    for pattern in ["", "POST /items/{id}"] {
        let server = Server::with_mux(layouts::GO_1_27);
        server.start(&GoRequest { pattern: pattern.into(), ..GoRequest::default() });
        for found in ["/a/", "/b/", "", "/c/", "/d/", "/e/{id}"] {
            server.mux_finds(found);
        }
        let end = server.end();
        assert_eq!(end.pattern, if pattern.is_empty() { "/a/" } else { pattern });
        // Of more than there is room for, the last counts.
        assert_eq!(end.inner, ["/b/", "/c/", "/e/{id}"]);
        assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [1, 0]);
        server.start(&without_pattern());
        assert!(server.end().inner.is_empty());
    }
}

/// A mux within that is given the same request notes its own pattern there.
#[test]
fn a_route_of_a_mux_within_that_is_noted_is_the_only_one() {
    let server = Server::with_mux(layouts::GO_1_27);
    server.start(&GoRequest::default());
    server.mux_finds("/api/");
    let (_, operation) = server.process.goroutine(server.goroutine).unwrap().served().unwrap();
    let noted = operation.words[0].get() + u64::from(server.process.layout.request.pattern.get());
    server.mux_finds_at(server.process.read(noted).unwrap());
    let end = server.end();
    assert_eq!((end.pattern.as_str(), end.inner.len()), ("POST /items/{id}", 0));
    assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [0, 1]);
}

#[test]
fn a_mux_that_serves_nothing_is_not_looked_at() {
    let server = Server::with_mux(layouts::GO_1_27);
    server.mux_finds("/of/a/test");
    assert!(server.process.goroutine(server.goroutine).is_none());
    server.start(&without_pattern());
    server.end();
    server.mux_finds("/afterwards");
    server.start(&without_pattern());
    assert_eq!(server.end().pattern, "");
}

/// What is reported when the program ends.
fn interrupted(server: &Server) -> Vec<End> {
    server.hit(event::EXIT, [9; 5], 3000).unwrap();
    let records = server.process.take_records();
    assert!(records.iter().all(|record| kind_of(record) == kind::HTTP_SERVER_UNFINISHED));
    records.iter().map(|record| decode_end(record)).collect()
}

#[test]
fn open_requests_are_reported_when_the_program_ends() {
    for (_, layout) in layouts::ALL {
        let mut server = Server::new(layout);
        let writer = server.process.response(200, 17, false);
        let sent = u64::from(layout.response.sent.get());
        let start = server.start_at(event::START_HANDLER, writer, &GoRequest::default());
        assert_eq!(interrupted(&server)[0].flags, 0);
        server.process.memory.write(writer + sent, &[1]);
        let [end] = &interrupted(&server)[..] else { panic!("one request is open") };
        assert_eq!((end.flags, end.status, end.body_size, end.time), (end_flag::SENT, 200, 17, 3000));
        assert_eq!(end.span_id, start.span.span_id);
        // It may still end, and then is not open.
        assert_eq!(server.end().status, 200);
        assert!(interrupted(&server).is_empty());
        // Where it is not known whether anything was sent, a status tells.
        server.process.layout.response = ResponseLayout { sent: Setting::new(ABSENT), ..layout.response };
        server.start(&GoRequest::default());
        assert_eq!(interrupted(&server)[0].flags, end_flag::SENT);
    }
}

#[test]
fn unsampled_requests_are_not_reported_when_the_program_ends() {
    let server = Server::new(layouts::GO_1_27);
    server.process.settings.threshold.set(0);
    let writer = server.process.response(200, 0, false);
    server.hit_start(event::START_HANDLER, writer, &GoRequest::default()).unwrap();
    assert!(interrupted(&server).is_empty());
}

#[test]
fn the_header_of_an_http2_response_may_have_been_sent() {
    let layout = layouts::GO_1_24;
    for (event, writer_layout) in [(event::START_HTTP2, layout.http2_writer), (event::START_XNET, layout.xnet_writer)] {
        let server = Server::new(layout);
        let writer = server.process.http2_writer(&writer_layout, 200, 3);
        server.start_at(event, writer, &GoRequest { proto: (2, 0), ..GoRequest::default() });
        assert_eq!(interrupted(&server)[0].flags, 0);
        let state: u64 = server.process.read(writer + u64::from(writer_layout.rws.get())).unwrap();
        server.process.memory.write(state + u64::from(writer_layout.sent.get()), &[1]);
        assert_eq!((interrupted(&server)[0].flags, interrupted(&server)[0].status), (end_flag::SENT, 200));
    }
}
