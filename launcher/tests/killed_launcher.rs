//! A launcher that is killed (SIGKILL) while it starts or traces a Go program: the program runs on or has never started,
//! and is never left stopped. Needs root, for the probes.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;
mod support;

use std::process::Stdio;
use std::time::Duration;

use init::{marked, state, until};
use nix::sys::signal::{Signal, kill};
use support::apps::{self, GoVersion, Variant};
use support::server::{Server, get, launcher};

#[test]
fn in_no_phase_is_the_program_left_stopped() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    // The start takes some 50 ms on the development machine; the rounds end well after it.
    for round in 0..50u32 {
        let mark = format!("-exit-code={}", 1_000_000 + round);
        let mut command = launcher();
        command.arg("--").arg(&app).args(["-addr", "127.0.0.1:0", &mark]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut launched = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(2) * round);
        launched.kill().unwrap();
        launched.wait().unwrap();
        until("the rest to run or to be gone", || marked(&mark).into_iter().all(|pid| !matches!(state(pid), Some('t' | 'T'))));
        for pid in marked(&mark) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
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
