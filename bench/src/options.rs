//! The command line: `[--rounds N] [--seconds S] [--rate R] [--only PART]… [LAUNCHER]`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;

use crate::workload::WORKLOADS;

const USAGE: &str = "[--rounds N] [--seconds S] [--rate R] [--only PART]… [LAUNCHER]";
/// The part that is no workload.
pub(crate) const INITS: &str = "inits";

/// How much is measured, and of what.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How often everything is measured; the medians count.
    pub(crate) rounds: u32,
    /// How long each load lasts.
    pub(crate) seconds: Duration,
    /// Requests per second of the load that two cores sustain with ease.
    pub(crate) rate: u32,
    /// What alone is measured, for trying out; empty is everything.
    only: Vec<String>,
    /// The launcher.
    pub(crate) launcher: PathBuf,
}

impl Options {
    /// Reads the arguments behind the program's name.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self {
            rounds: 5,
            seconds: Duration::from_secs(5),
            rate: 10_000,
            only: Vec::new(),
            launcher: crate::subject::workspace().join("target/release/go-auto-launch"),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => options.rounds = value(&argument, arguments.next())?,
                "--rate" => options.rate = value(&argument, arguments.next())?,
                "--seconds" => {
                    let seconds: f64 = value(&argument, arguments.next())?;
                    options.seconds = Duration::try_from_secs_f64(seconds).context("--seconds")?;
                }
                "--only" => options.only.push(part(arguments.next())?),
                "--" => {}
                path if !path.starts_with('-') => options.launcher = PathBuf::from(path),
                other => anyhow::bail!("unknown option {other}; {USAGE}"),
            }
        }
        anyhow::ensure!(options.rounds > 0 && options.rate > 0 && !options.seconds.is_zero(), "nothing to measure");
        Ok(options)
    }

    /// Whether a part is to be measured.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.is_whole() || self.only.iter().any(|wanted| wanted == part)
    }

    /// Where results are written: what is not everything replaces no results of everything.
    pub(crate) fn folder(&self) -> &'static str {
        if self.is_whole() { "bench" } else { "target/bench" }
    }

    fn is_whole(&self) -> bool {
        self.only.is_empty()
    }
}

/// A workload's name, or that of the rest.
fn part(name: Option<String>) -> anyhow::Result<String> {
    let mut known = WORKLOADS.iter().map(|workload| workload.name).chain([INITS]);
    let names = known.clone().collect::<Vec<_>>().join(", ");
    name.filter(|name| known.any(|known| known == name)).with_context(|| format!("--only needs one of {names}"))
}

fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(option: &str, text: Option<String>) -> anyhow::Result<T> {
    let text = text.with_context(|| format!("{option} needs a value"))?;
    text.parse().with_context(|| format!("{option} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_the_launcher() {
        let parse = |text: &str| Options::parse(text.split_whitespace().map(str::to_owned));
        let options = parse("--rounds 2 --seconds 0.5 --rate 700 /x/y").unwrap();
        assert_eq!((options.rounds, options.rate, options.seconds), (2, 700, Duration::from_millis(500)));
        assert_eq!(options.launcher, PathBuf::from("/x/y"));
        assert!(parse("--rounds").is_err() && parse("--rounds x").is_err() && parse("--what").is_err());
        assert!(options.is_whole() && options.wants("client") && options.wants(INITS));
        let options = parse("--only client --only inits").unwrap();
        assert!(options.wants("client") && options.wants(INITS) && !options.wants("server"));
        assert_eq!(options.folder(), "target/bench");
        assert!(parse("--only nothing").is_err() && parse("--only").is_err());
        assert!(parse("--rounds 0").is_err() && parse("--seconds -1").is_err());
    }
}
