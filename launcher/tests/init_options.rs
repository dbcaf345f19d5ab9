//! The options of an init process: what tini and dumb-init do by `-g`, `-e`, `-r` and `-p`, and socket activation.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use init::{Launched, code, launcher, subject};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The launcher with `options`, and the C program with `args`.
fn with_options(options: &[&str], args: &[&str]) -> Command {
    let mut command = launcher(options);
    command.arg("--").arg(subject()).args(args);
    command
}

/// What it says on standard error, and its exit code.
fn said(command: &mut Command) -> (String, Option<i32>) {
    let output = command.output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn signals_go_to_the_program_alone_or_to_its_group() {
    let variable = ("GO_AUTO_LAUNCH_KILL_GROUP", "true");
    let cases = [(&[][..], None, "0"), (&["--kill-group"], None, "1"), (&["-g"], None, "1"), (&[], Some(variable), "1")];
    for (options, variable, group) in cases {
        let mut launched = Launched::ready(with_options(options, &["family", group]).envs(variable));
        launched.signal(Signal::SIGTERM);
        let child = if group == "1" { "child 15" } else { "child 10" };
        assert_eq!([launched.line(), launched.line()], [child, "parent 15"], "{options:?}");
        assert_eq!(launched.end().code(), Some(0));
    }
}

#[test]
fn a_program_that_left_its_group_is_signalled_all_the_same() {
    let mut launched = Launched::ready(&mut with_options(&["--kill-group"], &["elsewhere"]));
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.line(), "15");
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn signals_are_rewritten_and_dropped() {
    let cases = [
        (&["--rewrite", "SIGTERM:SIGQUIT"][..], Signal::SIGTERM, "3"),
        (&["-r", "15:37"], Signal::SIGTERM, "37"),
        (&["--rewrite", "term:RTMIN+3,hup:usr1"], Signal::SIGHUP, "10"),
        (&["--rewrite", "TERM:HUP", "--rewrite", "USR2:64"], Signal::SIGUSR2, "64"),
        (&["--rewrite", "TERM:QUIT"], Signal::SIGINT, "2"),
    ];
    for (options, sent, expected) in cases {
        let mut launched = Launched::ready(&mut with_options(options, &["signals", expected]));
        launched.signal(sent);
        assert_eq!(launched.line(), expected, "{options:?}");
        assert_eq!(launched.end().code(), Some(0));
    }
    // 0 drops: the one after it arrives, and alone.
    let mut command = with_options(&[], &["signals", "10"]);
    let mut launched = Launched::ready(command.env("GO_AUTO_LAUNCH_REWRITE", "HUP:0"));
    launched.signal(Signal::SIGHUP);
    launched.signal(Signal::SIGUSR1);
    assert_eq!(launched.line(), "10");
    assert_eq!(launched.end().code(), Some(0));
    // A signal that nobody can catch is a target too.
    let mut launched = Launched::ready(&mut with_options(&["-g", "-r", "TERM:KILL"], &["hold"]));
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.end().code(), Some(137));
}

#[test]
fn exit_codes_are_remapped_after_128_plus_n() {
    let exits = |options: &[&str], code: &str| init::code(&mut with_options(options, &["exit", code]));
    assert_eq!(exits(&["--remap-exit", "3"], "3"), Some(0));
    assert_eq!(exits(&["-e", "3", "-e", "4:9"], "4"), Some(9));
    assert_eq!(exits(&["--remap-exit", "3:4,4:5"], "3"), Some(4));
    assert_eq!(exits(&["--remap-exit", "0:1"], "0"), Some(1));
    assert_eq!(exits(&["--remap-exit", "3"], "5"), Some(5));
    assert_eq!(code(&mut with_options(&["-e143"], &["die", "15"])), Some(0));
    let variable = ("GO_AUTO_LAUNCH_REMAP_EXIT", "143:0, 137:7");
    assert_eq!(code(with_options(&[], &["die", "9"]).envs([variable])), Some(7));
    // A flag wins over its variable; the launcher's own codes stay.
    assert_eq!(code(with_options(&["--remap-exit", "1:2"], &["die", "9"]).envs([variable])), Some(137));
    assert_eq!(code(&mut launcher(&["--remap-exit", "127", "--", "no-such-program-anywhere"])), Some(127));
}

