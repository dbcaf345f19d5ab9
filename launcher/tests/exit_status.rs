//! The exit status is the program's, whatever it is; the launcher's own ones are 125, 126 and 127.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too; one talks to another by standard output"
)]

mod init;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use init::{Launched, code, launcher, with_subject};

#[test]
fn every_exit_code_is_passed_on() {
    for expected in 0..=255 {
        assert_eq!(code(&mut with_subject(&["exit", &expected.to_string()])), Some(expected));
    }
}

#[test]
fn every_deadly_signal_becomes_128_plus_its_number() {
    // Ignored by default: CHLD, CONT, URG, WINCH. Stopping: STOP, TSTP, TTIN, TTOU.
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28];
    for signal in (1..=64).filter(|signal| !harmless.contains(signal)) {
        let ended = code(&mut with_subject(&["die", &signal.to_string()]));
        assert_eq!(ended, Some(128 + signal), "signal {signal}");
    }
}

#[test]
fn a_missing_program_is_127_and_says_so() {
    for name in ["no-such-program-anywhere", "./no/such/program", ""] {
        let output = launcher(&["--", name]).output().unwrap();
        assert_eq!(output.status.code(), Some(127), "{name:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("go-auto-launch: "), "{said}");
        assert!(said.contains("not found"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_executed_is_126() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, "no program").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(code(&mut launcher(&["--", file])), Some(126));
    let directory = dir.path().to_str().unwrap();
    assert_eq!(code(&mut launcher(&["--", directory])), Some(126));
}

#[test]
fn a_missing_interpreter_is_127_and_named_as_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let output = launcher(&["--", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("interpreter"), "{said}");
}

#[test]
fn a_script_without_a_first_line_runs_through_the_shell() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script");
    fs::write(&file, "exit $(( $1 + 1 ))\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let by_path = code(&mut launcher(&["--", file.to_str().unwrap(), "41"]));
    assert_eq!(by_path, Some(42));
    let mut by_name = launcher(&["--", "script", "41"]);
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    assert_eq!(code(by_name.env("PATH", path)), Some(42));
}

#[test]
fn a_setuid_program_runs_from_the_barrier_with_its_status() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("setuid");
    fs::copy(init::subject(), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(code(&mut launcher(&["--", file, "exit", "7"])), Some(7));
    let killed = code(&mut launcher(&["--", file, "die", "10"]));
    assert_eq!(killed, Some(138));
    // Not executable after all: the barrier learns it too.
    fs::write(file, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o4755)).unwrap();
    assert_eq!(code(&mut launcher(&["--", file])), Some(127));
}

/// The launcher is started on a volume; its program goes elsewhere and unmounts that.
#[test]
fn a_volume_that_the_program_has_left_can_be_unmounted() {
    let volume = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs none \"$0\" && cd \"$0\" && exec \"$1\" --keep-caps -- sh -c 'cd / && umount \"$0\" && exit 7' \"$0\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(volume.path()).arg(env!("CARGO_BIN_EXE_go-auto-launch"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_stop_is_not_an_exit() {
    use nix::sys::signal::{Signal, kill};
    let mut launched = Launched::ready(&mut with_subject(&["signals", "15"]));
    let program = init::children(launched.pid())[0];
    kill(program, Signal::SIGSTOP).unwrap();
    init::until("the stop", || matches!(init::state(program), Some('t' | 'T')));
    assert!(launched.child.try_wait().unwrap().is_none());
    kill(program, Signal::SIGCONT).unwrap();
    assert_eq!(launched.line(), "18");
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.line(), "15");
    assert_eq!(launched.end().code(), Some(0));
}

#[test]
fn wrong_usage_is_125_and_help_is_0() {
    for wrong in [&[][..], &["--no-such-option", "true"], &["--check"]] {
        assert_eq!(code(&mut launcher(wrong)), Some(125), "{wrong:?}");
    }
    for right in ["--help", "--version"] {
        assert_eq!(code(&mut launcher(&[right])), Some(0), "{right}");
    }
}

#[test]
fn a_bad_setting_is_one_line_and_the_program_runs() {
    let output = launcher(&["--", "sh", "-c", "exit 7"]).env("OTEL_BSP_MAX_QUEUE_SIZE", "many").output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let said = String::from_utf8(output.stderr).unwrap();
    // (Another line says that a shell is not traced.)
    let about = said.lines().filter(|line| line.contains("OTEL_BSP_MAX_QUEUE_SIZE=\"many\""));
    assert_eq!(about.count(), 1, "{said}");
}

/// Not a test of its own: [`the_flush_is_bounded_and_can_be_cut_short`] runs this in a process that has no other
/// children. The library wants one without other threads too; the test runner has one, so its fork is used.
#[test]
fn flush_process() {
    let Ok(arguments) = std::env::var("FLUSH_PROCESS") else {
        return;
    };
    // SAFETY: the runner's other thread waits for this one's result and holds no lock that the child needs.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None).unwrap();
        }
        nix::unistd::ForkResult::Child => {
            let _ = std::panic::catch_unwind(|| flush(&arguments));
            // SAFETY: _exit takes a number and does not return.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Runs a shell command and waits for a telemetry that is never done; says what ended the wait.
fn flush(arguments: &str) {
    use go_auto_launch::child::{self, Environment, Event, Signals};
    let (program, milliseconds) = arguments.split_once('|').unwrap();
    let mut signals = Signals::take_over().unwrap();
    let args = ["-c".into(), program.into()];
    let command = child::Command::new("sh".as_ref(), &args, Environment::inherited());
    let mut tree = child::spawn(command, &mut signals).unwrap();
    let Event::Exec(stopped) = tree.next(&signals).unwrap() else {
        panic!("the shell is held at its first instruction");
    };
    assert!(stopped.auxv().unwrap().entry.is_some());
    let exe = child::MappedExe::open(&stopped.exe().unwrap()).unwrap();
    assert_eq!(exe.read(|bytes| bytes[..4].to_owned()), b"\x7fELF");
    stopped.release();
    let Event::Ended(exited) = tree.next(&signals).unwrap() else {
        panic!("what is released runs to its end");
    };
    let (done, _open) = std::io::pipe().unwrap();
    println!("\nready {}", std::process::id());
    let wait = std::time::Duration::from_millis(milliseconds.parse().unwrap());
    let deadline = std::time::Instant::now() + wait;
    let end = tree.wait_for(&exited, std::os::fd::AsFd::as_fd(&done), deadline, &signals);
    println!("\n{end:?}");
}

#[test]
fn a_program_of_another_processor_is_no_script() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other");
    // An ELF header for a machine that no kernel executes (EM_NONE).
    let mut header = fs::read("/proc/self/exe").unwrap()[..64].to_vec();
    header[18..20].copy_from_slice(&[0, 0]);
    fs::write(&path, header).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let output = launcher(&["--"]).arg(&path).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(126), 1), "{stderr}");
    assert!(stderr.contains("Exec format error"), "{stderr}");
}

