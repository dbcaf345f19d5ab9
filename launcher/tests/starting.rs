//! Go programs behind shells, inits, supervisors and whatever else people put into an entrypoint.
//!
//! Needs root, and the packages gosu, tini, dumb-init, catatonit and s6, which `make setup` installs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests panic rather than return errors")]

mod init;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use init::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::apps::{self, GoVersion, Variant};
use support::executable;
use support::receiver::Receiver;
use support::server::{launcher, sending_to};

/// A program that serves as many requests to itself as its first argument says, and exits with its second.
fn short() -> String {
    let app = apps::build("short", GoVersion::GO_1_26, Variant::Stripped);
    app.into_os_string().into_string().unwrap()
}

/// The output of a launch, and the spans by service.
fn run(command: &[&str]) -> (Output, BTreeMap<String, usize>) {
    run_with(launcher(), command)
}

fn run_with(mut launcher: Command, command: &[&str]) -> (Output, BTreeMap<String, usize>) {
    let receiver = Receiver::start();
    sending_to(&mut launcher, &receiver);
    let output = launcher.arg("--").args(command).stdin(Stdio::null()).output().unwrap();
    (output, receiver.services())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder that every user may look into, with an executable script in it.
fn script(lines: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("entrypoint");
    executable::write(&path, lines);
    let path = path.into_os_string().into_string().unwrap();
    (folder, path)
}

#[test]
fn behind_every_wrapper_the_program_is_traced_from_its_first_request() {
    let app = short();
    let app = app.as_str();
    let shell = |line: &str| line.replace("APP", app);
    let exec = shell("exec APP 3 7");
    let forked = shell("APP 3 7; exit $?");
    let background = shell("APP 3 7 & wait $!");
    let nested = shell("exec env A=1 setpriv --reuid 65534 --clear-groups APP 3 7");
    let (_with, with_interpreter) = script(&shell("#!/bin/sh -e\nmkdir -p /tmp\nexec APP \"$@\"\n"));
    let (_without, without_interpreter) = script(&shell("APP \"$@\"\nexit $?\n"));
    let chains: Vec<Vec<&str>> = vec![
        vec![app, "3", "7"],
        vec!["sh", "-c", &exec],
        vec!["sh", "-c", &forked],
        vec!["bash", "-c", &forked],
        vec!["dash", "-c", &background],
        vec![&with_interpreter, "3", "7"],
        vec![&without_interpreter, "3", "7"],
        vec!["env", "A=1", app, "3", "7"],
        vec!["nice", app, "3", "7"],
        vec!["nohup", app, "3", "7"],
        vec!["timeout", "60", app, "3", "7"],
        vec!["setsid", "--wait", app, "3", "7"],
        vec!["setpriv", "--reuid", "65534", "--clear-groups", app, "3", "7"],
        vec!["gosu", "nobody", app, "3", "7"],
        vec!["s6-setuidgid", "nobody", app, "3", "7"],
        vec!["tini", "--", app, "3", "7"],
        vec!["tini", "--", "sh", "-c", &nested],
        vec!["dumb-init", app, "3", "7"],
        vec!["dumb-init", "--", "sh", "-c", &forked],
        vec!["catatonit", "--", app, "3", "7"],
        vec!["tini", "--", "gosu", "nobody", "dumb-init", app, "3", "7"],
    ];
    for chain in chains {
        let (output, spans) = run(&chain);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{chain:?}: {stderr}");
        assert!(text(&output.stdout).starts_with("served 3 as "), "{chain:?}: {stderr}");
        assert_eq!(spans.values().sum::<usize>(), 3, "{chain:?}: {spans:?} {stderr}");
        // One line at the start, nothing about the shell or about what it runs besides.
        assert_eq!(stderr.lines().filter(|line| line.starts_with("go-auto-launch: ")).count(), 1, "{chain:?}: {stderr}");
    }
}

#[test]
fn the_launcher_behind_another_init_and_in_itself() {
    let app = short();
    let this = launcher().get_program().to_str().unwrap().to_owned();
    for chain in [vec![this.as_str(), "--", &app, "2", "5"], vec!["tini", "--", &this, "--", &app, "2", "5"]] {
        let (output, spans) = run(&chain);
        assert_eq!(output.status.code(), Some(5), "{chain:?}: {}", text(&output.stderr));
        assert_eq!(spans.values().sum::<usize>(), 2, "{chain:?}: {}", text(&output.stderr));
    }
}

#[test]
fn several_programs_have_their_own_service_names_and_share_an_exporter() {
    let app = short();
    let line = format!(
        "OTEL_SERVICE_NAME=web {app} 5 & OTEL_RESOURCE_ATTRIBUTES=service.name=worker {app} 4 & {app} 3; wait; {app} 2; true"
    );
    let (output, spans) = run(&["sh", "-c", &line]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let default = PathBuf::from(&app).file_name().unwrap().to_str().unwrap().to_owned();
    let expected = [(default, 5), ("web".to_owned(), 5), ("worker".to_owned(), 4)];
    assert_eq!(spans, BTreeMap::from(expected), "{stderr}");
    assert_eq!(stderr.matches("go-auto-launch: tracing").count(), 1, "one line for a file: {stderr}");
}

#[test]
fn short_lived_programs_are_traced_each_time() {
    let app = short();
    let line = format!("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do {app} 2 || exit 9; done");
    let (output, spans) = run(&["sh", "-c", &line]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(spans.values().sum::<usize>(), 24, "{}", text(&output.stderr));
}

/// Starts a launch and waits for a line of its output.
fn start(mut launcher: Command, receiver: &Receiver, command: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    sending_to(&mut launcher, receiver);
    let mut child = launcher.arg("--").args(command).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

#[test]
fn a_supervisor_and_what_it_starts_again_are_traced() {
    let app = short();
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let service = folder.path().join(name);
        fs::create_dir(&service).unwrap();
        let run = service.join("run");
        executable::write(&run, format!("#!/bin/sh\nexec env OTEL_SERVICE_NAME={name} {app} 1\n"));
    }
    let receiver = Receiver::start();
    let (mut child, _stdout) = start(launcher(), &receiver, &["s6-svscan", folder.path().to_str().unwrap()]);
    // s6 starts a program again one second after its start.
    until("both to have run twice", || {
        let services = receiver.services();
        ["one", "two"].iter().all(|name| services.get(*name).is_some_and(|spans| *spans >= 2))
    });
    kill(pid_of(&child), Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_set_uid_program_behind_a_shell_keeps_its_privileges() {
    let (folder, id) = script("");
    executable::copy("/usr/bin/id", &id);
    fs::set_permissions(&id, fs::Permissions::from_mode(0o4755)).unwrap();
    let line = format!("{id} -u; exec {id} -u");
    for ptrace in ["-sys_ptrace", "+sys_ptrace"] {
        let mut command = Command::new("setpriv");
        // Without the capability in the bounding set, a user's launcher has no rights over set-uid programs.
        command.args(["--bounding-set", ptrace, "--inh-caps", ptrace]);
        command.args(["--reuid", "65534", "--clear-groups"]).arg(launcher().get_program());
        let (output, _) = run_with(command, &["sh", "-c", &line]);
        assert_eq!(text(&output.stdout), "0\n0\n", "{}", text(&output.stderr));
    }
    drop(folder);
}

#[test]
fn a_root_launcher_without_sys_ptrace_traces_a_program_of_another_user() {
    let app = short();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"]).arg(launcher().get_program());
    let (output, spans) = run_with(command, &["gosu", "nobody", &app, "3", "7"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("served 3 as 65534"));
    assert_eq!(spans.values().sum::<usize>(), 3, "{}", text(&output.stderr));
}

#[test]
fn a_wrapper_without_a_go_program_is_mentioned_at_the_end() {
    let (output, spans) = run(&["sh", "-c", "true; ls / >/dev/null; exit 4"]);
    assert_eq!((output.status.code(), spans.len()), (Some(4), 0));
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("nothing was traced") && stderr.contains("sh"), "{stderr}");
}

#[test]
fn an_exec_from_another_thread_is_followed() {
    let (_folder, program) = threaded_exec();
    let app = short();
    let (output, spans) = run(&[&program, &app, "3", "7"]);
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), spans.values().sum::<usize>()), (Some(7), 3), "{stderr}");
}

#[test]
fn strict_is_about_the_program_and_not_about_what_a_shell_runs_besides() {
    let plain = apps::build("plain", GoVersion::GO_1_26, Variant::Stripped).into_os_string().into_string().unwrap();
    let output = launcher().args(["--strict", "--", "sh", "-c", &format!("exec {plain}")]).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(125), ""), "{stderr}");
    assert!(stderr.contains("nothing in this Go program can be traced"), "{stderr}");
    // A Go program that migrates a database need not be traced.
    let app = short();
    let mut strict = launcher();
    strict.arg("--strict");
    let (output, spans) = run_with(strict, &["sh", "-c", &format!("mkdir -p /tmp; {plain}; exec {app} 2 5")]);
    assert_eq!((output.status.code(), spans.values().sum::<usize>()), (Some(5), 2), "{}", text(&output.stderr));
}

