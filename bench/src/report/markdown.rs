//! The report for people.

use std::fmt::Write as _;

use crate::inits::{Inits, PROGRAMS};
use crate::options::Options;
use crate::rounds::{Counted, LOADS, Measured, Measurement, Spans};
use crate::subject::Mode;
use crate::workload::Workload;

use super::MIB;
use super::goals::Goal;

/// What a load is measured by, and its unit.
const OF_LOADS: [(&str, &str); 5] = [
    ("requests/s", ""),
    ("p50", " (µs)"),
    ("p99", " (µs)"),
    ("application CPU", " (µs per request)"),
    ("launcher CPU", " (µs per request)"),
];

/// The whole text.
pub(super) fn write(options: &Options, measured: &Measured, goals: &[Goal]) -> Result<String, std::fmt::Error> {
    let mut text = "# What go-auto-launch costs\n\nWritten by `make bench`; not edited by hand. ".to_owned();
    writeln!(
        text,
        "Medians of {} rounds, all columns in turn, each load {} s; the load generator, the sink of outgoing requests, the \
         OTLP receiver and the program share the machine.\n",
        options.rounds,
        options.seconds.as_secs_f64()
    )?;
    writeln!(text, "| goal | measured | wanted | |\n|---|---|---|---|")?;
    for goal in goals {
        let met = if goal.is_met() { "met" } else { "**missed**" };
        writeln!(text, "| {} | {} {} | {} | {met} |", goal.name, goal.shown(), goal.unit, goal.bound())?;
    }
    for measurement in &measured.workloads {
        workload(&mut text, options, measurement)?;
    }
    writeln!(text, "\nThe launcher's binary has {:.1} MiB.", measured.launcher_bytes as f64 / MIB)?;
    inits(&mut text, &measured.inits)?;
    probes(&mut text, measured)?;
    writeln!(text, "\n## How to read this\n\n{NOTES}")?;
    writeln!(text, "\n## Machine\n")?;
    for (name, value) in &measured.machine {
        writeln!(text, "- {name}: {value}")?;
    }
    Ok(text)
}

fn workload(text: &mut String, options: &Options, measurement: &Measurement) -> std::fmt::Result {
    let workload = measurement.workload;
    let Workload { name, description, .. } = workload;
    let rate = workload.rate(options.rate);
    writeln!(text, "\n## Workload: {name}\n\n{description}. The fixed rate is {rate} per second.\n")?;
    let others = workload.modes.iter().filter(|mode| **mode != Mode::Bare).map(|mode| mode.name());
    let others: Vec<_> = others.map(|name| format!(" {name} | ratio |")).collect();
    writeln!(text, "| | bare |{}\n|---|---|{}", others.concat(), "---|---|".repeat(others.len()))?;
    for name in ["launch delay", "exit delay", "exit delay after load"] {
        row(text, measurement, name, " (ms)", 1.0)?;
    }
    for (load, ..) in LOADS {
        for (what, unit) in OF_LOADS {
            row(text, measurement, &format!("{load}: {what}"), unit, 1.0)?;
        }
        extra_row(text, measurement, load)?;
    }
    for name in ["application RSS", "launcher RSS", "launcher RSS, anonymous", "launcher peak RSS", "launcher's BPF maps"] {
        row(text, measurement, name, " (MiB)", MIB)?;
    }
    spans(text, measurement)
}

/// How many of the spans have arrived.
fn spans(text: &mut String, measurement: &Measurement) -> std::fmt::Result {
    writeln!(text, "\n| spans | to be made | received |\n|---|---|---|")?;
    for (mode, Spans { expected, received }) in &measurement.spans {
        writeln!(text, "| {} | {expected} | {received} |", mode.name())?;
    }
    Ok(())
}

/// One value in each mode, if there is one, and its ratio to bare.
fn row(text: &mut String, measurement: &Measurement, name: &str, unit: &str, scale: f64) -> std::fmt::Result {
    let modes = measurement.workload.modes;
    if modes.iter().all(|mode| measurement.median(*mode, name).is_none()) {
        return Ok(());
    }
    write!(text, "| {name}{unit} |")?;
    let has_bare = measurement.median(Mode::Bare, name).is_some();
    for &mode in modes {
        match measurement.median(mode, name) {
            Some(value) => write!(text, " {:.1} |", value / scale)?,
            None => write!(text, " |")?,
        }
        if mode != Mode::Bare && has_bare {
            write!(text, " **{:.2}** |", measurement.ratio(mode, name))?;
        } else if mode != Mode::Bare {
            write!(text, " |")?;
        }
    }
    writeln!(text)
}

