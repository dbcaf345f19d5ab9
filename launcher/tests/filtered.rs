//! A program behind a wrapper that installs a seccomp filter: the launcher makes no system call in its name. Needs root.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod init;
mod support;

use support::apps::{self, GoVersion, Variant};
use support::server::{Client, Server, launcher};
use support::sink::Sink;

#[test]
fn a_filter_that_kills_does_not_meet_our_system_calls() {
    let sink = Sink::of_headers();
    let app = apps::build("headers", GoVersion::GO_1_26, Variant::Stripped);
    let mut command = launcher();
    command.arg("--").arg(init::subject()).arg("filtered").arg(&app);
    let server = Server::start_as_typed(command, &["front", &sink.url, &sink.secure], 2);
    let mut client = Client::connect(server.addresses[0]);
    assert_eq!(client.send("GET", "/via?by=http1", &[], ""), Some(200));
    assert!(!String::from_utf8_lossy(&client.body).contains("Traceparent"));
    let left = server.end();
    assert!(left.status.success(), "{}", left.stderr);
    let lines: Vec<_> = left.stderr.lines().filter(|line| line.contains("trace context is not injected: ")).collect();
    assert!(lines.len() == 1 && lines[0].contains("seccomp filter"), "{}", left.stderr);
    // The server's and the client's.
    assert_eq!(left.spans.len(), 2, "{}", left.stderr);
}
