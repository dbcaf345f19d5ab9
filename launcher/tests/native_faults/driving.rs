//! `tests/apps/stress` under the launcher with the native engine, requests to it, and what becomes of them.

use std::collections::HashMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::support::load;
use crate::support::receiver::Attributes as _;
use crate::support::server::{Client, Left, Server, launcher};

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 8;

/// The launcher with the native engine, and a fault that it plants (`launcher/src/engine/native/planted.rs`).
pub(crate) fn planting(fault: &str) -> Command {
    let mut command = launcher();
    command.envs([("GO_AUTO_LAUNCH_ENGINE", "native"), ("GO_AUTO_LAUNCH_PLANTED", fault), ("OTEL_BSP_MAX_QUEUE_SIZE", "200000")]);
    // Programs that are made to crash leave no core.
    let no_core = || {
        let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the call reads the limit.
        match unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: setrlimit is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(no_core) };
    command
}

/// The program under a launcher that [`planting`] has made.
pub(crate) fn start(command: Command, app: &Path, flags: &[&str]) -> Server {
    Server::start_with(command, app, flags, 1)
}

/// What a request is for: most go through, some panic in one way or another.
pub(crate) fn what(number: usize) -> &'static str {
    match number % 16 {
        9..=11 => "nil",
        12 => "panic",
        13 => "deep",
        14 => "alloc",
        15 if number % 64 == 63 => "out",
        _ => "ok",
    }
}

fn path(number: usize) -> String {
    format!("/{}/{number}", what(number))
}

fn trace_id(number: usize) -> [u8; 16] {
    (number as u128 + 1).to_be_bytes()
}

/// Sends the requests of these numbers, each within a trace of its own; each must be answered as it is without a launcher.
pub(crate) fn drive(server: &Server, numbers: std::ops::Range<usize>) {
    let address = server.addresses[0];
    load::each(address, CONNECTIONS, numbers.len(), |client, number| {
        let number = numbers.start + number;
        let path = path(number);
        let parent = format!("00-{:032x}-00f067aa0ba902b7-01", number + 1);
        let status = client.send("GET", &path, &[("traceparent".to_owned(), parent)], "");
        if what(number) == "out" {
            assert_eq!(status, None, "{path}");
            *client = Client::connect(address);
        } else {
            assert_eq!(status, Some(200), "{path}");
            assert_eq!(String::from_utf8_lossy(&client.body).trim_end(), path);
        }
    });
}

/// How many spans each request has, by its number; all there are must be right.
pub(crate) fn spans_by_request(spans: &[Span]) -> HashMap<usize, usize> {
    let mut counts = HashMap::new();
    for span in spans {
        let found = span.text("url.path").unwrap();
        let number = found.rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(found, path(number));
        assert_eq!(span.trace_id, trace_id(number), "{found} has another one's trace");
        assert_eq!(span.parent_span_id, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7], "{found}");
        assert_eq!(span.kind(), SpanKind::Server, "{found}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{found}");
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// Each of the requests has one span, and there are no others.
pub(crate) fn all_have_spans(left: &Left, requests: usize) {
    let counts = spans_by_request(&left.spans);
    let wrong: Vec<_> = (0..requests).filter(|number| counts.get(number) != Some(&1)).take(10).collect();
    assert!(wrong.is_empty() && counts.len() == requests, "{} requests, {wrong:?}: {}", counts.len(), left.stderr);
    let failed = |span: &&Span| span.number("http.response.status_code") != Some(200);
    let failed = left.spans.iter().filter(failed).count();
    assert_eq!(failed, (0..requests).filter(|number| what(*number) == "out").count(), "{}", left.stderr);
}

/// The program has ended by itself, and the launcher has nothing to complain about.
pub(crate) fn is_quiet(left: &Left) {
    assert!(left.status.success(), "{}: {}", left.status, left.stderr);
    for line in left.stderr.lines() {
        let is_expected = line.contains("cannot set CPU profile rate") || !line.contains("error") && !line.contains("warn");
        assert!(is_expected, "{}", left.stderr);
    }
}
