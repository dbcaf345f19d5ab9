//! `--pid`: programs that are running already. Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::apps::{self, GoVersion, Variant};
use support::receiver::{Attributes as _, Receiver};
use support::server::{get, launcher, sending_to};

/// A server without a launcher. It ends with the test.
struct Bare {
    process: Child,
    address: SocketAddr,
}

impl Bare {
    fn start(variant: Variant) -> Self {
        let app = apps::build("http_server", GoVersion::GO_1_27, variant);
        let mut process = Command::new(&app).args(["-addr", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, address: line.trim().strip_prefix("listening ").unwrap().parse().unwrap() }
    }

    /// Bytes of its text in memory that differ from those in its file: breakpoints.
    fn changed_bytes(&self) -> usize {
        let pid = self.process.id();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let text = maps.lines().find(|line| line.contains(" r-xp ") && line.contains("http_server")).unwrap();
        let mut fields = text.split_whitespace();
        let (from, to) = fields.next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let offset = u64::from_str_radix(fields.nth(1).unwrap(), 16).unwrap();
        let size = usize::try_from(to - from).unwrap();
        let (mut memory, mut file) = (vec![0; size], vec![0; size]);
        File::open(format!("/proc/{pid}/mem")).unwrap().read_exact_at(&mut memory, from).unwrap();
        let read = File::open(format!("/proc/{pid}/exe")).unwrap().read_at(&mut file, offset).unwrap();
        memory[..read].iter().zip(&file[..read]).filter(|(memory, file)| memory != file).count()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// A launcher that has attached.
fn attach(to: &Bare, receiver: &Receiver) -> (Child, BufReader<ChildStderr>) {
    attach_by(launcher(), to, receiver)
}

/// The same by a command of the test's own.
fn attach_by(mut command: Command, to: &Bare, receiver: &Receiver) -> (Child, BufReader<ChildStderr>) {
    sending_to(&mut command, receiver);
    let mut child = command.args(["--pid", &to.process.id().to_string()]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("tracing") && line.contains("http_server"), "{line}");
    (child, stderr)
}

#[test]
fn a_running_program_is_traced_until_it_ends() {
    for variant in [Variant::Stripped, Variant::Pie] {
        let receiver = Receiver::start();
        let mut bare = Bare::start(variant);
        assert_eq!(get(bare.address, "/hello"), 200);
        let (mut child, mut stderr) = attach(&bare, &receiver);
        for _ in 0..100 {
            assert_eq!(get(bare.address, "/hello"), 200);
        }
        assert_eq!(get(bare.address, "/panic-runtime"), 0);
        kill(Pid::from_raw(bare.process.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        bare.process.wait().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing is lost");
        let spans = receiver.spans();
        assert_eq!(spans.len(), 101);
        // The type's name comes from the file, at an address that the load bias of a PIE has moved.
        let panic = spans.iter().find(|span| span.text("url.path").as_deref() == Some("/panic-runtime")).unwrap();
        assert_eq!(panic.events[0].attributes.text("exception.type").unwrap(), "runtime.boundsError");
        let resource = receiver.requests()[0].resource_spans[0].resource.clone().unwrap().attributes;
        assert_eq!(resource.number("process.pid"), Some(bare.process.id().into()));
    }
}

#[test]
fn a_program_is_left_as_it_was() {
    let receiver = Receiver::start();
    let bare = Bare::start(Variant::Stripped);
    assert_eq!(bare.changed_bytes(), 0);
    let (mut child, _stderr) = attach(&bare, &receiver);
    assert!(bare.changed_bytes() > 0, "the probes are there");
    assert_eq!(get(bare.address, "/hello"), 200);
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(receiver.spans().len(), 1);
    assert_eq!(bare.changed_bytes(), 0, "the probes are gone");
    assert_eq!(get(bare.address, "/hello"), 200);
    let status = fs::read_to_string(format!("/proc/{}/status", bare.process.id())).unwrap();
    assert!(status.contains("TracerPid:\t0\n"));
    // And again.
    let (mut child, _stderr) = attach(&bare, &receiver);
    assert_eq!(get(bare.address, "/hello"), 200);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bare.changed_bytes(), 0, "they go with a launcher that is killed, too");
    assert_eq!(get(bare.address, "/hello"), 200);
}

/// As a launcher that has started the program: its file system can be unmounted. Relative paths are those of the user.
#[test]
fn the_working_directory_is_not_kept() {
    let (receiver, bare, directory) = (Receiver::start(), Bare::start(Variant::Stripped), tempfile::tempdir().unwrap());
    let mut command = launcher();
    command.current_dir(&directory);
    let (mut child, _stderr) = attach_by(command, &bare, &receiver);
    let working = fs::read_link(format!("/proc/{}/cwd", child.id())).unwrap();
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!(working.to_str(), Some("/"));
}

#[test]
fn what_cannot_be_attached_to_is_said() {
    let refused = |mut command: Command, pid: String| {
        let output = command.args(["--pid", &pid]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(&format!("--pid {pid}: ")), "{stderr}");
        stderr
    };
    let own = std::process::id().to_string();
    assert!(refused(launcher(), "4194304".to_owned()).contains("no such process"));
    let not_go = refused(launcher(), own.clone());
    assert!(not_go.contains("not a Go program"), "{not_go}");
    let thread = nix::unistd::gettid().to_string();
    assert!(refused(launcher(), thread).contains("one of its threads"));
    let mut as_nobody = Command::new("setpriv");
    as_nobody.args(["--reuid", "65534", "--clear-groups"]).arg(launcher().get_program());
    assert!(refused(as_nobody, own).contains("CAP_SYS_PTRACE"));
    // The program is there, but it may not be probed.
    let bare = Bare::start(Variant::Stripped);
    let mut without = Command::new("setpriv");
    without.args(["--bounding-set", "-sys_admin,-bpf,-perfmon", "--inh-caps", "-all"]).arg(launcher().get_program());
    assert!(refused(without, bare.process.id().to_string()).contains("CAP_BPF"));
    assert_eq!(get(bare.address, "/hello"), 200);
}
