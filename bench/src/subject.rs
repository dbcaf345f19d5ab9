//! A Go program under test: built, started bare or under the launcher, stopped.

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
    build_with(app, "")
}

/// Builds it with the OpenTelemetry SDK.
pub(crate) fn build_with_sdk(app: &str) -> anyhow::Result<PathBuf> {
    build_with(app, "otel")
}

fn build_with(app: &str, tag: &str) -> anyhow::Result<PathBuf> {
    let output = workspace().join("target/bench").join(format!("{app}{tag}"));
    let status = Command::new("go")
        .args(["build", "-trimpath", "-tags", tag, "-o"])
        .arg(&output)
        .arg(format!("./{app}"))
        .current_dir(workspace().join("bench/apps"))
        .envs([("CGO_ENABLED", "0"), ("GOWORK", "off"), ("GOFLAGS", "-buildvcs=false")])
        .status()
        .context("cannot run go")?;
    anyhow::ensure!(status.success(), "go build failed: {status}");
    Ok(output)
}

/// How a program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Alone.
    Bare,
    /// Under the launcher, every request sampled; by the engine that it chooses.
    Traced,
    /// The same by BPF.
    Bpf,
    /// Under the launcher, no request sampled.
    Unsampled,
    /// Under the launcher, the tables of databases and the OpenTelemetry API switched off, every request sampled.
    HttpAlone,
    /// Alone, instrumented by hand with the OpenTelemetry SDK, every request sampled.
    Sdk,
}

impl Mode {
    /// In the reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Traced => "traced",
            Self::Bpf => "traced by BPF",
            Self::Unsampled => "unsampled",
            Self::HttpAlone => "traced, `net/http` alone",
            Self::Sdk => "the OpenTelemetry SDK",
        }
    }

    /// Whether the launcher starts the program.
    pub(crate) fn is_launched(self) -> bool {
        match self {
            Self::Bare | Self::Sdk => false,
            Self::Traced | Self::Bpf | Self::Unsampled | Self::HttpAlone => true,
        }
    }

    /// Whether spans arrive.
    pub(crate) fn is_sampled(self) -> bool {
        match self {
            Self::Bare | Self::Unsampled => false,
            Self::Traced | Self::Bpf | Self::HttpAlone | Self::Sdk => true,
        }
    }
}

/// What is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a Path,
    /// The same program with the OpenTelemetry SDK.
    pub(crate) with_sdk: &'a Path,
    pub(crate) argument: &'a str,
    pub(crate) launcher: &'a Path,
    /// Where spans are sent.
    pub(crate) receiver: SocketAddr,
    /// The functions of its own that have spans.
    pub(crate) functions: &'a [&'a str],
}

impl Program<'_> {
    fn command(&self, mode: Mode) -> Command {
        let mut command = match mode {
            Mode::Bare => Command::new(self.path),
            Mode::Sdk => Command::new(self.with_sdk),
            Mode::Traced | Mode::Bpf | Mode::Unsampled | Mode::HttpAlone => {
                let mut command = Command::new(self.launcher);
                command.env("GO_AUTO_LAUNCH_ENGINE", if mode == Mode::Bpf { "bpf" } else { "auto" });
                command.arg("--").arg(self.path);
                command
            }
        };
        let sampler = if mode.is_sampled() { "parentbased_always_on" } else { "always_off" };
        // The launcher and the SDK get the same: the defaults of the SDK's queue are smaller.
        command.arg(self.argument).envs([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", self.receiver).as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "20480"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "30000"),
            ("OTEL_SERVICE_NAME", "bench"),
            ("OTEL_TRACES_SAMPLER", sampler),
        ]);
        if mode.is_launched() && !self.functions.is_empty() {
            command.env("GO_AUTO_LAUNCH_SPANS", self.functions.join("\n"));
        }
        if mode == Mode::HttpAlone {
            let off = "database/sql,github.com/jackc/pgx/v4,github.com/jackc/pgx/v5,go.opentelemetry.io/otel";
            command.env("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", off);
        }
        command
    }
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The program's own process.
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    /// Nanoseconds from before the start to the first line of `main`.
    pub(crate) launch_delay: u64,
}

impl Subject {
    /// Starts the program and waits until it listens.
    pub(crate) fn start(program: &Program<'_>, mode: Mode) -> anyhow::Result<Self> {
        let mut command = program.command(mode);
        let before = monotonic();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut output = BufReader::new(child.stdout.take().context("the program has no output")?);
        let said = Said::read(&mut output);
        if said.is_err() {
            stop(&child);
        }
        let Said { started, pid, address } = said.context("the program did not start")?;
        Ok(Self { child, output, pid, address, launch_delay: started.saturating_sub(before) })
    }

    /// The launcher's process; that of the program where it runs bare.
    pub(crate) fn launcher_pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to exit; nanoseconds from its exit to the end of the process that was started.
    pub(crate) fn exit(mut self) -> anyhow::Result<u64> {
        stop(&self.child);
        let exiting = value(&mut self.output, "exiting");
        let status = self.child.wait()?;
        let gone = monotonic();
        anyhow::ensure!(status.success(), "the program ended with {status}");
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

/// What a program says when it starts.
struct Said {
    started: u64,
    pid: u32,
    address: SocketAddr,
}

impl Said {
    fn read(output: &mut BufReader<ChildStdout>) -> anyhow::Result<Self> {
        Ok(Self {
            started: value(output, "started")?.parse()?,
            pid: value(output, "pid")?.parse()?,
            address: value(output, "listening")?.parse()?,
        })
    }
}

/// The rest of the next line, which begins with `name`.
pub(crate) fn value(output: &mut BufReader<ChildStdout>, name: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let value = line.strip_prefix(name).with_context(|| format!("the program said {line:?}, not {name}"))?;
    Ok(value.trim().to_owned())
}

fn stop(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may be gone already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}
