//! A launcher that is killed (SIGKILL) while it starts or traces a Go program: the program runs on or has never started,
//! and is never left stopped. And SIGTERM meanwhile, which is not lost. Needs root, for the probes.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;
mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use init::{Launched, Phase, in_each_phase, state, until};
use nix::sys::signal::{Signal, kill};
use support::apps::{self, GoVersion, Variant};
use support::server::{Server, get, launcher};

#[test]
fn in_no_phase_is_the_program_left_stopped() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    // The start takes some 50 ms on the development machine; the rounds end well after it.
    let mark = |round| format!("-exit-code={}{round:03}", std::process::id());
    let start = |round| {
        let mut command = launcher();
        command.arg("--").arg(&app).args(["-addr", "127.0.0.1:0", &mark(round)]).stderr(Stdio::null());
        Launched::start(&mut command)
    };
    in_each_phase(50, Duration::from_millis(2), start, Launched::pid, |launched, round, _phase| {
        launched.kill_in_any_phase(&mark(round));
    });
}

/// A signal that arrives while the program is held and armed reaches it when it is let go.
#[test]
fn an_early_termination_reaches_a_program_that_is_being_armed() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let start = |_round| {
        let mut command = launcher();
        command.arg("--").arg(&app).args(["-addr", "127.0.0.1:0"]).stderr(Stdio::null());
        Launched::start(&mut command)
    };
    in_each_phase(50, Duration::from_millis(1), start, Launched::pid, |mut launched, round, phase| {
        launched.signal(Signal::SIGTERM);
        let status = launched.end();
        // By the program's handler, before it had one, or before the launcher's main.
        let is_own = phase == Phase::Starting && status.signal() == Some(15);
        assert!(matches!(status.code(), Some(0 | 143)) || is_own, "round {round}, {phase:?}: {status}");
    });
}

#[test]
fn a_traced_program_serves_on() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let server = Server::start(&app, &["-addr", "127.0.0.1:0"], 1);
    let (address, program) = (server.addresses[0], server.program());
    assert_eq!(get(address, "/hello"), 200);
    kill(server.pid(), Signal::SIGKILL).unwrap();
    until("the launcher to be gone", || matches!(state(server.pid()), None | Some('Z')));
    for _ in 0..100 {
        assert_eq!(get(address, "/hello"), 200);
    }
    assert!(!matches!(state(program), Some('t' | 'T')));
    kill(program, Signal::SIGTERM).unwrap();
    let _ = server.wait();
}
