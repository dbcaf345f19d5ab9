//! Medians, ratios and goals: a Markdown text for people, JSON for programs.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::clock::median;
use crate::inits::PROGRAMS;
use crate::options::Options;
use crate::rounds::{LOADS, Measured};
use crate::subject::workspace;

const MIB: f64 = 1024.0 * 1024.0;

/// What the project promises.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A value beside what is promised.
#[derive(Debug)]
struct Goal {
    name: &'static str,
    value: f64,
    unit: &'static str,
    bound: Bound,
}

impl Goal {
    fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.value <= most,
            Bound::AtLeast(least) => self.value >= least,
        }
    }

    fn bound(&self) -> String {
        match self.bound {
            Bound::AtMost(most) => format!("≤ {most} {}", self.unit),
            Bound::AtLeast(least) => format!("≥ {least} {}", self.unit),
        }
    }
}

/// The finished report.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) markdown: String,
    json: Value,
}

impl Report {
    /// Makes both forms.
    pub(crate) fn new(options: &Options, measured: &Measured) -> anyhow::Result<Self> {
        let goals = goals(measured);
        Ok(Self { markdown: markdown(options, measured, &goals)?, json: to_json(options, measured, &goals) })
    }

    /// Writes `bench/RESULTS.md` and `bench/results.json`.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let folder = workspace().join("bench");
        fs::write(folder.join("RESULTS.md"), &self.markdown).context("bench/RESULTS.md")?;
        let json = serde_json::to_string_pretty(&self.json)? + "\n";
        fs::write(folder.join("results.json"), json).context("bench/results.json")
    }
}

impl Measured {
    fn bare(&self, name: &str) -> f64 {
        median(self.bare.get(name))
    }

    fn traced(&self, name: &str) -> f64 {
        median(self.traced.get(name))
    }

    fn added(&self, name: &str) -> f64 {
        self.traced(name) - self.bare(name)
    }

    /// The median over the rounds of the ratio within a round: neighbours in time share what the machine did.
    fn ratio(&self, name: &str) -> f64 {
        let pairs = self.traced.get(name).into_iter().zip(self.bare.get(name));
        median(pairs.filter(|(_, bare)| *bare > 0.0).map(|(traced, bare)| traced / bare).collect())
    }
}

fn goals(measured: &Measured) -> Vec<Goal> {
    let [_one, (many, ..), (fixed, ..)] = LOADS;
    let goal = |name, value, unit, bound| Goal { name, value, unit, bound };
    vec![
        goal("launch delay", measured.added("launch delay"), "ms", Bound::AtMost(30.0)),
        goal(
            "extra CPU per request, application",
            measured.added(&format!("{fixed}: application CPU")),
            "µs",
            Bound::AtMost(4.0),
        ),
        goal("extra CPU per request, launcher", measured.traced(&format!("{fixed}: launcher CPU")), "µs", Bound::AtMost(2.0)),
        goal(
            "throughput kept at 32 connections",
            measured.ratio(&format!("{many}: requests/s")) * 100.0,
            "%",
            Bound::AtLeast(85.0),
        ),
        goal("launcher RSS", measured.traced("launcher RSS") / MIB, "MiB", Bound::AtMost(20.0)),
        goal("gone after the application", measured.traced("exit delay"), "ms", Bound::AtMost(50.0)),
        goal("gone after the application, after load", measured.traced("exit delay after load"), "ms", Bound::AtMost(50.0)),
        goal("/bin/true, over tini", measured.inits.over_tini(PROGRAMS[0]), "ms", Bound::AtMost(2.0)),
        goal("a trivial Go program, over tini", measured.inits.over_tini(PROGRAMS[1]), "ms", Bound::AtMost(2.0)),
        goal("launcher RSS, nothing traced", untraced_memory(measured), "MiB", Bound::AtMost(6.0)),
        goal("spans lost", measured.requests.saturating_sub(measured.spans) as f64, "spans", Bound::AtMost(0.0)),
    ]
}

fn untraced_memory(measured: &Measured) -> f64 {
    measured.inits.memory.get("go-auto-launch").map_or(0.0, |bytes| *bytes as f64 / MIB)
}

