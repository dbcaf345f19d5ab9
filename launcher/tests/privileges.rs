//! What works with which privileges: the rows of the table in docs/privileges.md that need no container, and what the program is left
//! with. (`oci.rs` has the rows that do.)
//!
//! Needs root, setpriv, setcap and unshare; the kernel must give root all capabilities that matter.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod init;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::apps::{self, GoVersion, Variant};
use support::folder::Folder;
use support::server::{Server, get};

const LAUNCHER: &str = env!("CARGO_BIN_EXE_go-auto-launch");

/// The capabilities that matter, as a set.
const FOUR: u64 = 1 << 39 | 1 << 38 | 1 << 21 | 1 << 19;
const NET_ADMIN: u64 = 1 << 12;

/// setpriv with its arguments, separated by spaces.
fn setpriv(args: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(args.split(' '));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("OTEL_") || name.starts_with("GO_AUTO_LAUNCH_")) {
            command.env_remove(name);
        }
    }
    command
}

/// An ordinary user.
const NOBODY: &str = "--reuid 65534 --regid 65534 --clear-groups";

/// The server in `folder`, started by `command`, which becomes the launcher: whether one request had a span, and what
/// was said. In any case the program ran and ended as asked.
fn is_traced(folder: &Folder, command: Command) -> (bool, String) {
    is_traced_by("bpf", folder, command)
}

/// The same with this engine.
fn is_traced_by(engine: &str, folder: &Folder, mut command: Command) -> (bool, String) {
    command.arg(folder.launcher()).args(["--verbose", "--engine", engine]);
    let server = Server::start_with(command, &folder.app(), &["-addr", "127.0.0.1:0", "-exit-code", "7"], 1);
    assert_eq!(get(server.addresses[0], "/hello"), 200);
    let left = server.end();
    assert_eq!(left.status.code(), Some(7), "{}", left.stderr);
    (left.spans.len() == 1, left.stderr)
}

/// The `Cap…` lines of the program's status, when started by `command`.
fn sets(mut command: Command) -> BTreeMap<String, u64> {
    let output = command.args(["grep", "^Cap", "/proc/self/status"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let sets = text.lines().map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), u64::from_str_radix(value.trim(), 16).unwrap())
    });
    let sets: BTreeMap<_, _> = sets.collect();
    assert_eq!(sets.len(), 5, "{text}{}", String::from_utf8_lossy(&output.stderr));
    sets
}

/// What the program has without the launcher, with it, and with `--keep-caps`.
fn three(arrange: impl Fn() -> Command) -> [BTreeMap<String, u64>; 3] {
    [&[][..], &[LAUNCHER, "--"], &[LAUNCHER, "--keep-caps", "--"]].map(|prefix| {
        let mut command = arrange();
        command.args(prefix);
        sets(command)
    })
}

fn without_the_four(sets: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    sets.iter().map(|(name, set)| (name.clone(), set & !FOUR)).collect()
}

#[test]
fn a_program_of_root_loses_the_four_and_no_others() {
    let [alone, launched, keeping] = three(|| setpriv("--inh-caps +sys_admin,+net_admin --"));
    assert_eq!(alone["CapEff"] & FOUR, FOUR, "this test needs a root with all four");
    assert_eq!(alone["CapInh"] & (FOUR | NET_ADMIN), 1 << 21 | NET_ADMIN);
    assert_eq!(launched, without_the_four(&alone));
    assert_eq!(keeping, alone);
}

#[test]
fn ambient_capabilities_lose_the_four_and_no_others() {
    let caps = "+bpf,+perfmon,+sys_admin,+net_admin";
    let args = format!("{NOBODY} --inh-caps {caps} --ambient-caps {caps} --");
    let [alone, launched, keeping] = three(|| setpriv(&args));
    assert_eq!(alone["CapAmb"], FOUR & !(1 << 19) | NET_ADMIN);
    // An ordinary user may not change the bounding set (SETPCAP): it alone stays.
    let expected = BTreeMap::from([("CapBnd".to_owned(), alone["CapBnd"])]);
    let expected: BTreeMap<_, _> = without_the_four(&alone).into_iter().chain(expected).collect();
    assert_eq!(launched, expected);
    assert_eq!(launched["CapEff"], NET_ADMIN);
    assert_eq!(keeping, alone);
}

#[test]
fn without_setpcap_the_bounding_set_stays_and_the_program_runs() {
    let [alone, launched, keeping] = three(|| setpriv("--bounding-set -setpcap,-sys_ptrace --inh-caps -all --"));
    assert_eq!(launched["CapBnd"], alone["CapBnd"]);
    assert_eq!(launched["CapBnd"] & FOUR, FOUR & !(1 << 19));
    assert_eq!(keeping["CapBnd"], alone["CapBnd"]);
    // Exec by root would give back what the bounding set holds; a tracer without SYS_PTRACE keeps the kernel from it.
    assert_eq!(launched["CapEff"] & FOUR, 0);
    assert_eq!(launched["CapEff"], alone["CapEff"] & !FOUR);
}

