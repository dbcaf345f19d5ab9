//! The Go server under test: built, started bare or under the launcher, stopped.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::monotonic;

/// The root of the repository.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Builds a program of `bench/apps`; the path of its executable.
pub(crate) fn build(app: &str) -> anyhow::Result<PathBuf> {
    let output = workspace().join("target/bench").join(app);
    let status = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&output)
        .arg(".")
        .current_dir(workspace().join("bench/apps").join(app))
        .envs([("CGO_ENABLED", "0"), ("GOWORK", "off"), ("GOFLAGS", "-buildvcs=false")])
        .status()
        .context("cannot run go")?;
    anyhow::ensure!(status.success(), "go build failed: {status}");
    Ok(output)
}

/// How the server is started.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode<'a> {
    /// Alone.
    Bare,
    /// Under the launcher, with the OTLP receiver's address.
    Traced(&'a Path, SocketAddr),
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The server's own process.
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    pub(crate) go_version: String,
    /// Nanoseconds from before the start to the first line of `main`.
    pub(crate) launch_delay: u64,
}

impl Subject {
    /// Starts the server and waits until it listens.
    pub(crate) fn start(server: &Path, mode: Mode<'_>) -> anyhow::Result<Self> {
        let mut command = match mode {
            Mode::Bare => Command::new(server),
            Mode::Traced(launcher, receiver) => {
                let mut command = Command::new(launcher);
                command.arg("--").arg(server).envs([
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}").as_str()),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                    ("OTEL_SERVICE_NAME", "bench"),
                ]);
                command
            }
        };
        let before = monotonic();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut output = BufReader::new(child.stdout.take().context("the server has no output")?);
        let said = Said::read(&mut output);
        if said.is_err() {
            stop(&child);
        }
        let Said { started, pid, go_version, address } = said.context("the server did not start")?;
        Ok(Self { child, output, pid, address, go_version, launch_delay: started.saturating_sub(before) })
    }

    /// The launcher's process; that of the server where it runs bare.
    pub(crate) fn launcher_pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to exit; nanoseconds from its exit to the end of the process that was started.
    pub(crate) fn exit(mut self) -> anyhow::Result<u64> {
        stop(&self.child);
        let exiting = value(&mut self.output, "exiting");
        let status = self.child.wait()?;
        let gone = monotonic();
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(gone.saturating_sub(exiting?.parse()?))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            stop(&self.child);
            // Nobody is left to hear of a failure.
            let _ = self.child.wait();
        }
    }
}

/// What the server says when it starts.
struct Said {
    started: u64,
    pid: u32,
    go_version: String,
    address: SocketAddr,
}

impl Said {
    fn read(output: &mut BufReader<ChildStdout>) -> anyhow::Result<Self> {
        Ok(Self {
            started: value(output, "started")?.parse()?,
            pid: value(output, "pid")?.parse()?,
            go_version: value(output, "go")?,
            address: value(output, "listening")?.parse()?,
        })
    }
}

/// The rest of the next line, which begins with `name`.
fn value(output: &mut BufReader<ChildStdout>, name: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let value = line.strip_prefix(name).with_context(|| format!("the server said {line:?}, not {name}"))?;
    Ok(value.trim().to_owned())
}

fn stop(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may be gone already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}
