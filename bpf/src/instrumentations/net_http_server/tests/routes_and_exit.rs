//! The route that only the mux knows, and what is open when the program ends.

use super::*;
use crate::config::{ABSENT, ALWAYS, EMPTY_RECIPE, EndRecipe, NO_RESULT, ResponseLayout, ResultLocation};
use crate::instrumentations::net_http_server::route;
use crate::target::{AllRegisters, Memory as _};

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
        server.process.route_ends.0[5] = in_registers();
        server
    }

    fn mux_finds(&self, pattern: &str) {
        let [address, length] = self.process.string(pattern);
        let mut registers = AllRegisters::default();
        registers.integers[2..4].copy_from_slice(&[address, length]);
        self.process.all_registers.set(registers);
        let _not_needed = route(self.at(5, [9; 5], 1500));
    }
}

fn without_pattern() -> GoRequest {
    GoRequest { pattern: String::new(), ..GoRequest::default() }
}

fn pattern_of(end: &HttpServerEnd) -> &str {
    core::str::from_utf8(end.pattern.get().0).unwrap()
}

#[test]
fn a_route_that_the_request_does_not_hold_is_the_first_one_found() {
    for (_, layout) in layouts::ALL {
        let server = Server::with_mux(layout);
        server.start(&without_pattern());
        server.mux_finds("");
        server.mux_finds("/api/");
        server.mux_finds("/inner");
        assert_eq!(pattern_of(&server.end()), "/api/");
        assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [1, 0]);
        // The next request of the same goroutine has none.
        server.start(&without_pattern());
        assert_eq!(pattern_of(&server.end()), "");
        assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [1, 0]);
    }
}

#[test]
fn a_route_that_the_request_holds_goes_before() {
    let server = Server::with_mux(layouts::GO_1_27);
    server.start(&GoRequest::default());
    server.mux_finds("/other");
    assert_eq!(pattern_of(&server.end()), "POST /items/{id}");
    assert_eq!(server.process.routes.each_ref().map(core::cell::Cell::get), [0, 1]);
}

#[test]
fn a_mux_that_serves_nothing_is_not_looked_at() {
    let server = Server::with_mux(layouts::GO_1_27);
    server.mux_finds("/of/a/test");
    assert!(server.process.remembered(server.goroutine).is_none());
    server.start(&without_pattern());
    server.end();
    server.mux_finds("/afterwards");
    server.start(&without_pattern());
    assert_eq!(pattern_of(&server.end()), "");
}

/// What is reported when the program ends.
fn interrupted(server: &Server) -> Vec<HttpServerEnd> {
    any(server.at(cookie::EXIT, [9; 5], 3000)).unwrap();
    let records = server.process.take_records();
    assert!(records.iter().all(|record| kind_of(record) == kind::HTTP_SERVER_UNFINISHED));
    records.iter().map(|record| decode(record)).collect()
}

#[test]
fn open_requests_are_reported_when_the_program_ends() {
    for (_, layout) in layouts::ALL {
        let mut server = Server::new(layout);
        let writer = server.process.response(200, 17, false);
        let sent = u64::from(layout.response.sent.get());
        let start = server.start_at(cookie::START_HANDLER, writer, &GoRequest::default());
        assert_eq!(interrupted(&server)[0].flags, 0);
        server.process.memory.write(writer + sent, &[1]);
        let [end] = interrupted(&server)[..] else { panic!("one request is open") };
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
    let mut server = Server::new(layouts::GO_1_27);
    server.process.sampler.threshold = Setting::new(0);
    let writer = server.process.response(200, 0, false);
    server.hit_start(cookie::START_HANDLER, writer, &GoRequest::default()).unwrap();
    assert!(interrupted(&server).is_empty());
}

#[test]
fn the_header_of_an_http2_response_may_have_been_sent() {
    let layout = layouts::GO_1_24;
    for (cookie, writer_layout) in [(cookie::START_HTTP2, layout.http2_writer), (cookie::START_XNET, layout.xnet_writer)] {
        let server = Server::new(layout);
        let writer = server.process.http2_writer(&writer_layout, 200, 3);
        server.start_at(cookie, writer, &GoRequest { proto: (2, 0), ..GoRequest::default() });
        assert_eq!(interrupted(&server)[0].flags, 0);
        let state: u64 = server.process.read(writer + u64::from(writer_layout.rws.get())).unwrap();
        server.process.memory.write(state + u64::from(writer_layout.sent.get()), &[1]);
        assert_eq!((interrupted(&server)[0].flags, interrupted(&server)[0].status), (end_flag::SENT, 200));
    }
}