/// What application and launcher use more than the application bare.
fn extra_row(text: &mut String, measurement: &Measurement, load: &str) -> std::fmt::Result {
    if measurement.median(Mode::Bare, &format!("{load}: application CPU")).is_none() {
        return Ok(());
    }
    write!(text, "| {load}: extra CPU, all included (µs per request) | |")?;
    for &mode in measurement.workload.modes.iter().filter(|mode| **mode != Mode::Bare) {
        write!(text, " {:.1} | |", measurement.extra_cpu(mode, load))?;
    }
    writeln!(text)
}

/// Start to exit and memory, where nothing is traced.
fn inits(text: &mut String, inits: &Inits) -> std::fmt::Result {
    let Some(of_first) = inits.times.get(PROGRAMS[0]) else { return Ok(()) };
    writeln!(text, "\n## As an init\n\nFrom start to exit in ms, nothing traced; medians, all in turn.\n")?;
    writeln!(text, "| | {} | {} | RSS |\n|---|---|---|---|", PROGRAMS[0], PROGRAMS[1])?;
    for init in of_first.keys() {
        let [one, two] = PROGRAMS.map(|program| inits.time(program, init));
        let memory = inits.memory.get(init).map(|bytes| format!("{:.1} MiB", *bytes as f64 / MIB)).unwrap_or_default();
        writeln!(text, "| {init} | {one:.2} | {two:.2} | {memory} |")?;
    }
    Ok(())
}

/// The rounds in which the kernel counted.
fn probes(text: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(text, "\n## Probes\n\nIn one extra round at the fixed rate, with `kernel.bpf_stats_enabled`.\n")?;
    writeln!(text, "| workload | BPF program | hits per request | ns per hit | ns per request |\n|---|---|---|---|---|")?;
    for measurement in &measured.workloads {
        for (mode, counted) in &measurement.counted {
            let name = format!("{}, {}", measurement.workload.name, mode.name());
            programs(text, &name, counted)?;
        }
    }
    Ok(())
}

fn programs(text: &mut String, name: &str, counted: &Counted) -> std::fmt::Result {
    let requests = counted.requests.max(1) as f64;
    for program in &counted.programs {
        let (hits, nanoseconds) = (program.hits as f64, program.nanoseconds as f64);
        let (per_hit, per_request) = (nanoseconds / hits.max(1.0), nanoseconds / requests);
        writeln!(text, "| {name} | {} | {:.3} | {per_hit:.0} | {per_request:.0} |", program.name, hits / requests)?;
    }
    writeln!(text, "| {name} | all | {:.3} | | {:.0} |", counted.hits(""), counted.nanoseconds())
}

/// What the numbers contain that they do not say.
const NOTES: &str = "\
- All runs on the same cores: load generator, program, sink, launcher and OTLP receiver. At 32 connections the cores are full, \
so what the launcher and the receiver use is taken from the program: throughput kept is less than the application's own CPU \
time says. Every request is sampled and exported, but in the column *unsampled* (`OTEL_TRACES_SAMPLER=always_off`).
- The extra CPU of a server's application (a goal) is the difference of two medians; ratios, and extra CPU with all included \
(application and launcher), are medians of what was found within each round. Why the extra differs between the loads (idle \
states, caches shared with the other processes) was not separated.
- The launcher's RSS counts the ring buffer of 2 MiB twice (the kernel maps it twice, so that a record may cross its end), and \
its own code, of which all launchers of a machine share one copy. What no other process could use is the anonymous part, and \
the kernel's memory for BPF maps, the ring buffer among them.
- A probe hit costs the trap and its emulation (0.5 to 0.9 µs on such a machine) besides the BPF program's own time.
- A client under test sends by itself, from as many goroutines as there are connections, and reports its latencies. \
Go's timers wake them in bursts, which the latency at the fixed rate contains.
- Workloads of which the program itself does what is measured count it as requests: statements, and 20 calls of a function.
- *The OpenTelemetry SDK* is the same program, not under the launcher but instrumented by hand with `otelhttp`, `otelsql` and the SDK \
(`bench/apps/subject/otel.go`; versions in `bench/apps/go.mod`), with the launcher's sampler, queue, batches and protocol. \
Its set-up belongs to the launch delay, its flush to the exit delay. All it needs is in the application's CPU and memory; \
spans that find its queue full are lost, and cost less.";
