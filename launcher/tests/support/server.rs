//! A server under the launcher, and a client for it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::plain::listening;
use super::receiver::Receiver;
use super::until::until;

/// The launcher under test.
pub(crate) fn launcher() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_go-auto-launch"));
    // What the caller's environment says about telemetry does not matter here.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("OTEL_") || name.starts_with("GO_AUTO_LAUNCH_")) {
            command.env_remove(name);
        }
    }
    if let Some(engine) = test_engine() {
        command.env("GO_AUTO_LAUNCH_ENGINE", engine);
    }
    command
}

/// The same tests are run with each engine (`scripts/test`).
fn test_engine() -> Option<OsString> {
    std::env::var_os("TEST_ENGINE")
}

/// Whether the launcher under test is to have the engine in the kernel.
pub(crate) fn is_by_bpf() -> bool {
    test_engine().is_some_and(|engine| engine == "bpf")
}

/// The launcher under test, with the engine in the kernel: for what is told by its maps, or by its BPF programs.
pub(crate) fn bpf_launcher() -> Command {
    let mut command = launcher();
    command.env("GO_AUTO_LAUNCH_ENGINE", "bpf");
    command
}

/// Sets the exporter of a launcher.
pub(crate) fn sending_to(command: &mut Command, receiver: &Receiver) {
    command
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address));
}

/// A program under the launcher that has printed the addresses it listens on.
#[derive(Debug)]
pub(crate) struct Server {
    process: Running,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) receiver: Receiver,
}

/// The launcher's process. A test that fails leaves neither it nor its program.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// The launcher's only child.
    fn program(&self) -> Option<Pid> {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0.id())).ok()?;
        children.trim().parse().ok().map(Pid::from_raw)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        if let Some(program) = self.program() {
            let _gone = kill(program, Signal::SIGKILL);
        }
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// What was left of a server.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) status: std::process::ExitStatus,
    pub(crate) spans: Vec<Span>,
    /// Behind the addresses.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts `app` with `args` and waits until it listens on `ports` ports.
    pub(crate) fn start(app: &Path, args: &[&str], ports: usize) -> Self {
        Self::start_with(launcher(), app, args, ports)
    }

    /// The same with a launcher command of the test's own; its exporter is set here.
    pub(crate) fn start_with(mut command: Command, app: &Path, args: &[&str], ports: usize) -> Self {
        command.arg("--").arg(app);
        Self::start_as_typed(command, args, ports)
    }

    /// The same where `command` holds all but the last arguments.
    pub(crate) fn start_as_typed(command: Command, args: &[&str], ports: usize) -> Self {
        Self::start_sending(Receiver::start(), command, args, ports)
    }

    /// The same with a receiver that is there already.
    pub(crate) fn start_sending(receiver: Receiver, mut command: Command, args: &[&str], ports: usize) -> Self {
        command
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        let stderr = process.0.stderr.take().unwrap();
        let addresses = listening(&mut stdout, ports);
        Self { process, stdout, stderr, addresses, receiver }
    }

    /// The launcher's process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.0.id().try_into().unwrap())
    }

    /// The program's process id: the launcher's only child.
    pub(crate) fn program(&self) -> Pid {
        self.process.program().unwrap()
    }

    /// Waits until the program has printed each of these lines, in whatever order.
    pub(crate) fn until_printed(mut self, lines: &[&str]) -> Self {
        let mut missing = lines.to_vec();
        while !missing.is_empty() {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the program has ended without {missing:?}");
            missing.retain(|wanted| *wanted != line.trim_end());
        }
        self
    }

    /// Waits until no thread of the program has anything to do: what has answered has returned as well. (Servers of RPC send the answer from
    /// within what they trace; the end of the program may come before its return.)
    pub(crate) fn idle(self) -> Self {
        let tasks = format!("/proc/{}/task", self.program());
        let mut before = None;
        until("an idle program", || {
            let now = sleeping(&tasks);
            now.is_some() && std::mem::replace(&mut before, now.clone()) == now
        });
        self
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end(self) -> Left {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Left {
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let status = self.process.0.wait().unwrap();
        Left { status, spans: self.receiver.spans(), stdout, stderr }
    }
}

/// Of each thread in this folder of `/proc`, how often it has run (`schedstat`, the third number); `None` unless all sleep. What is the same twice
/// has not run in between.
fn sleeping(tasks: &str) -> Option<Vec<(OsString, String)>> {
    let mut threads = Vec::new();
    for thread in std::fs::read_dir(tasks).unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(thread.path().join(file)).ok();
        let (status, ran) = (read("stat")?, read("schedstat")?);
        // "1234 (name) S 1 …": the name may hold anything.
        let state = status.rsplit_once(") ").and_then(|(_, state)| state.chars().next());
        if state != Some('S') {
            return None;
        }
        threads.push((thread.file_name(), ran.split_whitespace().nth(2)?.to_owned()));
    }
    assert!(threads.iter().any(|(_, ran)| ran != "0"), "this kernel does not count how often threads run");
    Some(threads)
}

/// One request on a connection of its own; returns the status, 0 where there was no answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> u16 {
    Client::connect(address).send("GET", path, &[], "").unwrap_or(0)
}

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// Body of the last answer.
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(address).unwrap()), body: Vec::new() }
    }

    /// Sends a request and reads its answer; `None` where the connection ends before.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(String, String)], body: &str) -> Option<u16> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: example.test:8080\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        request.push_str("\r\n");
        request.push_str(body);
        io::Write::write_all(self.stream.get_mut(), request.as_bytes()).ok()?;
        self.answer()
    }

    fn answer(&mut self) -> Option<u16> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let (mut length, mut chunked) = (None, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            chunked |= lower.starts_with("transfer-encoding: chunked");
            if line == "\r\n" {
                break;
            }
        }
        self.body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut self.body).ok()?;
        while chunked {
            line.clear();
            self.stream.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).ok()?;
            self.body.extend_from_slice(&chunk[..size]);
            chunked = size > 0;
        }
        Some(status)
    }
}

/// One request by curl, which speaks HTTP/2; returns the HTTP version and the status.
pub(crate) fn curl(args: &[&str], url: &str) -> String {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--insecure",
            "--max-time",
            "20",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_version} %{http_code}",
        ])
        .args(args)
        .arg(url)
        .output()
        .unwrap_or_else(|error| panic!("curl, which `make setup` installs: {error}"));
    String::from_utf8(output.stdout).unwrap()
}