/// The C program that executes its arguments from another thread than its first.
fn threaded_exec() -> (tempfile::TempDir, String) {
    let (folder, program) = script("");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/threaded_exec.c");
    let built = Command::new("cc").args(["-O1", "-Wall", "-pthread", "-o", &program]).arg(source).status();
    assert!(built.is_ok_and(|status| status.success()), "this test needs a C compiler (cc)");
    (folder, program)
}

/// A copy of a program that says it was built by Go 1.16, which cannot be read.
fn made_older(app: &str, to: &std::path::Path) {
    let mut file = fs::read(app).unwrap();
    for at in 0..file.len() - 8 {
        if &file[at..at + 8] == b"go1.26.8" {
            file[at..at + 8].copy_from_slice(b"go1.16.8");
        }
    }
    executable::write(to, file);
}

/// Its end is reported only when all its threads have been reaped, by us.
#[test]
fn strict_ends_a_program_of_several_threads() {
    let (folder, program) = threaded_exec();
    // Called like a wrapper, so that strict follows it to its child.
    let (wrapper, older) = (folder.path().join("env"), folder.path().join("older"));
    fs::rename(program, &wrapper).unwrap();
    made_older(&short(), &older);
    let output = launcher().args(["--strict", "--"]).arg(&wrapper).arg("-f").arg(&older).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(125), ""), "{stderr}");
    assert!(stderr.contains("go1.16"), "{stderr}");
}

