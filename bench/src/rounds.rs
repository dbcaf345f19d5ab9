//! The rounds: each workload in its modes in turn, the same loads on all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bpf_stats;
use crate::clock::median;
use crate::inits::Inits;
use crate::load::Load;
use crate::machine;
use crate::options::Options;
use crate::process;
use crate::receiver::Receiver;
use crate::sink::Sink;
use crate::subject::{self, Mode, Program, Subject};
use crate::workload::{Kind, WORKLOADS, Workload};

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
    pub(crate) fn get(&self, name: &str) -> &[f64] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// All names with their values.
    pub(crate) fn all(&self) -> &BTreeMap<String, Vec<f64>> {
        &self.0
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) workloads: Vec<Measurement>,
    /// Around programs in which there is nothing to trace.
    pub(crate) inits: Inits,
    pub(crate) launcher_bytes: u64,
    pub(crate) machine: Vec<(&'static str, String)>,
}

/// What was measured of one workload.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) workload: &'static Workload,
    pub(crate) values: BTreeMap<Mode, Values>,
    /// Of the modes in which requests are sampled.
    pub(crate) spans: BTreeMap<Mode, Spans>,
    /// The round with BPF statistics.
    pub(crate) counted: BTreeMap<Mode, Counted>,
}

/// Spans that requests are to make, and those that arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spans {
    pub(crate) expected: u64,
    pub(crate) received: u64,
}

/// What the BPF programs did.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) programs: Vec<bpf_stats::Program>,
}

impl Measurement {
    fn new(workload: &'static Workload) -> Self {
        Self { workload, values: BTreeMap::new(), spans: BTreeMap::new(), counted: BTreeMap::new() }
    }

    fn get(&self, mode: Mode, name: &str) -> &[f64] {
        self.values.get(&mode).map_or(&[], |values| values.get(name))
    }

    /// The median over the rounds; `None` of what was not measured.
    pub(crate) fn median(&self, mode: Mode, name: &str) -> Option<f64> {
        let values = self.get(mode, name);
        (!values.is_empty()).then(|| median(values.to_vec()))
    }

    /// How much more it is than bare.
    pub(crate) fn added(&self, mode: Mode, name: &str) -> f64 {
        let [with, without] = [mode, Mode::Bare].map(|mode| self.median(mode, name).unwrap_or_default());
        with - without
    }

    /// The median over the rounds of the ratio to bare within a round: neighbours in time share what the machine did.
    pub(crate) fn ratio(&self, mode: Mode, name: &str) -> f64 {
        let pairs = self.get(mode, name).iter().zip(self.get(Mode::Bare, name));
        median(pairs.filter(|(_, bare)| **bare > 0.0).map(|(with, bare)| with / bare).collect())
    }

    /// Extra CPU of application and launcher, if there is one, together, in microseconds per request under a load: the
    /// median over the rounds of the difference within a round.
    pub(crate) fn extra_cpu(&self, mode: Mode, load: &str) -> f64 {
        self.extra_cpu_over(mode, Mode::Bare, load)
    }

    /// The same over another mode than bare.
    pub(crate) fn extra_cpu_over(&self, mode: Mode, base: Mode, load: &str) -> f64 {
        let [application, launcher] = ["application", "launcher"].map(|whose| format!("{load}: {whose} CPU"));
        let all = |mode: Mode| {
            let of_launcher = self.get(mode, &launcher).iter().copied().chain(std::iter::repeat(0.0));
            self.get(mode, &application).iter().zip(of_launcher).map(|(application, launcher)| application + launcher)
        };
        median(all(mode).zip(all(base)).map(|(with, without)| with - without).collect())
    }
}

/// Bytes that the kernel keeps of a BPF program's name (`BPF_OBJ_NAME_LEN`, with a zero behind it).
const KEPT_OF_A_NAME: usize = 15;

impl Counted {
    /// Hits per request of programs whose names begin so, as far as the kernel keeps names.
    pub(crate) fn hits(&self, prefix: &str) -> f64 {
        let prefix = prefix.get(..KEPT_OF_A_NAME).unwrap_or(prefix);
        let programs = self.programs.iter().filter(|program| program.name.starts_with(prefix));
        programs.map(|program| program.hits).sum::<u64>() as f64 / self.requests.max(1) as f64
    }

    /// Nanoseconds per request of all programs.
    pub(crate) fn nanoseconds(&self) -> f64 {
        self.programs.iter().map(|program| program.nanoseconds).sum::<u64>() as f64 / self.requests.max(1) as f64
    }
}

