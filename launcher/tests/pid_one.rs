//! The launcher as PID 1, in a pid namespace of its own: where the kernel treats signals differently and orphans come
//! without being asked for. Needs root (unshare).

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;

use std::process::Command;

use init::{Launched, children, subject, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The C program under the launcher, which is PID 1.
fn as_pid_one(options: &[&str], args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", env!("CARGO_BIN_EXE_go-auto-launch")]);
    command.args(options).arg("--").arg(subject()).args(args);
    command
}

/// The launcher, seen from here.
fn launcher(launched: &Launched) -> Pid {
    children(launched.pid())[0]
}

#[test]
fn statuses() {
    for code in [0, 1, 126, 255] {
        assert_eq!(init::code(&mut as_pid_one(&[], &["exit", &code.to_string()])), Some(code));
    }
    for signal in [2, 6, 9, 11, 15, 34, 64] {
        assert_eq!(init::code(&mut as_pid_one(&[], &["die", &signal.to_string()])), Some(128 + signal));
    }
}

#[test]
fn signals_are_forwarded_although_pid_one_has_no_default_actions() {
    for number in [1, 2, 3, 6, 11, 15, 20, 34, 37, 64] {
        let mut launched = Launched::ready(&mut as_pid_one(&[], &["signals", &number.to_string()]));
        let sent = Command::new("sh").args(["-c", &format!("kill -{number} {}", launcher(&launched))]).status().unwrap();
        assert!(sent.success());
        assert_eq!(launched.line(), number.to_string());
        assert_eq!(launched.end().code(), Some(0));
    }
}

#[test]
fn a_program_that_does_not_handle_a_signal_dies_from_it() {
    for (options, signal) in [(&[][..], Signal::SIGTERM), (&["--kill-group"], Signal::SIGTERM), (&[], Signal::SIGSEGV)] {
        let mut launched = Launched::ready(&mut as_pid_one(options, &["hold"]));
        kill(launcher(&launched), signal).unwrap();
        assert_eq!(launched.end().code(), Some(128 + signal as i32));
    }
}

#[test]
fn five_hundred_orphans_are_reaped() {
    let mut launched = Launched::ready(&mut as_pid_one(&[], &["orphans", "500"]));
    let first = launcher(&launched);
    until("all orphans to be reaped", || children(first).len() == 1);
    kill(first, Signal::SIGTERM).unwrap();
    assert_eq!(launched.end().code(), Some(143));
}
