//! What the program finds when it starts, and what reaches it while it runs.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use init::{Launched, Phase, in_each_phase, launcher, subject, until, with_subject};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::Pid;

/// Runs a command whose program is `subject report FILE`, and returns the lines of its report.
fn report(arrange: impl FnOnce(&Path) -> Command) -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report");
    let status = Launched::start(&mut arrange(&file)).end();
    assert_eq!(status.code(), Some(0));
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The lines of a report that start with `word`, without it.
fn facts<'a>(report: &'a BTreeSet<String>, word: &str) -> Vec<&'a str> {
    report.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix([' ', ':'])).map(str::trim).collect()
}

/// The same command line without the launcher, and with it.
fn both(arrange: impl Fn(&mut Command)) -> [BTreeSet<String>; 2] {
    [false, true].map(|launched| {
        report(|file| {
            let mut command = if launched {
                with_subject(&["report"])
            } else {
                let mut command = Command::new(subject());
                command.arg("report");
                command
            };
            command.arg(file);
            arrange(&mut command);
            command
        })
        .into_iter()
        // Differ by design: the file of each report, the own process group, and the tracer of a program that is
        // still followed.
        .filter(|line| !["argv 2", "own-group", "TracerPid"].iter().any(|word| line.starts_with(word)))
        .collect()
    })
}

#[test]
fn arguments_environment_directory_umask_and_descriptors_arrive_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let open = fs::File::open("/dev/null").unwrap();
    let [alone, launched] = both(|command| {
        command.args(["", "two words", "--pid", "--", "ü\n"]);
        command.env("EMPTY", "").env("ODD", "a=b=c").current_dir(&dir);
        let descriptor = open.as_raw_fd();
        // SAFETY: dup2 and umask are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                if libc::dup2(descriptor, 7) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                libc::umask(0o027);
                Ok(())
            })
        };
    });
    assert_eq!(alone, launched);
}

#[test]
fn the_launchers_variables_are_removed_and_no_others() {
    let lines = report(|file| {
        let mut command = with_subject(&["report"]);
        command.arg(file).env_clear().envs([
            ("GO_AUTO_LAUNCH_VERBOSE", "false"),
            ("GO_AUTO_LAUNCHER", "kept"),
            ("OTEL_SERVICE_NAME", "kept"),
        ]);
        command
    });
    let expected = ["GO_AUTO_LAUNCHER=kept", "OTEL_SERVICE_NAME=kept"];
    assert_eq!(facts(&lines, "env"), expected);
}

#[test]
fn argv_zero_is_as_typed_and_path_is_searched() {
    let name = subject().file_name().unwrap().to_str().unwrap().to_owned();
    let lines = report(|file| {
        let mut command = launcher(&[&name, "report"]);
        command.arg(file).env("PATH", subject().parent().unwrap());
        command
    });
    assert!(lines.contains(&format!("argv 0 {name}")), "{lines:?}");
    assert_eq!(facts(&lines, "own-group"), ["1"]);
}

#[test]
fn dispositions_and_mask_are_given_back() {
    let [alone, launched] = both(|command| {
        // SAFETY: signal and sigprocmask are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                for ignored in [Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGCHLD] {
                    signal(ignored, SigHandler::SigIgn)?;
                }
                let mut blocked = nix::sys::signal::SigSet::empty();
                blocked.add(Signal::SIGUSR1);
                blocked.thread_set_mask()?;
                Ok(())
            })
        };
    });
    assert_eq!(alone, launched);
    assert_eq!(bits(&launched, "SigIgn") & 0x11001, 0x11001);
    assert_eq!(facts(&launched, "SigBlk"), ["0000000000000200"]);
    // SIGPIPE with its default: the Rust runtime of this test ignores it, and so would the launcher's.
    let [alone, launched] = both(|command| {
        // SAFETY: signal is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                signal(Signal::SIGPIPE, SigHandler::SigDfl)?;
                Ok(())
            })
        };
    });
    assert_eq!(alone, launched);
    assert_eq!(bits(&launched, "SigIgn") & 0x1000, 0);
}

/// A signal set of a report. (What this test itself inherited is in there too.)
fn bits(report: &BTreeSet<String>, word: &str) -> u64 {
    u64::from_str_radix(facts(report, word)[0], 16).unwrap()
}

#[test]
fn closed_standard_descriptors_stay_closed() {
    for closed in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
        let [alone, launched] = both(|command| {
            let closed = closed.clone();
            // SAFETY: close is async-signal-safe, and nothing uses these descriptors before the exec.
            unsafe {
                command.pre_exec(move || {
                    for &fd in &closed {
                        let _ = libc::close(fd);
                    }
                    Ok(())
                })
            };
        });
        assert_eq!(alone, launched);
    }
}