#[test]
fn the_flush_is_bounded_and_can_be_cut_short() {
    use nix::sys::signal::Signal;
    let flush = |case: &str, signals: &[Signal]| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "flush_process", "--nocapture", "--test-threads=1"]).env("FLUSH_PROCESS", case);
        let mut launched = Launched::start(&mut command);
        let pid = std::iter::repeat_with(|| launched.line()).find_map(|line| line.strip_prefix("ready ")?.parse().ok()).unwrap();
        for &signal in signals {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
        }
        std::iter::repeat_with(|| launched.line())
            .find(|line| ["Deadline", "Interrupted", "Done"].contains(&line.as_str()))
            .unwrap()
    };
    assert_eq!(flush("exit 3|50", &[]), "Deadline");
    // The program ended by itself: one request is the first. Two different ones, because equal ones coalesce.
    assert_eq!(flush("exit 3|50", &[Signal::SIGTERM]), "Deadline");
    let both = [Signal::SIGTERM, Signal::SIGINT];
    assert_eq!(flush("exit 3|60000", &both), "Interrupted");
    // It was asked to end: one more is the second.
    assert_eq!(flush("kill -TERM $$|60000", &[Signal::SIGTERM]), "Interrupted");
    assert_eq!(flush("kill -TERM $$|50", &[Signal::SIGHUP]), "Deadline");
}
