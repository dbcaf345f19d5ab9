//! The launcher as PID 1 of a container, with the least it needs: the rows of the table in docs/privileges.md that need an OCI runtime.
//!
//! By `runc` with a configuration of the test's own, because an engine of an older version does not know `CAP_BPF`.
//! Needs root and runc. The network is the host's, so that the container's server and the test's receiver meet.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use support::folder::Folder;
use support::receiver::Receiver;
use support::server::{Server, get};

/// What differs from container to container.
#[derive(Clone, Copy, Default)]
struct Setting {
    /// What carries probes out.
    engine: &'static str,
    uid: u32,
    bounding: &'static [&'static str],
    /// These of the bounding set are effective and permitted.
    permitted: &'static [&'static str],
    /// These are inheritable and ambient as well.
    ambient: &'static [&'static str],
    no_new_privileges: bool,
    /// System calls that end with EPERM.
    refused_calls: &'static [&'static str],
}

const BOTH: &[&str] = &["CAP_BPF", "CAP_PERFMON"];

/// The usual one: root of the container with BPF and PERFMON and nothing else.
const LEAST: Setting =
    Setting { engine: "bpf", uid: 0, bounding: BOTH, permitted: BOTH, ambient: &[], no_new_privileges: true, refused_calls: &[] };

/// What seccomp profiles of engines refuse, of what the launcher might want.
const USUALLY_REFUSED: &[&str] = &["process_vm_readv", "process_vm_writev", "kcmp", "perf_event_open", "setns", "mount"];

fn configuration(setting: &Setting, folder: &Folder, receiver: &Receiver) -> Value {
    let bind = |path: &str| json!({"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]});
    let Setting { engine, uid, bounding, permitted, ambient, no_new_privileges, refused_calls } = setting;
    let path = folder.path().to_str().unwrap();
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": uid},
            "args": [folder.launcher(), "--verbose", "--", folder.app(), "-addr", "127.0.0.1:0", "-exit-code", "7"],
            "env": [
                "PATH=/usr/bin",
                "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
                format!("GO_AUTO_LAUNCH_ENGINE={engine}"),
                format!("OTEL_EXPORTER_OTLP_ENDPOINT=http://{}", receiver.address),
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": bounding, "permitted": permitted, "effective": permitted,
                "inheritable": ambient, "ambient": ambient,
            },
            "noNewPrivileges": no_new_privileges,
        },
        "root": {"path": "rootfs", "readonly": true},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            bind("/usr"), bind(path),
        ],
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            // As engines do.
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    });
    if !refused_calls.is_empty() {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": refused_calls, "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
        });
    }
    config
}

/// Whether one request to the server in the container had a span, and what the launcher said. In any case the program ran
/// and ended as asked.
fn is_traced(setting: &Setting, folder: &Folder) -> (bool, String) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let receiver = Receiver::start();
    let bundle = tempfile::tempdir().unwrap();
    let root = bundle.path().join("rootfs");
    fs::create_dir(&root).unwrap();
    // The launcher of the tests is linked to the machine's C library.
    for folder in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{folder}"), root.join(folder)).unwrap();
    }
    let config = configuration(setting, folder, &receiver);
    fs::write(bundle.path().join("config.json"), config.to_string()).unwrap();
    let name = format!("go-auto-launch-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut command = Command::new("runc");
    command.args(["run", "--no-new-keyring", "--bundle"]).arg(bundle.path()).arg(name);
    let server = Server::start_sending(receiver, command, &[], 1);
    assert_eq!(get(server.addresses[0], "/hello"), 200);
    let left = server.end();
    assert_eq!(left.status.code(), Some(7), "{}", left.stderr);
    (left.spans.len() == 1, left.stderr)
}

fn traced(what: &str, setting: &Setting, folder: &Folder) -> String {
    let (traced, said) = is_traced(setting, folder);
    assert!(traced, "{what}: {said}");
    said
}

fn untraced(what: &str, setting: &Setting, folder: &Folder) {
    let (traced, said) = is_traced(setting, folder);
    assert!(!traced && said.contains("CAP_BPF"), "{what}: {said}");
}

#[test]
fn bpf_and_perfmon_alone_are_enough() {
    let folder = Folder::new();
    traced("no_new_privs, read-only root", &LEAST, &folder);
    let admin = Setting { bounding: &["CAP_SYS_ADMIN"], permitted: &["CAP_SYS_ADMIN"], ..LEAST };
    traced("SYS_ADMIN alone", &admin, &folder);
    untraced("no capabilities", &Setting { bounding: &[], permitted: &[], ..LEAST }, &folder);
}

#[test]
fn with_seccomp() {
    let folder = Folder::new();
    let said = traced("as engines", &Setting { refused_calls: USUALLY_REFUSED, ..LEAST }, &folder);
    assert!(!said.contains("ptrace was refused"), "{said}");
    // Without ptrace, probes are armed before exec.
    let said = traced("no ptrace", &Setting { refused_calls: &["ptrace"], ..LEAST }, &folder);
    assert!(said.contains("ptrace was refused"), "{said}");
    untraced("no bpf", &Setting { refused_calls: &["bpf"], ..LEAST }, &folder);
}

#[test]
fn as_an_ordinary_user() {
    let user = Setting { uid: 65534, permitted: &[], ..LEAST };
    untraced("nothing permitted", &user, &Folder::new());
    traced("ambient", &Setting { permitted: BOTH, ambient: BOTH, ..user }, &Folder::new());
    let with_file = Folder::with_capabilities("cap_bpf,cap_perfmon+p");
    traced("file capabilities", &Setting { no_new_privileges: false, ..user }, &with_file);
    untraced("file capabilities with no_new_privs", &user, &with_file);
    // The bounding set wins over the file; the launcher starts all the same.
    let bounded = Setting { bounding: &["CAP_BPF"], no_new_privileges: false, ..user };
    untraced("file capabilities beyond the bounding set", &bounded, &with_file);
}

/// The native engine needs none of that: an ordinary user, a read-only root, no capability in any set, `no_new_privs`, and a filter that
/// refuses BPF besides what engines refuse.
#[test]
fn without_any_capability() {
    let nothing = Setting { engine: "auto", bounding: &[], permitted: &[], ..LEAST };
    let refused: &[&str] =
        &["process_vm_readv", "process_vm_writev", "kcmp", "perf_event_open", "setns", "mount", "bpf", "userfaultfd"];
    for uid in [0, 65534] {
        let said = traced("nothing", &Setting { uid, ..nothing }, &Folder::new());
        assert!(said.contains("native engine"), "{said}");
        traced("with seccomp", &Setting { uid, refused_calls: refused, ..nothing }, &Folder::new());
    }
    // Without ptrace nothing can be put into the program, and BPF has no rights.
    untraced("no ptrace", &Setting { refused_calls: &["ptrace"], ..nothing }, &Folder::new());
}