#[test]
fn the_launcher_gives_them_up_when_the_program_runs() {
    let folder = Folder::new();
    let mut command = support::server::launcher();
    // Its thread too.
    command.arg("--console");
    let server = Server::start_with(command, &folder.app(), &["-addr", "127.0.0.1:0"], 1);
    let tasks = || fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().map(|task| task.unwrap().path());
    // The telemetry thread does so when it has described the program.
    init::until("all threads to have given them up", || {
        tasks().all(|task| {
            let status = fs::read_to_string(task.join("status")).unwrap_or_default();
            ["CapPrm:", "CapEff:", "CapInh:"].iter().all(|set| {
                let line = status.lines().find_map(|line| line.strip_prefix(set)).unwrap_or("0");
                u64::from_str_radix(line.trim(), 16).unwrap() & FOUR == 0
            })
        })
    });
    assert_eq!(get(server.addresses[0], "/hello"), 200);
    let left = server.end();
    assert_eq!(left.spans.len(), 1, "{}", left.stderr);
}

/// While the launcher holds them, nobody without them looks into it; afterwards it is what it was.
#[test]
fn a_launcher_with_capabilities_is_closed_to_others() {
    let is_open = |pid| {
        let mut command = setpriv("--bounding-set -bpf,-perfmon,-sys_admin,-sys_ptrace --inh-caps -all --");
        command.arg("cat").arg(format!("/proc/{pid}/environ")).output().unwrap().status.success()
    };
    // A shell is followed, in expectation of the program: all that time the capabilities are needed.
    let mut following = init::Launched::ready(&mut init::with_subject(&["hold"]));
    assert!(!is_open(following.pid()));
    following.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(following.end().code(), Some(143));
    let server = Server::start(&Folder::new().app(), &["-addr", "127.0.0.1:0"], 1);
    init::until("the launcher to be open again", || is_open(server.pid()));
    assert!(server.end().status.success());
}

#[test]
fn check_reports_what_is_permitted() {
    let plain = apps::build("plain", GoVersion::GO_1_26, Variant::Stripped);
    let output =
        setpriv("--bounding-set -all,+bpf,+perfmon --inh-caps -all --").args([LAUNCHER, "--check"]).arg(plain).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("; capabilities: CAP_BPF, CAP_PERFMON\n"), "{text}");
    assert!(text.contains("\nhere          would do\n"), "{text}");
    assert!(text.contains("one multi-uprobe link"), "{text}");
}

/// A launcher that gets its capabilities from its file is not dumpable; its child can be traced all the same.
#[test]
fn file_capabilities_of_an_ordinary_user() {
    let folder = Folder::with_capabilities("cap_bpf,cap_perfmon+p");
    // By way of a shell, which has none of setpriv's capabilities any more: only then does the exec give some, and only
    // then is the launcher undumpable.
    let by_shell = || {
        let mut command = setpriv(NOBODY);
        command.args(["sh", "-c", "exec \"$@\"", "sh"]);
        command
    };
    let (traced, said) = is_traced(&folder, by_shell());
    assert!(traced && !said.contains("ptrace was refused"), "{said}");
    // A script is followed to the program: from the barrier, which is the fallback, it could not be.
    let mut command = by_shell();
    command.arg(folder.launcher()).args(["--verbose", "--", "sh", "-c", "exec \"$@\"", "sh"]);
    let server = start_without_separator(command, &folder.app());
    assert_eq!(get(server.addresses[0], "/hello"), 200);
    let left = server.end();
    assert_eq!(left.spans.len(), 1, "{}", left.stderr);
}

/// Where following ends for want of rights, a line says so: at once of the program that was named; of what an entry script runs,
/// if nothing was traced.
#[test]
fn an_ordinary_user_is_told_where_following_ends() {
    const SAID: &str = "follows only programs that are known to start others";
    let folder = Folder::with_capabilities("cap_bpf,cap_perfmon+p");
    // A program that starts others, and whose name does not say so.
    let starter = folder.path().join("starter");
    support::executable::copy("/bin/sh", &starter);
    let starter = starter.to_str().unwrap();
    let run = |program: &[&str]| {
        let mut command = setpriv(NOBODY);
        command.args(["sh", "-c", "exec \"$@\"", "sh"]).arg(folder.launcher()).args(["--console", "--"]).args(program);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let said = run(&[starter, "-c", "true"]);
    assert_eq!(said.matches(SAID).count(), 1, "{said}");
    let said = run(&["sh", "-c", &format!("true; {starter} -c true; {starter} -c true")]);
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("nothing was traced") && said.matches(SAID).count() == 1, "{said}");

    let mut command = setpriv(NOBODY);
    command.args(["sh", "-c", "exec \"$@\"", "sh"]).arg(folder.launcher());
    command.args(["--", "sh", "-c", &format!("{starter} -c true; exec \"$@\""), "sh"]);
    let left = start_without_separator(command, &folder.app()).end();
    assert!(!left.stderr.contains(SAID), "{}", left.stderr);
}

