//! A launcher that is killed, or kept from running: the program serves on.

use std::time::Duration;

use native::control::disabled;
use native::ring::RING_BYTES;
use nix::sys::signal::{Signal, kill};

use crate::driving::{CONNECTIONS, drive, planting, spans_by_request, start};
use crate::process::{disabled, waiting};
use crate::support::apps::{self, GoVersion, Variant, tests_all};
use crate::support::load;
use crate::support::server::{Client, Server};
use crate::support::until::until;

/// Kills the launcher while the program serves, so long `after` the first requests that any moment is met; returns when nothing is left
/// of it but its program.
fn kill_launcher(server: &Server, after: Duration) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(after);
            kill(server.pid(), Signal::SIGKILL).unwrap();
        });
        drive(server, 0..3_000);
    });
}

#[test]
fn killed_under_load() {
    let app = apps::build("stress", GoVersion::GO_1_27, Variant::Stripped);
    let rounds = if tests_all() { 20 } else { 4 };
    // With each clock.
    let servers: Vec<Server> = (0..rounds).map(|round| start(planting(["", "vdso"][round % 2]), &app, &["-collect"])).collect();
    let programs: Vec<_> = servers.iter().map(Server::program).collect();
    for server in &servers {
        kill_launcher(server, Duration::from_millis(fastrand::u64(0..150)));
    }
    for (server, program) in servers.iter().zip(&programs) {
        let request = || {
            assert_eq!(Client::connect(server.addresses[0]).send("GET", "/ok/1", &[], ""), Some(200));
            disabled(*program)
        };
        until("the engine to notice", || request() == disabled::ALONE);
        drive(server, 0..100);
    }
    for (server, program) in servers.into_iter().zip(programs) {
        kill(program, Signal::SIGTERM).unwrap();
        let _killed = server.wait();
    }
}

/// The launcher stands still: the ring fills, and what finds no room is counted.
#[test]
fn stopped_until_the_ring_is_full() {
    const MORE: usize = 500;
    let server = start(planting(""), &apps::build("stress", GoVersion::GO_1_27, Variant::Stripped), &[]);
    let program = server.program();
    kill(server.pid(), Signal::SIGSTOP).unwrap();
    // Requests with so long a query fill it soon.
    let query = "q".repeat(6_000);
    let send = |requests| load::send(server.addresses[0], CONNECTIONS, requests, |number| format!("/ok/{number}?{query}"));
    let mut before = 0;
    while waiting(program) < RING_BYTES as u64 - 8_192 {
        send(MORE);
        before += MORE;
    }
    send(MORE);
    kill(server.pid(), Signal::SIGCONT).unwrap();
    until("the ring to be read", || waiting(program) == 0);
    until("the launcher to be seen", || disabled(program) == disabled::NO);
    drive(&server, 0..64);
    let left = server.end();
    assert!(left.status.success(), "{}", left.stderr);
    let (own, long): (Vec<_>, Vec<_>) = left.spans.into_iter().partition(|span| !span.parent_span_id.is_empty());
    assert_eq!(spans_by_request(&own).len(), 64, "{}", left.stderr);
    assert!(long.len() > 500 && long.len() < before + MORE, "{} of {before}: {}", long.len(), left.stderr);
    let said = left.stderr.split(" found the ring buffer full").next().unwrap().rsplit(' ').next().unwrap();
    assert!(said.parse::<usize>().is_ok_and(|lost| lost >= MORE), "{}", left.stderr);
}

/// Stopped for so long that it was taken for dead, it says so when it is back. It does not trace on: what had begun has ended unseen, and
/// would end with another one's end.
#[test]
fn stopped_for_long() {
    let server = start(planting(""), &apps::build("stress", GoVersion::GO_1_27, Variant::Stripped), &[]);
    drive(&server, 0..64);
    let program = server.program();
    kill(server.pid(), Signal::SIGSTOP).unwrap();
    until("the engine to notice", || {
        assert_eq!(Client::connect(server.addresses[0]).send("GET", "/ok/64", &[], ""), Some(200));
        disabled(program) == disabled::ALONE
    });
    kill(server.pid(), Signal::SIGCONT).unwrap();
    until("the launcher to be back", || disabled(program) == disabled::FOR_GOOD);
    drive(&server, 100..200);
    let left = server.end();
    assert!(left.stderr.contains("the launcher was kept from running for seconds"), "{}", left.stderr);
    let own: Vec<_> = left.spans.iter().filter(|span| !span.parent_span_id.is_empty()).cloned().collect();
    let counts = spans_by_request(&own);
    assert!((0..64).all(|number| counts.get(&number) == Some(&1)), "{counts:?}: {}", left.stderr);
    assert!((100..200).all(|number| !counts.contains_key(&number)), "{counts:?}: {}", left.stderr);
}