#[test]
fn every_signal_is_forwarded_once() {
    let mut launched = Launched::ready(&mut with_subject(&["signals", "64"]));
    // Not KILL and STOP, which nobody can forward, and not CHLD, which is about the launcher's own child.
    for number in (1..=64).filter(|number| ![9, 17, 19].contains(number)) {
        // A stop signal stops the program only if it does not handle it; this one does.
        let pid = launched.pid().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{number} {pid}")]).status().unwrap();
        assert!(sent.success());
        assert_eq!(launched.line(), number.to_string());
    }
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn a_broken_pipe_of_the_launcher_is_not_the_programs() {
    // Standard error is a pipe that nobody reads: the launcher's log line raises SIGPIPE in the launcher.
    let mut command = with_subject(&["signals", "15"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer).env("OTEL_LOG_LEVEL", "debug");
    let mut launched = Launched::ready(&mut command);
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.line(), "15");
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn an_early_termination_is_not_lost() {
    early_terminations(&[]);
}

#[test]
fn an_early_termination_of_the_group_is_not_lost() {
    early_terminations(&["--kill-group"]);
}

/// SIGTERM in each phase, and at 0 to 4 ms; 250 times.
fn early_terminations(options: &[&str]) {
    let start = |_round| Launched::start(launcher(options).arg("--").arg(subject()).arg("hold"));
    in_each_phase(250, Duration::from_micros(16), start, Launched::pid, |mut launched, round, phase| {
        launched.signal(Signal::SIGTERM);
        let status = launched.end();
        // Before its main, the launcher is an ordinary process and dies from the signal itself.
        let is_own = phase == Phase::Starting && status.signal() == Some(15);
        assert!(status.code() == Some(143) || is_own, "round {round}, {phase:?}: {status}");
    });
}

#[test]
fn orphans_are_reaped() {
    let mut launched = Launched::ready(&mut with_subject(&["orphans", "500"]));
    until("all orphans to be reaped", || init::children(launched.pid()).len() == 1);
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.end().code(), Some(143));
}

#[test]
fn a_killed_launcher_leaves_nothing_held() {
    let mark = |round| format!("mark-{}-{round}", std::process::id());
    let start = |round| Launched::start(&mut with_subject(&["hold", &mark(round)]));
    in_each_phase(250, Duration::from_micros(24), start, Launched::pid, |launched, round, _phase| {
        launched.kill_in_any_phase(&mark(round));
    });
}

#[test]
fn an_exec_chain_is_followed_in_one_process_and_let_go_at_the_go_program() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("app.go");
    fs::write(&source, GO_PROGRAM).unwrap();
    let app = dir.path().join("app");
    let built = Command::new("go").args(["build", "-o"]).args([&app, &source]).env("GO111MODULE", "off").status();
    assert!(built.is_ok_and(|status| status.success()), "needs Go");
    let app = app.to_str().unwrap();
    let shell = format!("exec env {app}");
    for chain in [&[app][..], &["env", app], &["sh", "-c", &shell], &["env", "sh", "-c", &shell]] {
        let output = launcher(&["--"]).args(chain).output().unwrap();
        assert_eq!(output.status.code(), Some(42), "{chain:?}");
        let tracer = String::from_utf8(output.stdout).unwrap();
        assert_eq!(tracer.trim(), "TracerPid:\t0", "{chain:?}");
    }
}

const GO_PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "TracerPid") {
			fmt.Println(line)
		}
	}
	os.Exit(42)
}
"#;

#[test]
fn one_interrupt_key_is_one_signal() {
    use std::io::Write as _;
    let (mut launched, mut terminal) = Launched::ready_on_a_terminal(with_subject(&["signals", "15"]));
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(launched.line(), "2");
    launched.signal(Signal::SIGTERM);
    // A second SIGINT would have a lower number and come first.
    assert_eq!(launched.line(), "15");
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn the_stop_key_stops_both_and_continuing_the_launcher_continues_both() {
    use std::io::Write as _;
    let (mut launched, mut terminal) = Launched::ready_on_a_terminal(with_subject(&["hold"]));
    let program: Pid = init::children(launched.pid())[0];
    for _ in 0..3 {
        terminal.write_all(b"\x1a").unwrap();
        until("both to stop", || init::state(launched.pid()) == Some('T') && matches!(init::state(program), Some('t' | 'T')));
        launched.signal(Signal::SIGCONT);
        until("both to run", || init::state(launched.pid()) == Some('S') && init::state(program) == Some('S'));
    }
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.end().code(), Some(143));
}

/// The terminal stops a whole group; the whole group goes on.
#[test]
fn the_stop_key_stops_what_a_shell_runs_too_and_continuing_continues_it() {
    use std::io::Write as _;
    let mut command = launcher(&["--", "sh", "-c"]);
    command.arg(format!("{} hold; exit 4", init::subject().display()));
    let (mut launched, mut terminal) = Launched::ready_on_a_terminal(command);
    let shell: Pid = init::children(launched.pid())[0];
    let program: Pid = init::children(shell)[0];
    for _ in 0..3 {
        terminal.write_all(b"\x1a").unwrap();
        let all_stopped = || [shell, program].iter().all(|pid| matches!(init::state(*pid), Some('t' | 'T')));
        until("all to stop", || init::state(launched.pid()) == Some('T') && all_stopped());
        launched.signal(Signal::SIGCONT);
        until("all to run", || [launched.pid(), shell, program].iter().all(|pid| init::state(*pid) == Some('S')));
    }
    nix::sys::signal::kill(program, Signal::SIGTERM).unwrap();
    assert_eq!(launched.end().code(), Some(4));
}
