//! The rounds: bare and traced in turn, the same loads on both.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::bpf_stats;
use crate::inits::Inits;
use crate::load::{self, Load};
use crate::machine;
use crate::options::Options;
use crate::process;
use crate::receiver::Receiver;
use crate::subject::{Mode, Subject};

/// Starts in each round and mode that serve nothing: only their delays count.
const STARTS: u32 = 5;
/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(300);
/// The loads: name, connections, whether the rate is fixed.
pub(crate) const LOADS: [(&str, u32, bool); 3] =
    [("1 connection", 1, false), ("32 connections", 32, false), ("32 connections, fixed rate", 32, true)];

/// Values by name, one per round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(BTreeMap<String, Vec<f64>>);

impl Values {
    fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// All values of a name.
    pub(crate) fn get(&self, name: &str) -> Vec<f64> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// All names with their values.
    pub(crate) fn all(&self) -> &BTreeMap<String, Vec<f64>> {
        &self.0
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) bare: Values,
    pub(crate) traced: Values,
    /// Requests to traced servers, and the spans that arrived.
    pub(crate) requests: u64,
    pub(crate) spans: u64,
    /// Requests in the round with BPF statistics, and what the programs did.
    pub(crate) counted_requests: u64,
    pub(crate) programs: Vec<bpf_stats::Program>,
    /// Around programs in which there is nothing to trace.
    pub(crate) inits: Inits,
    pub(crate) launcher_bytes: u64,
    pub(crate) machine: Vec<(&'static str, String)>,
}

/// Measures everything.
pub(crate) fn run(options: &Options, server: &Path) -> anyhow::Result<Measured> {
    let receiver = Receiver::start()?;
    let traced = Mode::Traced(&options.launcher, receiver.address);
    let mut measured = Measured { launcher_bytes: std::fs::metadata(&options.launcher)?.len(), ..Measured::default() };
    measured.machine = machine::describe(&go_version(server)?);
    for round in 0..options.rounds {
        // What a round does to the next is shared by both.
        let order = if round % 2 == 0 { [Mode::Bare, traced] } else { [traced, Mode::Bare] };
        for mode in order {
            let (values, requests) = one(options, server, mode)?;
            let is_traced = matches!(mode, Mode::Traced(..));
            let all = if is_traced { &mut measured.traced } else { &mut measured.bare };
            for (name, more) in values.0 {
                all.0.entry(name).or_default().extend(more);
            }
            if is_traced {
                measured.requests += requests;
                measured.spans += receiver.take_spans()?;
            }
        }
    }
    count_hits(options, server, traced, &mut measured)?;
    Ok(measured)
}

fn go_version(server: &Path) -> anyhow::Result<String> {
    let subject = Subject::start(server, Mode::Bare)?;
    let version = subject.go_version.clone();
    subject.exit()?;
    Ok(version)
}

/// One round in one mode; its values, and how many requests were sent.
fn one(options: &Options, server: &Path, mode: Mode<'_>) -> anyhow::Result<(Values, u64)> {
    let mut values = Values::default();
    for _start in 0..STARTS {
        let subject = Subject::start(server, mode)?;
        values.push("launch delay", subject.launch_delay as f64 / 1e6);
        values.push("exit delay", subject.exit()? as f64 / 1e6);
    }
    let subject = Subject::start(server, mode)?;
    let warm_up = load::run(subject.address, Load { connections: 4, rate: Some(1000), duration: WARM_UP })?;
    let mut requests = warm_up.requests;
    for (name, connections, is_fixed) in LOADS {
        let load = Load { connections, rate: is_fixed.then_some(options.rate), duration: options.seconds };
        requests += under_load(&subject, name, load, &mut values)?;
    }
    if let Mode::Traced(..) = mode {
        values.push("launcher RSS", process::memory(subject.launcher_pid(), "VmRSS") as f64);
        values.push("launcher peak RSS", process::memory(subject.launcher_pid(), "VmHWM") as f64);
    }
    values.push("exit delay after load", subject.exit()? as f64 / 1e6);
    Ok((values, requests))
}

fn under_load(subject: &Subject, name: &str, load: Load, values: &mut Values) -> anyhow::Result<u64> {
    let launcher = subject.launcher_pid();
    let before = (process::cpu_time(subject.pid), process::cpu_time(launcher));
    let served = load::run(subject.address, load)?;
    // The launcher takes records out of the ring ten times a second; what it still has to do belongs to this load.
    std::thread::sleep(Duration::from_millis(250));
    let after = (process::cpu_time(subject.pid), process::cpu_time(launcher));
    anyhow::ensure!(served.requests > 0, "no request was answered");
    let per_request = |nanoseconds: u64| nanoseconds as f64 / 1e3 / served.requests as f64;
    values.push(format!("{name}: requests/s"), served.requests as f64 / served.seconds);
    values.push(format!("{name}: p50"), served.percentile(0.5));
    values.push(format!("{name}: p99"), served.percentile(0.99));
    values.push(format!("{name}: application CPU"), per_request(after.0.saturating_sub(before.0)));
    if launcher != subject.pid {
        values.push(format!("{name}: launcher CPU"), per_request(after.1.saturating_sub(before.1)));
    }
    Ok(served.requests)
}

/// One more round at the fixed rate, in which the kernel counts what BPF programs do.
fn count_hits(options: &Options, server: &Path, mode: Mode<'_>, measured: &mut Measured) -> anyhow::Result<()> {
    let statistics = bpf_stats::Enabled::new()?;
    let subject = Subject::start(server, mode)?;
    let load = Load { connections: 32, rate: Some(options.rate), duration: options.seconds };
    let answered = load::run(subject.address, load)?;
    measured.programs = statistics.read();
    measured.counted_requests = answered.requests;
    subject.exit()?;
    Ok(())
}
