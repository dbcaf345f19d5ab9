//! Programs that are there to start others: shells, inits, supervisors, and what sets something up and then executes.
//!
//! They are followed as long as they run, and what they start is traced; they themselves are not, even if they are Go
//! programs (gosu, goreman). Any other program is followed for a while only.

use std::path::Path;

/// By the name of their file, sorted.
const WRAPPERS: [&str; 71] = [
    "ash",
    "bash",
    "busybox",
    "catatonit",
    "chamber",
    "chroot",
    "chrt",
    "circusd",
    "cpulimit",
    "cron",
    "crond",
    "dash",
    "docker-init",
    "doppler",
    "dumb-init",
    "env",
    "envconsul",
    "envdir",
    "envuidgid",
    "fish",
    "flock",
    "forego",
    "go",
    "goreman",
    "gosu",
    "hivemind",
    "honcho",
    "ionice",
    "ksh",
    "mksh",
    "monit",
    "multirun",
    "nice",
    "nohup",
    "nsenter",
    "numactl",
    "overmind",
    "pid1",
    "pidproxy",
    "prlimit",
    "runit",
    "runit-init",
    "runsv",
    "runsvdir",
    "runuser",
    "setarch",
    "setpriv",
    "setsid",
    "setuidgid",
    "sh",
    "softlimit",
    "start-stop-daemon",
    "stdbuf",
    "su",
    "su-exec",
    "sudo",
    "supervise",
    "supervisord",
    "svscan",
    "taskset",
    "time",
    "timeout",
    "tini",
    "tini-static",
    "toybox",
    "unshare",
    "vault-env",
    "watchexec",
    "xargs",
    "yash",
    "zsh",
];

/// Go programs among them, by the import path of their main package or the start of it. Any other Go program with such a
/// name is somebody's own.
const GO_WRAPPERS: [&str; 10] = [
    "cmd/go",
    "github.com/DarthSim/hivemind",
    "github.com/DarthSim/overmind",
    "github.com/DopplerHQ/cli",
    "github.com/bank-vaults/",
    "github.com/ddollar/forego",
    "github.com/hashicorp/envconsul",
    "github.com/mattn/goreman",
    "github.com/segmentio/chamber",
    "github.com/tianon/gosu",
];

/// Programs that trace others themselves, which they cannot while we do. They and what they start are let go.
const TRACERS: [&str; 9] = ["delve", "dlv", "gdb", "gdbserver", "lldb", "lldb-server", "ltrace", "rr", "strace"];

/// Programs whose first argument is the program that they are, by the start of their file's name.
const INTERPRETERS: [&str; 4] = ["python", "perl", "ruby", "node"];

/// Whether it depends on its first argument what the program is.
#[must_use]
pub fn is_interpreter(file: &Path) -> bool {
    INTERPRETERS.iter().any(|interpreter| name(file).starts_with(interpreter))
}

/// Whether the program traces others itself.
#[must_use]
pub fn is_tracer(file: &Path) -> bool {
    TRACERS.contains(&name(file))
}

/// Whether a Go program with the name of a wrapper is that wrapper, by the import path of its main package.
#[must_use]
pub fn is_go_wrapper(main_package: &str) -> bool {
    GO_WRAPPERS.iter().any(|known| main_package.starts_with(known))
}

/// Whether the program with this file and these arguments is called like one that is there to start others.
#[must_use]
pub fn is_wrapper(file: &Path, first_argument: impl FnOnce() -> Option<String>) -> bool {
    let name = name(file);
    // The chain-loading programs of s6 are many.
    if WRAPPERS.contains(&name) || name == LAUNCHER || name.starts_with("s6-") {
        return true;
    }
    is_interpreter(file) && first_argument().is_some_and(|script| WRAPPERS.contains(&self::name(Path::new(&script))))
}

/// Whether this process is followed by another go-auto-launch: an image that has one as its entrypoint, started with one
/// more in front.
#[must_use]
pub fn is_below_another_launcher() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).map_or("0", str::trim);
    let name = if tracer == "0" { None } else { std::fs::read_to_string(format!("/proc/{tracer}/comm")).ok() };
    name.is_some_and(|name| name.trim() == LAUNCHER)
}

/// The name of this program's file, which is short enough to be the name of its process too.
const LAUNCHER: &str = env!("CARGO_PKG_NAME");

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_supervisors_are_known_by_their_file_or_script() {
        let is = |file: &str, argument: &str| is_wrapper(Path::new(file), || Some(argument.to_owned()));
        assert!(is("/bin/dash", "-c") && is("/usr/sbin/gosu", "app"));
        assert!(is("/usr/bin/python3.11", "/usr/bin/supervisord"));
        assert!(!is("/usr/bin/python3.11", "/app/server.py"));
        assert!(!is("/app/server", "sh"), "an argument of a program is not what it is");
    }
}
