//! What the project promises, beside what was measured.

use crate::inits::{Inits, PROGRAMS};
use crate::options::{INITS, Options};
use crate::rounds::{LOADS, Measured, Measurement};
use crate::subject::Mode;
use crate::workload::Kind;

use super::MIB;

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
}

/// A value beside what is promised.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    bound: Bound,
}

impl Goal {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, bound: Bound) -> Self {
        Self { name: name.into(), value, unit, bound }
    }

    /// The value as people read it; they compare that with the goal.
    pub(super) fn shown(&self) -> String {
        format!("{:.1}", self.value)
    }

    pub(super) fn is_met(&self) -> bool {
        let shown = self.shown().parse().unwrap_or(self.value);
        match self.bound {
            Bound::AtMost(most) => shown <= most,
            Bound::AtLeast(least) => shown >= least,
            Bound::Below(limit) => shown < limit,
        }
    }

    pub(super) fn bound(&self) -> String {
        match self.bound {
            Bound::AtMost(most) => format!("≤ {most} {}", self.unit),
            Bound::AtLeast(least) => format!("≥ {least} {}", self.unit),
            Bound::Below(limit) => format!("< {limit} {}", self.unit),
        }
    }
}

/// The goals of all that was measured.
pub(super) fn all(options: &Options, measured: &Measured) -> Vec<Goal> {
    let (servers, others): (Vec<_>, Vec<_>) = measured.workloads.iter().partition(|one| one.workload.kind == Kind::Server);
    let mut goals: Vec<_> = servers.into_iter().flat_map(of_server).collect();
    if options.wants(INITS) {
        goals.extend(of_inits(&measured.inits));
    }
    goals.extend(others.into_iter().flat_map(|measurement| match measurement.workload.kind {
        Kind::Server => of_server(measurement),
        Kind::Outgoing => of_outgoing(measurement),
        Kind::Operations { count, most, .. } => of_operations(measurement, count, most),
        Kind::Api { count, most } => of_api(measurement, count, most),
        Kind::Calls => of_calls(measurement),
        Kind::Catalog => of_catalog(measurement),
    }));
    let of_launcher = measured.workloads.iter().filter_map(|workload| workload.spans.get(&Mode::Traced));
    let lost: u64 = of_launcher.map(|spans| spans.expected.saturating_sub(spans.received)).sum();
    goals.push(Goal::new("spans lost", lost as f64, "spans", Bound::AtMost(0.0)));
    goals
}

fn of_server(server: &Measurement) -> Vec<Goal> {
    let [_one, (many, ..), (fixed, ..)] = LOADS;
    let traced = |name: &str| server.median(Mode::Traced, name).unwrap_or_default();
    let extra = |mode: Mode, load: &str| server.added(mode, &format!("{load}: application CPU"));
    let kept = |mode: Mode| server.ratio(mode, &format!("{many}: requests/s")) * 100.0;
    let gone = |mode: Mode| server.median(mode, "exit delay").unwrap_or_default();
    vec![
        Goal::new("launch delay", server.added(Mode::Traced, "launch delay"), "ms", Bound::AtMost(10.0)),
        Goal::new("extra CPU per request, application", extra(Mode::Traced, many), "µs", Bound::AtMost(0.6)),
        Goal::new("extra CPU per request, launcher", traced(&format!("{many}: launcher CPU")), "µs", Bound::AtMost(1.0)),
        Goal::new("throughput kept at 32 connections", kept(Mode::Traced), "%", Bound::AtLeast(75.0)),
        Goal::new("the same, nothing sampled", kept(Mode::Unsampled), "%", Bound::AtLeast(95.0)),
        Goal::new("launcher RSS", traced("launcher RSS") / MIB, "MiB", Bound::AtMost(10.0)),
        Goal::new("gone after the application", gone(Mode::Traced), "ms", Bound::AtMost(3.0)),
        Goal::new("gone after the application, after load", traced("exit delay after load"), "ms", Bound::AtMost(50.0)),
        Goal::new("BPF: launch delay", server.added(Mode::Bpf, "launch delay"), "ms", Bound::AtMost(30.0)),
        Goal::new("BPF: extra CPU per request, application", extra(Mode::Bpf, fixed), "µs", Bound::AtMost(4.0)),
        Goal::new("BPF: throughput kept at 32 connections", kept(Mode::Bpf), "%", Bound::AtLeast(85.0)),
        Goal::new("BPF: gone after the application", gone(Mode::Bpf), "ms", Bound::AtMost(50.0)),
    ]
}

fn of_inits(inits: &Inits) -> Vec<Goal> {
    let memory = inits.memory.get("go-auto-launch").map_or(0.0, |bytes| *bytes as f64 / MIB);
    vec![
        Goal::new("/bin/true, over tini", inits.over_tini(PROGRAMS[0]), "ms", Bound::AtMost(2.0)),
        Goal::new("a trivial Go program, over tini", inits.over_tini(PROGRAMS[1]), "ms", Bound::AtMost(2.0)),
        Goal::new("launcher RSS, nothing traced", memory, "MiB", Bound::AtMost(6.0)),
    ]
}

