//! What go-auto-launch costs Go programs, against the same programs bare and with the OpenTelemetry SDK, in one interleaved run.
//!
//! Each round starts each program in each way, and asks all the same. Medians over the rounds become
//! `bench/RESULTS.md` and `bench/results.json`, or the same below `target/bench` with `--only`. Needs root, as the
//! launcher's probes do.
#![expect(clippy::cast_precision_loss, reason = "nanoseconds and counts of a benchmark are far below 2^53")]

mod bpf_stats;
mod clock;
mod inits;
mod load;
mod machine;
mod options;
mod outgoing;
mod process;
mod receiver;
mod report;
mod rounds;
mod sink;
mod subject;
mod workload;

use std::io::Write as _;
use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    anyhow::ensure!(nix::unistd::geteuid().is_root(), "root is needed: the launcher attaches probes");
    anyhow::ensure!(options.launcher.exists(), "{} does not exist: cargo build --release", options.launcher.display());
    let inits = if options.wants(options::INITS) {
        inits::run(&options.launcher, &subject::build("trivial")?)?
    } else {
        inits::Inits::default()
    };
    let measured = rounds::Measured { inits, ..rounds::run(&options)? };
    let report = report::Report::new(&options, &measured)?;
    report.write(&subject::workspace().join(options.folder()))?;
    std::io::stdout().write_all(report.markdown.as_bytes())?;
    Ok(())
}
