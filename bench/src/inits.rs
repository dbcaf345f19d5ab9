//! What an init costs that has nothing to trace: from its start to its end around a short program, and its memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::clock::{median, monotonic};
use crate::process;

/// Starts of each program under each init, in turn.
const STARTS: u32 = 101;

/// An init and how a program is put behind it; without arguments the program runs alone.
#[derive(Clone, Debug)]
pub(crate) struct Init {
    pub(crate) name: &'static str,
    command: Vec<String>,
}

/// The inits of Debian's packages, with the options that make them reap orphans where they are not PID 1.
fn inits(launcher: &Path) -> Vec<Init> {
    let init = |name, command: &[&str]| Init { name, command: command.iter().map(|&word| word.to_owned()).collect() };
    vec![
        init("alone", &[]),
        init("tini", &["tini", "-s", "--"]),
        init("dumb-init", &["dumb-init", "--"]),
        init("catatonit", &["catatonit", "--"]),
        init("go-auto-launch", &[&launcher.display().to_string(), "--"]),
    ]
}

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Inits {
    /// Milliseconds from start to exit, by program and then init, one for each start.
    pub(crate) times: BTreeMap<&'static str, BTreeMap<&'static str, Vec<f64>>>,
    /// Bytes resident while a program sleeps.
    pub(crate) memory: BTreeMap<&'static str, u64>,
}

impl Inits {
    /// The median time of a program under an init.
    pub(crate) fn time(&self, program: &str, init: &str) -> f64 {
        median(self.times.get(program).and_then(|inits| inits.get(init)).cloned().unwrap_or_default())
    }

    /// How much longer a program takes under the launcher than under tini.
    pub(crate) fn over_tini(&self, program: &str) -> f64 {
        self.time(program, "go-auto-launch") - self.time(program, "tini")
    }
}

/// The programs: what they are called, and what they are.
pub(crate) const PROGRAMS: [&str; 2] = ["/bin/true", "a trivial Go program"];

/// Measures all of them. An init that is not installed is an error: `make setup` installs them.
pub(crate) fn run(launcher: &Path, trivial: &Path) -> anyhow::Result<Inits> {
    let inits = inits(launcher);
    let programs = [PathBuf::from("/bin/true"), trivial.to_owned()];
    let mut measured = Inits::default();
    for _start in 0..STARTS {
        for (name, program) in PROGRAMS.into_iter().zip(&programs) {
            for init in &inits {
                let milliseconds = start_to_exit(init, program)?;
                measured.times.entry(name).or_default().entry(init.name).or_default().push(milliseconds);
            }
        }
    }
    for init in inits.iter().skip(1) {
        measured.memory.insert(init.name, resident(init)?);
    }
    Ok(measured)
}

fn command(init: &Init, program: &Path) -> Command {
    let mut words = init.command.iter().map(String::as_str).chain([program.to_str().unwrap_or_default()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start_to_exit(init: &Init, program: &Path) -> anyhow::Result<f64> {
    let mut command = command(init, program);
    let before = monotonic();
    let status = command.status().with_context(|| format!("cannot run {command:?} (`make setup` installs the inits)"))?;
    let after = monotonic();
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok((after - before) as f64 / 1e6)
}

/// The resident memory of an init whose program sleeps, once its program is there.
fn resident(init: &Init) -> anyhow::Result<u64> {
    let mut child = command(init, Path::new("/bin/sleep")).arg("60").spawn()?;
    let pid = child.id();
    let begin = Instant::now();
    let sleeper = loop {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let sleeper = children.trim().parse::<i32>().ok();
        let is_sleeping = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
        if let Some(sleeper) = sleeper.filter(is_sleeping) {
            break sleeper;
        }
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(10), "{} does not start its program", init.name);
        std::thread::sleep(Duration::from_millis(1));
    };
    // It may still be busy with the start.
    std::thread::sleep(Duration::from_millis(50));
    let resident = process::memory(pid, "VmRSS");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeper), nix::sys::signal::Signal::SIGKILL)?;
    child.wait()?;
    Ok(resident)
}