/// [`Server::start_with`] puts `--` before the program, which a shell takes for the first word of its own command.
fn start_without_separator(command: Command, app: &Path) -> Server {
    Server::start_as_typed(command, &[app.to_str().unwrap(), "-addr", "127.0.0.1:0"], 1)
}

#[test]
fn what_is_traced_with_which_capabilities() {
    let folder = Folder::new();
    let root = |caps: &str| setpriv(&format!("--bounding-set -all{caps} --inh-caps -all --"));
    for (caps, expected) in [
        (",+bpf,+perfmon", true),
        (",+sys_admin", true),
        (",+bpf", false),
        (",+perfmon", false),
        (",+sys_ptrace", false),
        ("", false),
    ] {
        let (traced, said) = is_traced(&folder, root(caps));
        assert_eq!(traced, expected, "root with {caps:?}: {said}");
        assert!(expected || said.contains("CAP_"), "{said}");
    }
    let both = "+bpf,+perfmon";
    let ambient = format!("{NOBODY} --inh-caps {both} --ambient-caps {both} --");
    let (traced, said) = is_traced(&folder, setpriv(&ambient));
    assert!(traced, "ambient: {said}");
    let (traced, said) = is_traced(&folder, setpriv(NOBODY));
    assert!(!traced && said.contains("CAP_BPF"), "an ordinary user: {said}");
}

#[test]
fn no_new_privileges_takes_file_capabilities_away_and_no_others() {
    let folder = Folder::with_capabilities("cap_bpf,cap_perfmon+p");
    let mut command = setpriv(NOBODY);
    command.args(["setpriv", "--no-new-privs"]);
    let (traced, said) = is_traced(&folder, command);
    assert!(!traced && said.contains("CAP_BPF"), "{said}");
    let both = "+bpf,+perfmon";
    let ambient = format!("{NOBODY} --inh-caps {both} --ambient-caps {both} --no-new-privs --");
    let (traced, said) = is_traced(&Folder::new(), setpriv(&ambient));
    assert!(traced, "{said}");
    let (traced, said) = is_traced(&folder, setpriv("--bounding-set -all,+bpf,+perfmon --inh-caps -all --no-new-privs --"));
    assert!(traced, "{said}");
}

/// Why the documentation says `+p`: with `+ep`, exec of the launcher itself fails where the bounding set lacks them.
#[test]
fn file_capabilities_beyond_the_bounding_set() {
    let user = format!("{NOBODY} --bounding-set -bpf --");
    let (traced, said) = is_traced(&Folder::with_capabilities("cap_bpf,cap_perfmon+p"), setpriv(&user));
    assert!(!traced && said.contains("CAP_BPF"), "{said}");
    let folder = Folder::with_capabilities("cap_bpf,cap_perfmon+ep");
    let output = setpriv(&user).arg(folder.launcher()).args(["--", "true"]).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Operation not permitted"), "{output:?}");
}

#[test]
fn in_a_user_namespace_bpf_is_not_to_be_had() {
    let folder = Folder::new();
    let (traced, said) = is_traced(&folder, in_a_user_namespace());
    assert!(!traced && said.contains("CAP_BPF"), "{said}");
}

fn in_a_user_namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]);
    command
}

/// All that the native engine needs is to trace its own child.
#[test]
fn the_native_engine_needs_no_privilege() {
    let folder = Folder::new();
    for (what, command) in [
        ("root without capabilities", setpriv("--bounding-set -all --inh-caps -all --")),
        ("an ordinary user", setpriv(NOBODY)),
        ("an ordinary user with nothing", setpriv(&format!("{NOBODY} --bounding-set -all --inh-caps -all --no-new-privs --"))),
        ("root of a user namespace", in_a_user_namespace()),
    ] {
        let (traced, said) = is_traced_by("native", &folder, command);
        assert!(traced && said.contains("native engine"), "{what}: {said}");
    }
    // Of whoever has rights, it is the first choice too.
    let (traced, said) = is_traced_by("auto", &folder, setpriv("--inh-caps -all --"));
    assert!(traced && said.contains("native engine"), "{said}");
}

/// A shell is followed to the Go program without any rights, too.
#[test]
fn shells_are_followed_without_privileges() {
    let folder = Folder::new();
    let mut command = setpriv(&format!("{NOBODY} --bounding-set -all --no-new-privs --"));
    command.arg(folder.launcher()).args(["--", "sh", "-c", "true; exec \"$@\"", "sh"]);
    let server = start_without_separator(command, &folder.app());
    assert_eq!(get(server.addresses[0], "/hello"), 200);
    let left = server.end();
    assert!(left.spans.len() == 1 && left.stderr.contains("native engine"), "{}", left.stderr);
}
