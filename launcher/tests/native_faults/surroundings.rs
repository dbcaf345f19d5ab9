//! What a program may be run in: FIPS mode, limits, memory that may never become executable, files that may not be executed.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::driving::{all_have_spans, drive, is_quiet, planting, start};
use crate::process::placed;
use crate::support::apps::{self, GoVersion, Variant};
use crate::support::server::{Left, Server};

/// Enough for all kinds of requests.
const REQUESTS: usize = 256;

fn app() -> std::path::PathBuf {
    apps::build("stress", GoVersion::GO_1_27, Variant::Stripped)
}

fn is_traced_natively(server: Server) {
    drive(&server, 0..REQUESTS);
    assert!(!placed(server.program()).is_empty());
    let left = server.end();
    is_quiet(&left);
    all_have_spans(&left, REQUESTS);
}

/// The text of Go's module is hashed when it starts.
#[test]
fn fips_mode() {
    for version in [GoVersion::GO_1_24, GoVersion::GO_1_26, GoVersion::GO_1_27] {
        let mut command = planting("");
        command.env("GODEBUG", "fips140=on");
        is_traced_natively(start(command, &apps::build("stress", version, Variant::Stripped), &[]));
    }
}

/// Neither the launcher nor the program needs memory that is writable and executable, or becomes so.
#[test]
fn memory_deny_write_execute() {
    let mut command = planting("");
    let deny = || {
        // `linux/prctl.h`
        const PR_SET_MDWE: libc::c_int = 65;
        const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;
        // SAFETY: the call takes numbers.
        match unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0_u64, 0_u64, 0_u64) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: prctl is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(deny) };
    is_traced_natively(start(command, &app(), &[]));
}

/// The program under the launcher with this limit, which the launcher has not.
fn limited(engine: Option<&str>, limit: &str) -> Server {
    let mut command = planting("");
    match engine {
        Some(engine) => command.env("GO_AUTO_LAUNCH_ENGINE", engine),
        None => command.env_remove("GO_AUTO_LAUNCH_ENGINE"),
    };
    command.args(["--", "prlimit", limit]).arg(app());
    Server::start_as_typed(command, &[], 1)
}

fn served(server: Server) -> Left {
    drive(&server, 0..REQUESTS);
    server.end()
}

#[test]
fn address_space_that_suffices() {
    is_traced_natively(limited(Some("native"), "--as=3000000000"));
}

/// The program is left what it has, and runs as without the engine.
#[test]
fn address_space_that_is_scarce() {
    for (limit, name) in [("--as=900000000", "RLIMIT_AS"), ("--data=300000000", "RLIMIT_DATA")] {
        let server = limited(Some("native"), limit);
        assert_eq!(placed(server.program()).len(), 0, "{limit}");
        let left = served(server);
        assert!(left.status.success() && left.spans.is_empty(), "{limit}: {}", left.stderr);
        let said: Vec<&str> = left.stderr.lines().collect();
        let [line] = said[..] else { panic!("{limit}: one line: {said:#?}") };
        assert!(line.contains("is not traced") && line.contains(name), "{line}");

        let left = served(limited(None, limit));
        is_quiet(&left);
        assert!(left.stderr.contains("BPF engine"), "{limit}: {}", left.stderr);
        all_have_spans(&left, REQUESTS);
    }
}

/// In a namespace of process ids of its own, to which the setting belongs.
fn with_memfd_noexec(value: u8, app: &Path) -> Left {
    let mut command = Command::new("unshare");
    let set = format!("echo {value} > /proc/sys/vm/memfd_noexec && exec \"$@\"");
    command.args(["--pid", "--fork", "--mount", "--mount-proc", "sh", "-c", &set, "sh"]);
    let launcher = planting("");
    command.arg(launcher.get_program());
    for (name, value) in launcher.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let server = start(command, app, &[]);
    drive(&server, 0..REQUESTS);
    // The process of unshare waits for it, and its signals end nothing.
    kill(server.program(), Signal::SIGTERM).unwrap();
    server.wait()
}

#[test]
fn files_of_memory_that_may_not_be_executed() {
    for value in [1, 2] {
        let left = with_memfd_noexec(value, &app());
        is_quiet(&left);
        assert!(left.stderr.contains("native engine"), "{value}: {}", left.stderr);
        all_have_spans(&left, REQUESTS);
    }
}
