//! Signals in unusual company: fatal ones from outside, a group, a terminal, an ignored SIGCHLD; and the
//! descriptors that the launcher was given.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;

use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use init::{Launched, launcher, subject, until, with_subject};
use nix::sys::signal::{SigHandler, Signal, kill, signal};

/// The launcher in whose group the program's signals arrive.
fn with_group(args: &[&str]) -> Command {
    let mut command = launcher(&["--kill-group", "--"]);
    command.arg(subject()).args(args);
    command
}

#[test]
fn fatal_signals_from_outside_are_the_programs() {
    for signal in [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGQUIT, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE] {
        let mut launched = Launched::ready(&mut with_subject(&["hold"]));
        launched.signal(signal);
        // A code and not a signal: the launcher has ended by itself.
        assert_eq!(launched.end().code(), Some(128 + signal as i32));
    }
}

#[test]
fn every_signal_reaches_the_group_once() {
    let mut launched = Launched::ready(&mut with_group(&["signals", "64"]));
    for number in (1..=64).filter(|number| ![9, 17, 19].contains(number)) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{number} {}", launched.pid())]).status().unwrap();
        assert!(sent.success());
        assert_eq!(launched.line(), number.to_string());
    }
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn one_interrupt_key_is_one_signal_with_a_group_too() {
    let (mut launched, mut terminal) = Launched::ready_on_a_terminal(with_group(&["signals", "15"]));
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(launched.line(), "2");
    launched.signal(Signal::SIGTERM);
    // A second SIGINT would have a lower number and come first.
    assert_eq!(launched.line(), "15");
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn an_ignored_sigchld_does_not_hide_the_end() {
    for (args, expected) in [(&["exit", "7"][..], 7), (&["die", "9"], 137)] {
        let mut command = with_subject(args);
        // SAFETY: signal is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                signal(Signal::SIGCHLD, SigHandler::SigIgn)?;
                Ok(())
            })
        };
        assert_eq!(init::code(&mut command), Some(expected));
    }
}

#[test]
fn options_after_the_program_are_its_own() {
    // Without `--`, and with options that the launcher has too.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report");
    let mut command = launcher(&["-g"]);
    command.arg(subject()).arg("report").arg(&file).args(["-d", "-g", "--help", "--kill-group"]);
    assert_eq!(init::code(&mut command), Some(0));
    let report = fs::read_to_string(file).unwrap();
    let arguments: Vec<_> = report.lines().filter_map(|line| line.strip_prefix("argv ")).skip(3).collect();
    assert_eq!(arguments, ["3 -d", "4 -g", "5 --help", "6 --kill-group"]);
}

#[test]
fn the_launcher_closes_what_it_was_given() {
    let open = fs::File::open("/dev/null").unwrap();
    let descriptor = open.as_raw_fd();
    let mut command = with_subject(&["hold"]);
    // SAFETY: dup2 is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            for fd in [7, 50] {
                if libc::dup2(descriptor, fd) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        })
    };
    let mut launched = Launched::ready(&mut command);
    let (own, program) = (launched.pid(), init::children(launched.pid())[0]);
    let link = |path: String| fs::read_link(path).ok();
    for fd in [7, 50] {
        assert_eq!(link(format!("/proc/{program}/fd/{fd}")), Some("/dev/null".into()));
        assert_eq!(link(format!("/proc/{own}/fd/{fd}")).filter(|target| target.ends_with("null")), None);
    }
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.end().code(), Some(143));
}

#[test]
fn a_stop_signal_stops_both_and_a_continue_continues_both() {
    for options in [&[][..], &["--kill-group"], &["--rewrite", "TSTP:STOP"]] {
        let mut command = launcher(options);
        let mut launched = Launched::ready(command.arg("--").arg(subject()).arg("hold"));
        let program = init::children(launched.pid())[0];
        for _ in 0..3 {
            launched.signal(Signal::SIGTSTP);
            until("both to stop", || init::state(launched.pid()) == Some('T') && matches!(init::state(program), Some('t' | 'T')));
            launched.signal(Signal::SIGCONT);
            until("both to run", || init::state(launched.pid()) == Some('S') && init::state(program) == Some('S'));
        }
        launched.signal(Signal::SIGTERM);
        assert_eq!(launched.end().code(), Some(143), "{options:?}");
    }
}

#[test]
fn a_continued_program_was_never_gone() {
    for group in [false, true] {
        let mut command = if group { with_group(&["hold"]) } else { with_subject(&["hold"]) };
        let mut launched = Launched::ready(&mut command);
        let program = init::children(launched.pid())[0];
        for _ in 0..20 {
            kill(program, Signal::SIGSTOP).unwrap();
            until("the stop", || matches!(init::state(program), Some('t' | 'T')));
            kill(program, Signal::SIGCONT).unwrap();
            until("the continue", || init::state(program) == Some('S'));
        }
        assert!(launched.child.try_wait().unwrap().is_none());
        launched.signal(Signal::SIGTERM);
        assert_eq!(launched.end().code(), Some(143));
    }
}
