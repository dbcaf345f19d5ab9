//! As many requests open at once as a program serves: none is forgotten, and none is another one's.
//!
//! The native engine's; BPF's maps remember 8,192, and `many_goroutines` shows what becomes of more.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use support::apps::{self, GoVersion, Variant};
use support::receiver::Attributes as _;
use support::server::{Server, launcher};

const REQUESTS: usize = 50_000;

#[test]
fn fifty_thousand_requests_are_open_at_once() {
    let mut command = launcher();
    command
        .env("GO_AUTO_LAUNCH_ENGINE", "native")
        .env("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", "net/http/client")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", REQUESTS.to_string());
    let app = apps::build("many_open", GoVersion::GO_1_27, Variant::Stripped);
    let left = Server::start_with(command, &app, &[&REQUESTS.to_string()], 1).wait();
    assert_eq!(left.stdout.trim(), format!("served {REQUESTS}"), "{}", left.stderr);
    assert!(!left.stderr.contains("lost"), "{}", left.stderr);
    let mut numbers: Vec<usize> = left
        .spans
        .iter()
        .map(|span| {
            let number = span.text("url.query").unwrap().parse().unwrap();
            let status = span.number("http.response.status_code").unwrap();
            assert_eq!(status, i64::try_from(200 + number % 100).unwrap());
            number
        })
        .collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..REQUESTS), "{} spans", numbers.len());
}
