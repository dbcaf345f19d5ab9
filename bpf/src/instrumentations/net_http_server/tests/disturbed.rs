//! Memory and registers in which anything may be wrong: bodies never panic, and what they report has its form.

use super::*;
use crate::target::fake::disturbed::{Numbers, turns};

/// Arguments, some of which are wrong.
fn some(server: &Server, arguments: [u64; 5], numbers: &mut Numbers) -> [u64; 5] {
    let wrong = |word| if numbers.below(16) == 0 { server.process.memory.wrong(word, numbers) } else { word };
    arguments.map(wrong)
}

fn records_have_their_form(server: &Server) {
    for record in server.process.take_records() {
        let _kind = kind_of(&record);
    }
}

#[test]
fn nothing_panics() {
    for (_, layout) in layouts::ALL {
        for seed in 0..turns(200) {
            let mut numbers = Numbers::of(seed);
            let server = Server::new(layout);
            let memory = &server.process.memory;
            let parent = format!("00-{TRACE}-{PARENT}-01");
            let request = GoRequest { tls: true, ..GoRequest::default() }.with([
                ("User-Agent", "curl/8.5"),
                ("Traceparent", &parent),
                ("Tracestate", "a=b"),
                ("B3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"),
                ("X-Forwarded-For", "203.0.113.7"),
            ]);
            let address = server.process.request(&request);
            for _request_of_the_goroutine in 0..2 {
                let writer = match numbers.below(2) {
                    0 => server.process.response(201, 1234, false),
                    _ => server.process.http2_writer(&layout.http2_writer, 204, 99),
                };
                let times = numbers.below(4);
                memory.disturb(&mut numbers, times);
                let starts = [event::START_HANDLER, event::START_HTTP2, event::START_XNET, event::START_HTTP2_REQUEST];
                let start = starts[usize::try_from(numbers.below(4)).unwrap()];
                let arguments = some(&server, [7, 7, writer, address, 7], &mut numbers);
                let _missed = if start == event::START_HTTP2_REQUEST {
                    start_http2_request(server.at(start, arguments, 1000), &server.process.layout)
                } else {
                    server.hit(start, arguments, 1000)
                };
                if numbers.below(2) == 0 && memory.mapped().contains(&(server.goroutine / 4_096)) {
                    server.process.panic(server.goroutine, Some([numbers.any(), numbers.any()]));
                }
                let times = numbers.below(4);
                memory.disturb(&mut numbers, times);
                let ends = [event::END, event::UNWIND, event::END_HTTP2];
                let end = ends[usize::try_from(numbers.below(3)).unwrap()];
                let arguments = some(&server, [9; 5], &mut numbers);
                let _missed = server.hit(end, arguments, 2000);
                records_have_their_form(&server);
            }
        }
    }
}