#[test]
fn values_that_cannot_be_used_are_named_and_the_program_runs() {
    for (flag, name, value) in [
        ("--rewrite", "GO_AUTO_LAUNCH_REWRITE", "TERM"),
        ("--rewrite", "GO_AUTO_LAUNCH_REWRITE", "KILL:TERM"),
        ("--remap-exit", "GO_AUTO_LAUNCH_REMAP_EXIT", "256:0"),
        ("--parent-death-signal", "GO_AUTO_LAUNCH_PARENT_DEATH_SIGNAL", "SIGNONE"),
        ("--kill-group", "GO_AUTO_LAUNCH_KILL_GROUP", "yes"),
        ("--keep-caps", "GO_AUTO_LAUNCH_KEEP_CAPS", "1"),
    ] {
        let mut results = vec![(name, said(with_options(&[], &["exit", "7"]).env(name, value)))];
        // A switch has no value on the command line.
        if !matches!(flag, "--kill-group" | "--keep-caps") {
            results.push((flag, said(&mut with_options(&[flag, value], &["exit", "7"]))));
        }
        for (shown, (text, code)) in results {
            assert_eq!(code, Some(7), "{text}");
            let line = text.lines().find(|line| line.contains(&format!("{shown}={value:?}"))).expect(&text);
            assert!(line.contains("allowed is") && line.contains("used instead"), "{line}");
        }
    }
    // The rest of a list holds.
    let (text, code) = said(&mut with_options(&["--remap-exit", "x:0,7:8"], &["exit", "7"]));
    assert_eq!(code, Some(8), "{text}");
    assert!(text.contains("the rest of the list"), "{text}");
}

#[test]
fn the_death_of_the_parent_is_forwarded() {
    for (option, expected) in [("--parent-death-signal=USR1", "10"), ("-pSIGTERM", "15")] {
        // The shell says who the launcher is, and is killed.
        let script = "\"$@\" & echo $!; wait";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_go-auto-launch"), option, "--"]).arg(subject());
        let mut shell = shell.args(["signals", expected]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        let mut lines = String::new();
        for _ in 0..2 {
            output.read_line(&mut lines).unwrap();
        }
        assert!(lines.contains("ready\n"), "{lines}");
        shell.kill().unwrap();
        shell.wait().unwrap();
        let mut rest = String::new();
        // Ends when the program has ended: it ends by the signal.
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, format!("{expected}\n"));
    }
}

#[test]
fn without_the_option_the_death_of_the_parent_changes_nothing() {
    let script = "\"$@\" & echo $!; wait";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_go-auto-launch"), "--"]).arg(subject());
    let mut shell = shell.args(["signals", "15"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap());
    let mut lines = String::new();
    for _ in 0..2 {
        output.read_line(&mut lines).unwrap();
    }
    shell.kill().unwrap();
    shell.wait().unwrap();
    let launcher: i32 = lines.lines().find_map(|line| line.parse().ok()).unwrap();
    kill(Pid::from_raw(launcher), Signal::SIGTERM).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "15\n");
}

#[test]
fn socket_activation_means_the_program() {
    // `exec` keeps the shell's pid, so that LISTEN_PID names the launcher, as systemd arranges it.
    let run = |script: &str| {
        let (reader, writer) = std::io::pipe().unwrap();
        let descriptor = writer.as_raw_fd();
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_go-auto-launch"), "--"]).arg(subject()).arg("listening");
        // SAFETY: dup2 is async-signal-safe.
        unsafe {
            command.pre_exec(move || if libc::dup2(descriptor, 3) < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) })
        };
        let output = command.output().unwrap();
        drop((reader, writer));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_PIDFDID=5 exec \"$@\""), "own 1 none 1\n");
    assert_eq!(run("LISTEN_PID=1 LISTEN_FDS=1 LISTEN_PIDFDID=5 exec \"$@\""), "1 1 5 1\n");
    assert_eq!(run("LISTEN_FDS=1 exec \"$@\""), "none 1 none 1\n");
}