/// Of a program that sends requests. The CPU of a server which sends some is not told apart from that of its own span.
fn of_outgoing(measurement: &Measurement) -> Vec<Goal> {
    let workload = measurement.workload;
    let name = workload.name;
    let hits = measurement.counted.get(&Mode::Bpf).map_or(0.0, |counted| counted.hits("http_client"));
    let hits = hits / workload.outgoing.max(1) as f64;
    let mut goals = vec![Goal::new(format!("{name}: probe hits per outgoing request"), hits, "hits", Bound::AtMost(3.0))];
    if workload.modes.contains(&Mode::Unsampled) {
        let [_one, (many, ..), (fixed, ..)] = LOADS;
        let application = measurement.added(Mode::Traced, &format!("{many}: application CPU"));
        let [sampled, unsampled] = [Mode::Traced, Mode::Unsampled].map(|mode| measurement.extra_cpu(mode, fixed));
        let part = if sampled > 0.0 { unsampled / sampled * 100.0 } else { 100.0 };
        goals.extend([
            Goal::new(format!("{name}: extra CPU per outgoing request, application"), application, "µs", Bound::AtMost(1.5)),
            Goal::new(format!("{name}: extra CPU per outgoing request, all included"), sampled, "µs", Bound::AtMost(8.0)),
            Goal::new(format!("{name}: of that, an unsampled request"), part, "%", Bound::Below(50.0)),
        ]);
    }
    goals
}

/// Of a program that does what tables describe. What takes less than a tenth of a microsecond is given in nanoseconds.
fn of_operations(measurement: &Measurement, count: u32, most: f64) -> Vec<Goal> {
    let name = measurement.workload.name;
    let [(one, ..), _many, (fixed, ..)] = LOADS;
    let extra = measurement.extra_cpu(Mode::Traced, fixed) / f64::from(count);
    let (unit, factor) = if most < 0.1 { ("ns", 1_000.0) } else { ("µs", 1.0) };
    let mut goals =
        vec![Goal::new(format!("{name}: extra CPU of each, all included"), extra * factor, unit, Bound::AtMost(most * factor))];
    if !measurement.workload.is_paced() {
        let application = measurement.added(Mode::Traced, &format!("{one}: application CPU"));
        goals.push(Goal::new(format!("{name}: extra CPU of each, application"), application, "µs", Bound::AtMost(0.5)));
    }
    goals
}

/// Of a program that calls the OpenTelemetry API within requests: over what the requests alone cost, which are traced in any case.
fn of_api(measurement: &Measurement, count: u32, most: f64) -> Vec<Goal> {
    let name = measurement.workload.name;
    if count == 0 {
        // What that costs is far below what a request costs at random.
        let hits = measurement.counted.get(&Mode::Bpf).map_or(0.0, |counted| counted.hits("otel_api"));
        return vec![Goal::new(format!("{name}: probe hits of the API per request"), hits, "hits", Bound::AtMost(0.0))];
    }
    let [_one, _many, (fixed, ..)] = LOADS;
    let extra = measurement.extra_cpu_over(Mode::Traced, Mode::HttpAlone, fixed) / f64::from(count);
    vec![Goal::new(format!("{name}: extra CPU of each, all included"), extra, "µs", Bound::AtMost(most))]
}

/// Of a program that makes calls to itself.
fn of_calls(measurement: &Measurement) -> Vec<Goal> {
    let name = measurement.workload.name;
    let [_one, (many, ..), _fixed] = LOADS;
    let kept = measurement.ratio(Mode::Traced, &format!("{many}: requests/s")) * 100.0;
    let extra = measurement.added(Mode::Traced, &format!("{many}: application CPU")) / 2.0;
    let programs = ["operations", "served_operations", "annotations", "grpc_client"];
    let hits = measurement.counted.get(&Mode::Bpf).map_or(0.0, |counted| programs.iter().map(|name| counted.hits(name)).sum());
    vec![
        Goal::new(format!("{name}: throughput kept at 32 connections"), kept, "%", Bound::AtLeast(85.0)),
        Goal::new(format!("{name}: extra CPU per call and side, application"), extra, "µs", Bound::AtMost(2.0)),
        Goal::new(format!("{name}: probe hits per call and side"), hits / 2.0, "hits", Bound::AtMost(3.0)),
    ]
}

/// Of a program with several libraries in it.
fn of_catalog(measurement: &Measurement) -> Vec<Goal> {
    let [all, alone] = [Mode::Traced, Mode::HttpAlone].map(|mode| measurement.median(mode, "launch delay").unwrap_or_default());
    let name = measurement.workload.name;
    vec![Goal::new(format!("{name}: launch delay, over `net/http` alone"), all - alone, "ms", Bound::AtMost(2.0))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_compared() {
        let is_met = |value, bound| Goal::new("hits", value, "hits", bound).is_met();
        assert!(is_met(3.006, Bound::AtMost(3.0)) && !is_met(3.06, Bound::AtMost(3.0)));
        assert!(is_met(84.96, Bound::AtLeast(85.0)) && !is_met(84.94, Bound::AtLeast(85.0)));
        assert!(is_met(49.94, Bound::Below(50.0)) && !is_met(49.96, Bound::Below(50.0)));
    }
}
