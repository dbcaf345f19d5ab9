//! Medians, ratios and goals: a Markdown text for people, JSON for programs.

mod goals;
mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bpf_stats::Program;
use crate::options::Options;
use crate::rounds::{Counted, Measured, Measurement, Spans};
use goals::Goal;

const MIB: f64 = 1024.0 * 1024.0;

/// The finished report.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) markdown: String,
    json: Value,
}

impl Report {
    /// Makes both forms.
    pub(crate) fn new(options: &Options, measured: &Measured) -> anyhow::Result<Self> {
        let goals = goals::all(options, measured);
        Ok(Self { markdown: markdown::write(options, measured, &goals)?, json: to_json(options, measured, &goals) })
    }

    /// Writes `RESULTS.md` and `results.json`.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::write(folder.join("RESULTS.md"), &self.markdown).context("RESULTS.md")?;
        let json = serde_json::to_string_pretty(&self.json)? + "\n";
        fs::write(folder.join("results.json"), json).context("results.json")
    }
}

fn to_json(options: &Options, measured: &Measured, goals: &[Goal]) -> Value {
    let goals = goals.iter().map(
        |goal| json!({ "name": goal.name, "value": goal.value, "unit": goal.unit, "wanted": goal.bound(), "met": goal.is_met() }),
    );
    let workloads = measured.workloads.iter().map(|measurement| (measurement.workload.name, workload(options, measurement)));
    json!({
        "rounds": options.rounds,
        "seconds": options.seconds.as_secs_f64(),
        "goals": goals.collect::<Vec<_>>(),
        "workloads": workloads.collect::<BTreeMap<_, _>>(),
        "inits_milliseconds": measured.inits.times,
        "inits_bytes": measured.inits.memory,
        "launcher_bytes": measured.launcher_bytes,
        "machine": measured.machine.iter().map(|(name, value)| (*name, value)).collect::<BTreeMap<_, _>>(),
    })
}

fn workload(options: &Options, measurement: &Measurement) -> Value {
    let values = measurement.values.iter().map(|(mode, values)| (mode.name(), values.all()));
    let spans = measurement
        .spans
        .iter()
        .map(|(mode, Spans { expected, received })| (mode.name(), json!({ "expected": expected, "received": received })));
    let statistics = measurement.counted.iter().map(|(mode, counted)| (mode.name(), statistics(counted)));
    json!({
        "rate": measurement.workload.rate(options.rate),
        "values": values.collect::<BTreeMap<_, _>>(),
        "spans": spans.collect::<BTreeMap<_, _>>(),
        "statistics": statistics.collect::<BTreeMap<_, _>>(),
    })
}

fn statistics(counted: &Counted) -> Value {
    let program = |program: &Program| json!({ "name": program.name, "hits": program.hits, "nanoseconds": program.nanoseconds });
    json!({ "requests": counted.requests, "programs": counted.programs.iter().map(program).collect::<Vec<_>>() })
}
