//! A program without a launcher.

use std::io::{BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use bpf::config::{Propagators, Setting, Settings};
use bpf::shared::Shared;
use go_auto_launch::engine::Sampling;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What a test attaches with that does so itself: everything is sampled, whatever the parent says.
pub(crate) fn everything() -> Sampling {
    let settings = Settings { parent_based: Shared::new(0), off: Shared::new(0), threshold: Shared::new(1 << 63) };
    Sampling { settings, propagators: Propagators(Setting::new(1)) }
}

/// The addresses a program says that it listens on.
pub(crate) fn listening(output: &mut impl BufRead, ports: usize) -> Vec<SocketAddr> {
    let one = |_| {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening ");
        address.unwrap_or_else(|| panic!("listens on no address: {line:?}")).parse().unwrap()
    };
    (0..ports).map(one).collect()
}

/// A program that has printed the addresses it listens on. A test that fails does not leave it.
#[derive(Debug)]
pub(crate) struct Plain {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Plain {
    /// Starts it and waits until it listens on `ports` ports.
    pub(crate) fn start(app: &Path, args: &[&str], ports: usize) -> Self {
        let mut process = Command::new(app).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let addresses = listening(&mut output, ports);
        Self { process, output, addresses }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> std::num::NonZeroU32 {
        self.process.id().try_into().unwrap()
    }

    /// Asks it to end, and waits for that; what it has printed since.
    pub(crate) fn end(mut self) -> String {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}
