//! The exit status is the program's, whatever it is; the launcher's own ones are 125, 126 and 127.

mod init;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use init::{Launched, code, launcher, with_subject};

#[test]
fn every_exit_code_is_passed_on() {
    for expected in 0..=255 {
        assert_eq!(
            code(&mut with_subject(&["exit", &expected.to_string()])),
            Some(expected)
        );
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

#[test]
fn a_stop_is_not_an_exit() {
    use nix::sys::signal::{Signal, kill};
    let mut launched = Launched::ready(&mut with_subject(&["signals", "15"]));
    let program = init::children(launched.pid())[0];
    kill(program, Signal::SIGSTOP).unwrap();
    init::until("the stop", || {
        matches!(init::state(program), Some('t' | 'T'))
    });
    assert!(launched.child.try_wait().unwrap().is_none());
    kill(program, Signal::SIGCONT).unwrap();
    assert_eq!(launched.line(), "18");
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.line(), "15");
    assert_eq!(launched.end().code(), Some(0));
}