#[test]
fn somebodys_own_program_may_be_called_like_a_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cron", "s6-mine", "time"] {
        let app = folder.path().join(name);
        executable::copy(short(), &app);
        let (output, spans) = run(&[app.to_str().unwrap(), "2", "5"]);
        assert_eq!((output.status.code(), spans.get(name)), (Some(5), Some(&2)), "{}", text(&output.stderr));
    }
}

#[test]
fn where_following_ends_is_said() {
    let app = short();
    // Executes itself 70 times.
    let (_folder, again) = script(&format!("#!/bin/sh\n[ $1 = 0 ] && exec {app} 2 5\nexec $0 $(($1 - 1))\n"));
    let (output, _) = run(&[&again, "70"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("not everything is followed any more") && stderr.contains("64 programs"), "{stderr}");
}

#[test]
fn a_tracer_can_trace_below_the_launcher() {
    // The C library's own `true` under a tracer that is called like one.
    let (folder, gdb) = script("");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tracer.c");
    let tracer = folder.path().join("gdb");
    let built = Command::new("cc").args(["-O1", "-Wall", "-o"]).arg(&tracer).arg(source).status();
    assert!(built.is_ok_and(|status| status.success()), "this test needs a C compiler (cc)");
    drop(gdb);
    let (output, _) = run(&["sh", "-c", &format!("{}; exit $?", tracer.display())]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "traced\n"), "{}", text(&output.stderr));
}

/// The processes below `pid`, with their states.
fn descendants(pid: Pid) -> Vec<(Pid, char)> {
    let mut all = Vec::new();
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw) {
            all.push((child, state(child)));
            open.push(child);
        }
    }
    all
}

fn state(pid: Pid) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()).unwrap_or('X')
}

#[test]
fn a_launcher_killed_while_it_follows_leaves_nothing_held() {
    let app = short();
    let line = format!("echo ready; while :; do /bin/true; {app} 0 >/dev/null; done");
    let mut held = 0;
    for round in 0..40 {
        let receiver = Receiver::start();
        let (mut child, mut stdout) = start(launcher(), &receiver, &["sh", "-c", &line]);
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let [(shell, _), ..] = descendants(pid_of(&child))[..] else { panic!("the launcher has a child: {ready}") };
        // At another moment of the loop each time: in the shell, in true, in the reading of the Go program. That it is any is what is
        // wanted: nothing is waited for.
        std::thread::sleep(Duration::from_micros(round * 1_700));
        let below = descendants(shell);
        held += usize::from(below.iter().any(|(_, state)| *state == 't'));
        child.kill().unwrap();
        child.wait().unwrap();
        for pid in below.iter().map(|(pid, _)| *pid).chain([shell]) {
            until("everything to run on", || !matches!(state(pid), 't' | 'T'));
        }
        // The loop goes on: another child than now comes.
        let now = descendants(shell);
        until("the shell to go on", || descendants(shell) != now);
        kill(shell, Signal::SIGKILL).unwrap();
        // Whoever holds the output is gone when it ends.
        stdout.read_to_string(&mut ready).unwrap();
    }
    // Most of the time, the Go program is being read and armed.
    assert_ne!(held, 0, "no program was held when its launcher was killed");
}
