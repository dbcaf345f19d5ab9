//! A database server in a private directory, on a port of its own, as an ordinary user; ended by its process id.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// Whom the servers run as: `nobody`, who exists everywhere and owns nothing. They refuse to run as root.
const USER: u32 = 65_534;

/// How often a server is started on another port if somebody has taken the one that was free.
const ATTEMPTS: usize = 5;

/// A server that answers.
#[derive(Debug)]
pub(crate) struct DatabaseServer {
    process: Child,
    /// The signal by which it ends at once.
    ends_by: Signal,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

/// A directory that the servers' user owns.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if geteuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(USER), Some(USER)).unwrap();
    }
    folder
}

/// A command that the servers' user runs in its directory.
pub(crate) fn command(program: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("LC_ALL", "C");
    if geteuid().is_root() {
        command.uid(USER).gid(USER);
    }
    command
}

/// Runs a command that prepares something.
pub(crate) fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}, which `make setup` installs: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

impl DatabaseServer {
    /// Starts what `command` makes for a port, and waits until it says `ready` on standard error.
    pub(crate) fn start(
        folder: tempfile::TempDir,
        ready: &'static str,
        ends_by: Signal,
        command: impl Fn(&Path, u16) -> Command,
    ) -> Self {
        for _ in 0..ATTEMPTS {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = started(command(folder.path(), port), ready) {
                return Self { process, ends_by, folder, port };
            }
        }
        panic!("no server started in {ATTEMPTS} attempts")
    }

    /// Its directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it, and starts it again on the same port.
    pub(crate) fn restart(&mut self, ready: &'static str, command: Command) {
        self.end();
        self.process = started(command, ready).unwrap_or_else(|| panic!("the server does not start again"));
    }

    /// Ends it at once, and waits for that.
    pub(crate) fn end(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            kill(Pid::from_raw(self.process.id().try_into().unwrap()), self.ends_by).unwrap();
            self.process.wait().unwrap();
        }
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The process of a server that is ready; `None` if it has ended instead.
///
/// It is killed when this process ends, however it does: the kernel does that when the thread which started it has ended,
/// so this one never does.
fn started(command: Command, ready: &'static str) -> Option<Child> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut command = with_death_signal(&command);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let is_ready = until(&mut lines, ready);
        if !is_ready {
            process.wait().unwrap();
        }
        sender.send(is_ready.then_some(process)).unwrap();
        // What it says later must not fill the pipe.
        std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
        loop {
            thread::park();
        }
    });
    receiver.recv().unwrap()
}

/// The same command by `setpriv`, which asks for a signal at the end of its parent. It changes the user, too: the request does
/// not outlive that.
fn with_death_signal(command: &Command) -> Command {
    let mut outer = Command::new("setpriv");
    outer.args(["--pdeathsig", "KILL"]);
    if geteuid().is_root() {
        let user = USER.to_string();
        outer.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    }
    outer.arg("--").arg(command.get_program()).args(command.get_args()).env_clear();
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        outer.env(name, value.unwrap_or_default());
    }
    outer
}

/// Reads until a line has the text.
fn until(lines: &mut BufReader<ChildStderr>, text: &str) -> bool {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        if String::from_utf8_lossy(&line).contains(text) {
            return true;
        }
        line.clear();
    }
    false
}

/// The newest of the folders `<parent>/<number>/<rest>`.
pub(crate) fn newest(parent: &str, rest: &str) -> PathBuf {
    let entries = fs::read_dir(parent).unwrap_or_else(|error| panic!("{parent}, which `make setup` installs: {error}"));
    let number = |entry: fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join(rest)));
    let found = entries.filter_map(|entry| number(entry.unwrap())).filter(|(_, path)| path.exists());
    found.max().unwrap_or_else(|| panic!("{parent} has no version with {rest}")).1
}
