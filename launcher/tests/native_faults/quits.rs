//! SIGQUIT while hits take long: what Go says when it dies is whole, wherever the signal has arrived.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::Pid;

use crate::driving::{planting, start};
use crate::support::apps::{self, GoVersion, Variant, tests_all};
use crate::support::server::{Client, Server};
use crate::support::until::until;

/// What stands in a report that Go could not finish, or where it has lost its way.
const SIGNS: [&str; 6] =
    ["unexpected return pc", "panic during", "fatal error", "[signal ", "stack trace unavailable", "traceback stuck"];

/// Sends requests until the program is gone; SIGQUIT comes when so many have been answered.
fn quit(server: &Server, answered_before: usize) {
    let answered = AtomicUsize::new(0);
    let address = server.addresses[0];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while client.send("GET", "/ok/1", &[], "").is_some() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("enough answers", || answered.load(Ordering::Relaxed) >= answered_before);
        quit_busy_thread(server.program());
    });
}

/// Sends SIGQUIT to a thread that runs just now: the kernel would take one that is idle.
fn quit_busy_thread(program: Pid) {
    let tasks = std::fs::read_dir(format!("/proc/{program}/task")).unwrap();
    let threads: Vec<i32> = tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let is_busy = |thread: &&i32| {
        let stat = std::fs::read_to_string(format!("/proc/{program}/task/{thread}/stat"));
        // Behind the name, which is in parentheses.
        stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|behind| behind.starts_with(" R")))
    };
    let thread = threads.iter().find(is_busy).unwrap_or(&threads[0]);
    // SAFETY: the call takes numbers.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, program.as_raw(), *thread, libc::SIGQUIT) };
    assert_eq!(sent, 0, "the thread is there while a report is not written");
}

/// What is seen of a report that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// The signal has met a function that is observed.
    Observed,
    /// It has met a thunk, or the few instructions of the engine's before a hit's frame stands: Go says that it does not know the place.
    Thunk,
    /// It has met something else.
    Other,
}

/// Makes a program write one report, which is to be whole.
fn reports(version: GoVersion, fault: &str, traceback: &str, answered_before: usize) -> Met {
    let mut command = planting(fault);
    command.env("GOTRACEBACK", traceback);
    let server = start(command, &apps::build("stress", version, Variant::Stripped), &["-collect"]);
    quit(&server, answered_before);
    let left = server.wait();
    let what = format!("{version:?} {fault} {traceback}: {}: {}", left.status, left.stderr);
    if traceback == "crash" {
        assert!(left.status.signal() == Some(6) || left.status.code() == Some(134), "{what}");
    } else {
        assert_eq!(left.status.code(), Some(2), "{what}");
    }
    // To crash, each thread says what it does.
    let reports = left.stderr.matches("SIGQUIT: quit").count();
    assert!(if traceback == "crash" { reports >= 1 } else { reports == 1 }, "{what}");
    for sign in SIGNS {
        assert!(!left.stderr.contains(sign), "{sign}: {what}");
    }
    // Those of the program's beginning and those of connections.
    for function in ["main.main()", "created by net/http.(*Server).Serve", "\nrip "] {
        assert!(left.stderr.contains(function), "{function}: {what}");
    }
    if left.stderr.contains("unknown pc") {
        return Met::Thunk;
    }
    let mut lines = left.stderr.lines();
    lines.find(|line| line.starts_with("goroutine ") && line.contains("[running"));
    let met = lines.next().unwrap_or_default();
    let observed = ["net/http.(*conn).serve(", "net/http.serverHandler.ServeHTTP("];
    if observed.iter().any(|function| met.starts_with(function)) { Met::Observed } else { Met::Other }
}

/// Reports until some signals have met a hit.
fn reports_of(version: GoVersion, fault: &str) {
    const TRIES: usize = 60;
    let wanted = if tests_all() { 12 } else { 2 };
    let mut all = Vec::new();
    let count = |all: &[Met], one: Met| all.iter().filter(|met| **met == one).count();
    for round in 0..TRIES {
        for traceback in ["all", "crash"] {
            all.push(reports(version, fault, traceback, 100 + 37 * (round % 8)));
        }
        if count(&all, Met::Observed) >= wanted {
            break;
        }
    }
    assert!(count(&all, Met::Observed) >= wanted && count(&all, Met::Thunk) <= 1, "{all:?}");
}

#[test]
fn go_1_21() {
    reports_of(GoVersion::GO_1_21, "spin");
}

#[test]
fn go_1_26() {
    reports_of(GoVersion::GO_1_26, "spin");
}

#[test]
fn go_1_27() {
    reports_of(GoVersion::GO_1_27, "spin");
}

/// The signal arrives in the kernel's function, mostly.
#[test]
fn where_the_kernel_tells_the_time() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_27] {
        reports_of(version, "spin,vdso");
    }
}