fn markdown(options: &Options, measured: &Measured, goals: &[Goal]) -> Result<String, std::fmt::Error> {
    let mut text = "# What go-auto-launch costs\n\nWritten by `make bench`; not edited by hand. ".to_owned();
    writeln!(
        text,
        "Medians of {} rounds, bare and traced in turn, each load {} s; the load generator, the OTLP receiver and the server share \
         the machine.\n",
        options.rounds,
        options.seconds.as_secs_f64()
    )?;
    writeln!(text, "| goal | measured | wanted | |\n|---|---|---|---|")?;
    for goal in goals {
        let met = if goal.is_met() { "met" } else { "**missed**" };
        writeln!(text, "| {} | {:.1} {} | {} | {met} |", goal.name, goal.value, goal.unit, goal.bound())?;
    }
    writeln!(text, "\n| | ratio | bare | traced |\n|---|---|---|---|")?;
    for name in ["launch delay", "exit delay", "exit delay after load"] {
        row(&mut text, measured, name, &format!("{name} (ms)"))?;
    }
    for (load, ..) in LOADS {
        for (what, unit) in [("requests/s", ""), ("p50", " (µs)"), ("p99", " (µs)"), ("application CPU", " (µs per request)")]
        {
            let name = format!("{load}: {what}");
            row(&mut text, measured, &name, &format!("{name}{unit}"))?;
        }
        let name = format!("{load}: launcher CPU");
        writeln!(text, "| {name} (µs per request) | | | {:.2} |", measured.traced(&name))?;
    }
    writeln!(text, "| launcher peak RSS (MiB) | | | {:.1} |", measured.traced("launcher peak RSS") / MIB)?;
    writeln!(text, "\n{} requests to traced servers, {} spans received.", measured.requests, measured.spans)?;
    writeln!(text, "The launcher's binary has {:.1} MiB.", measured.launcher_bytes as f64 / MIB)?;
    inits(&mut text, measured)?;
    probes(&mut text, measured)?;
    writeln!(text, "\n## How to read this\n\n{NOTES}")?;
    writeln!(text, "\n## Machine\n")?;
    for (name, value) in &measured.machine {
        writeln!(text, "- {name}: {value}")?;
    }
    Ok(text)
}

fn row(text: &mut String, measured: &Measured, name: &str, title: &str) -> std::fmt::Result {
    let (ratio, bare, traced) = (measured.ratio(name), measured.bare(name), measured.traced(name));
    writeln!(text, "| {title} | **{ratio:.2}** | {bare:.1} | {traced:.1} |")
}

/// Start to exit and memory, where nothing is traced.
fn inits(text: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(text, "\n## As an init\n\nFrom start to exit in ms, nothing traced; medians, all in turn.\n")?;
    writeln!(text, "| | {} | {} | RSS |\n|---|---|---|---|", PROGRAMS[0], PROGRAMS[1])?;
    for init in measured.inits.times.get(PROGRAMS[0]).into_iter().flat_map(std::collections::BTreeMap::keys) {
        let [one, two] = PROGRAMS.map(|program| measured.inits.time(program, init));
        let memory = measured.inits.memory.get(init).map(|bytes| format!("{:.1} MiB", *bytes as f64 / MIB)).unwrap_or_default();
        writeln!(text, "| {init} | {one:.2} | {two:.2} | {memory} |")?;
    }
    Ok(())
}

/// The round in which the kernel counted.
fn probes(text: &mut String, measured: &Measured) -> std::fmt::Result {
    let requests = measured.counted_requests.max(1) as f64;
    writeln!(text, "\n## Probes\n\nIn one extra round at the fixed rate, with `kernel.bpf_stats_enabled`.\n")?;
    writeln!(text, "| BPF program | hits per request | ns per hit | ns per request |\n|---|---|---|---|")?;
    for program in &measured.programs {
        let (hits, nanoseconds) = (program.hits as f64, program.nanoseconds as f64);
        let (per_hit, per_request) = (nanoseconds / hits.max(1.0), nanoseconds / requests);
        writeln!(text, "| {} | {:.3} | {per_hit:.0} | {per_request:.0} |", program.name, hits / requests)?;
    }
    let hits: u64 = measured.programs.iter().map(|program| program.hits).sum();
    let nanoseconds: u64 = measured.programs.iter().map(|program| program.nanoseconds).sum();
    writeln!(text, "| all | {:.3} | | {:.0} |", hits as f64 / requests, nanoseconds as f64 / requests)
}

fn to_json(options: &Options, measured: &Measured, goals: &[Goal]) -> Value {
    let goals = goals.iter().map(
        |goal| json!({ "name": goal.name, "value": goal.value, "unit": goal.unit, "wanted": goal.bound(), "met": goal.is_met() }),
    );
    let programs = measured
        .programs
        .iter()
        .map(|program| json!({ "name": program.name, "hits": program.hits, "nanoseconds": program.nanoseconds }));
    json!({
        "rounds": options.rounds,
        "seconds": options.seconds.as_secs_f64(),
        "rate": options.rate,
        "goals": goals.collect::<Vec<_>>(),
        "bare": measured.bare.all(),
        "traced": measured.traced.all(),
        "requests_traced": measured.requests,
        "spans_received": measured.spans,
        "requests_with_statistics": measured.counted_requests,
        "programs": programs.collect::<Vec<_>>(),
        "inits_milliseconds": measured.inits.times,
        "inits_bytes": measured.inits.memory,
        "launcher_bytes": measured.launcher_bytes,
        "machine": measured.machine.iter().map(|(name, value)| (*name, value)).collect::<std::collections::BTreeMap<_, _>>(),
    })
}

/// What the numbers contain that they do not say.
const NOTES: &str = "\
- All runs on the same cores: load generator, server, launcher and OTLP receiver. At 32 connections the cores are full, so \
what the launcher and the receiver use is taken from the server: throughput kept is less than the application's own CPU \
time says. Every request is sampled and exported.
- The application's extra CPU is the difference of two medians; why it differs between \
the loads (idle states, caches shared with the other processes) was not separated.
- A probe hit costs the trap and its emulation (0.5 to 0.9 µs on such a machine) besides the BPF program's own time.";