/// Measures everything.
pub(crate) fn run(options: &Options) -> anyhow::Result<Measured> {
    let mut measured = Measured { launcher_bytes: std::fs::metadata(&options.launcher)?.len(), ..Measured::default() };
    measured.machine = machine::describe();
    let receiver = Receiver::start()?;
    let sink = Sink::start(&subject::build("sink")?)?;
    for workload in WORKLOADS.iter().filter(|workload| options.wants(workload.name)) {
        let path = subject::build(workload.app)?;
        let with_sdk = if workload.modes.contains(&Mode::Sdk) { subject::build_with_sdk(workload.app)? } else { path.clone() };
        let (launcher, argument) = (options.launcher.as_path(), workload.argument(&sink));
        let program = Program {
            path: &path,
            with_sdk: &with_sdk,
            argument,
            launcher,
            receiver: receiver.address,
            functions: workload.functions,
        };
        let mut measurement = Measurement::new(workload);
        for round in 0..options.rounds {
            one_round(options, round, &program, &receiver, &mut measurement)?;
        }
        for &mode in workload.modes.iter().filter(|mode| **mode == Mode::Bpf) {
            measurement.counted.insert(mode, count_hits(options, workload, &program, mode)?);
        }
        // Of the rounds that do not count.
        receiver.take_spans()?;
        measured.workloads.push(measurement);
    }
    Ok(measured)
}

/// A workload in all its modes.
fn one_round(
    options: &Options,
    round: u32,
    program: &Program<'_>,
    receiver: &Receiver,
    measurement: &mut Measurement,
) -> anyhow::Result<()> {
    let workload = measurement.workload;
    let mut modes = workload.modes.to_vec();
    // What a mode does to the next is shared by all.
    let first = round as usize % modes.len();
    modes.rotate_left(first);
    for mode in modes {
        let (values, requests) = one_mode(options, workload, program, mode)?;
        let all = measurement.values.entry(mode).or_default();
        for (name, more) in values.0 {
            all.0.entry(name).or_default().extend(more);
        }
        let arrived = receiver.take_spans()?;
        if mode.is_sampled() {
            let spans = measurement.spans.entry(mode).or_default();
            // Those of the API are off then.
            let of_api = mode == Mode::HttpAlone && matches!(workload.kind, Kind::Api { .. });
            spans.expected += requests * if of_api { 1 } else { workload.spans };
            spans.received += arrived;
        } else {
            anyhow::ensure!(arrived == 0, "{}, {}: {arrived} spans", workload.name, mode.name());
        }
    }
    Ok(())
}

/// One round in one mode; its values, and how many requests were answered.
fn one_mode(options: &Options, workload: &Workload, program: &Program<'_>, mode: Mode) -> anyhow::Result<(Values, u64)> {
    let mut values = Values::default();
    for _start in 0..workload.starts {
        let subject = Subject::start(program, mode)?;
        values.push("launch delay", subject.launch_delay as f64 / 1e6);
        values.push("exit delay", subject.exit()? as f64 / 1e6);
    }
    let subject = Subject::start(program, mode)?;
    let warm_up = workload.ask(subject.address, Load { connections: 4, rate: Some(1000), duration: WARM_UP })?;
    let mut requests = warm_up.requests;
    for (name, connections, is_fixed) in LOADS.into_iter().filter(|(.., is_fixed)| *is_fixed || !workload.is_paced()) {
        let rate = is_fixed.then(|| workload.rate(options.rate));
        let load = Load { connections, rate, duration: options.seconds };
        requests += under_load(workload, &subject, name, load, &mut values)?;
    }
    values.push("application RSS", process::memory(subject.pid, "VmRSS") as f64);
    if mode.is_launched() {
        values.push("launcher RSS", process::memory(subject.launcher_pid(), "VmRSS") as f64);
        values.push("launcher RSS, anonymous", process::memory(subject.launcher_pid(), "RssAnon") as f64);
        values.push("launcher's BPF maps", bpf_stats::map_bytes(subject.launcher_pid())? as f64);
        values.push("launcher peak RSS", process::memory(subject.launcher_pid(), "VmHWM") as f64);
    }
    values.push("exit delay after load", subject.exit()? as f64 / 1e6);
    Ok((values, requests))
}

fn under_load(workload: &Workload, subject: &Subject, name: &str, load: Load, values: &mut Values) -> anyhow::Result<u64> {
    let launcher = subject.launcher_pid();
    let before = (process::cpu_time(subject.pid), process::cpu_time(launcher));
    let served = workload.ask(subject.address, load)?;
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
fn count_hits(options: &Options, workload: &Workload, program: &Program<'_>, mode: Mode) -> anyhow::Result<Counted> {
    let _statistics = bpf_stats::Enabled::new()?;
    let subject = Subject::start(program, mode)?;
    let load = Load { connections: 32, rate: Some(workload.rate(options.rate)), duration: options.seconds };
    let answered = workload.ask(subject.address, load)?;
    let programs = bpf_stats::programs(subject.launcher_pid())?;
    subject.exit()?;
    Ok(Counted { requests: answered.requests, programs })
}
