//! What the command line and the environment mean. Pure: no file, network or process is looked at.
//!
//! A flag wins over its variable, a variable over the default; an empty variable is an unset one. A value that cannot
//! be used becomes a [`Problem`], and the next best one holds: configuration never keeps the program from running.

mod endpoint;
mod init;
mod methods;
mod otlp;
mod proxy;
mod reader;
mod sampling;
mod signal;
mod variables;

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::command_line::CommandLine;
use crate::kernel::UprobeKind;
use crate::log::Level;

pub use endpoint::{Endpoint, Protocol};
pub use init::Init;
pub use methods::KnownMethods;
pub use otlp::{Headers, Otlp};
pub use proxy::Proxy;
pub use reader::Problem;
use reader::{Reader, pairs};
pub use sampling::{Batch, DEFAULT_QUEUE_SIZE, Limits, RootSampler, Sampler};
pub use variables::{VARIABLES, Variable};

/// Everything there is to configure.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, one per variable")]
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is to be done.
    pub mode: Mode,
    /// Reports are printed as JSON.
    pub json: bool,
    /// A program that would run untraced is not run.
    pub strict: bool,
    /// The program's memory may be written to.
    pub may_write: bool,
    /// How probes are attached; `None`: as the kernel can.
    pub uprobes: Option<UprobeKind>,
    /// Nothing is to be traced at all.
    pub disabled: bool,
    /// How much the launcher says.
    pub log_level: Level,
    /// How signals and the exit status are passed on.
    pub init: Init,
    /// How long sending may go on after the program's end.
    pub flush_timeout: Duration,
    /// What the spans say about the program.
    pub resource: Resource,
    /// Spans are drawn on standard error.
    pub console: bool,
    /// Spans are sent, and how.
    pub otlp: Option<Otlp>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// The headers that carry the trace, in the order given; empty: none are read or written.
    pub propagators: Vec<Propagator>,
    /// How spans are gathered before they are sent.
    pub batch: Batch,
    /// How much a span may hold.
    pub limits: Limits,
    /// The HTTP methods that are known.
    pub known_methods: KnownMethods,
    /// Names of instrumentations that are left out.
    pub disabled_instrumentations: Vec<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Start the program and trace it.
    Launch,
    /// Say what would be traced.
    Check,
    /// Attach to a running process.
    Attach(NonZeroU32),
    /// Copy the launcher.
    Install(PathBuf),
    /// Print what is supported.
    SupportedVersions,
}

/// What the environment says about the resource. The rest is found out by [`crate::resource`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`
    pub service_name: Option<String>,
    /// `service.version`
    pub service_version: Option<String>,
    /// `deployment.environment.name`
    pub deployment_environment: Option<String>,
    /// Further attributes, without the three above; of a repeated key the last one.
    pub attributes: Vec<(String, String)>,
}

/// The known propagation formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagator {
    /// W3C `traceparent` and `tracestate`.
    TraceContext,
    /// W3C `baggage`.
    Baggage,
    /// The one header `b3`.
    B3,
    /// The headers `X-B3-…`.
    B3Multi,
}

impl Config {
    /// What `typed` and `environment` (a variable's name to its value) mean, and what of it cannot be used.
    pub fn from<E: Fn(&str) -> Option<OsString>>(typed: &CommandLine, environment: &E) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(environment);
        let (console, otlp) = exporters(typed, environment, &mut reader);
        let config = Self {
            mode: mode(typed, &mut reader),
            json: reader.switch(typed.json, "GO_AUTO_LAUNCH_JSON"),
            strict: reader.switch(typed.strict, "GO_AUTO_LAUNCH_STRICT"),
            may_write: !reader.switch(typed.no_write, "GO_AUTO_LAUNCH_NO_WRITE"),
            uprobes: uprobes(typed, &mut reader),
            disabled: reader.switch(false, "OTEL_SDK_DISABLED"),
            log_level: log_level(typed, &mut reader),
            init: Init::read(typed, &mut reader),
            flush_timeout: reader
                .flag_or(typed.flush_timeout.as_deref(), &["GO_AUTO_LAUNCH_FLUSH_TIMEOUT"], time)
                .unwrap_or(Duration::from_secs(2)),
            resource: Resource::read(typed, &mut reader),
            console,
            otlp,
            sampler: Sampler::read(&mut reader),
            propagators: propagators(&mut reader),
            batch: Batch::read(&mut reader),
            limits: Limits::read(&mut reader),
            known_methods: KnownMethods::read(&mut reader),
            disabled_instrumentations: reader
                .list("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", |name| Some(name.to_owned()))
                .unwrap_or_default(),
        };
        (config, reader.problems)
    }
}

fn mode<E: Fn(&str) -> Option<OsString>>(typed: &CommandLine, reader: &mut Reader<'_, E>) -> Mode {
    // A mode that was typed leaves the variables of the others unread.
    if let Some(pid) = typed.pid {
        return Mode::Attach(pid);
    }
    if let Some(path) = &typed.install {
        return Mode::Install(path.clone());
    }
    if typed.supported_versions {
        return Mode::SupportedVersions;
    }
    if reader.switch(typed.check, "GO_AUTO_LAUNCH_CHECK") {
        return Mode::Check;
    }
    if reader.switch(false, "GO_AUTO_LAUNCH_SUPPORTED_VERSIONS") {
        return Mode::SupportedVersions;
    }
    let install = reader.first(&["GO_AUTO_LAUNCH_INSTALL"], |text| Some(Mode::Install(PathBuf::from(text))));
    let attach = reader.first(&["GO_AUTO_LAUNCH_PID"], |text| text.parse().ok().map(Mode::Attach));
    if typed.program.is_empty() {
        return install.or(attach).unwrap_or(Mode::Launch);
    }
    // A program to run wins over these: the application always runs.
    let named = [install.map(|_path| "GO_AUTO_LAUNCH_INSTALL"), attach.map(|_pid| "GO_AUTO_LAUNCH_PID")];
    reader.problems.extend(named.into_iter().flatten().map(|name| Problem::NoEffect { name }));
    Mode::Launch
}

fn uprobes<E: Fn(&str) -> Option<OsString>>(typed: &CommandLine, reader: &mut Reader<'_, E>) -> Option<UprobeKind> {
    reader
        .flag_or(typed.uprobes.as_deref(), &["GO_AUTO_LAUNCH_UPROBES"], |text| match text {
            "auto" => Some(None),
            "multi" => Some(Some(UprobeKind::Multi)),
            "perf-event" => Some(Some(UprobeKind::PerfEvent)),
            _ => None,
        })
        .flatten()
}

fn log_level<E: Fn(&str) -> Option<OsString>>(typed: &CommandLine, reader: &mut Reader<'_, E>) -> Level {
    if reader.switch(typed.verbose, "GO_AUTO_LAUNCH_VERBOSE") {
        return Level::Debug;
    }
    reader
        .first(&["OTEL_LOG_LEVEL"], |text| {
            Some(match text.to_ascii_lowercase().as_str() {
                "none" | "off" => Level::Off,
                "error" | "fatal" => Level::Error,
                "warn" | "warning" => Level::Warn,
                "info" => Level::Info,
                "debug" | "trace" | "verbose" | "all" => Level::Debug,
                _ => return None,
            })
        })
        .unwrap_or_default()
}

/// A number with `ms`, `s` or `m` behind it; a bare number is seconds. Fractions are allowed.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|char: char| char.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * seconds_per_unit).ok().map(|time| time.min(LONGEST_TIME))
}

/// Longer times are cut to this: they mean "for ever", and sums with them must not overflow.
const LONGEST_TIME: Duration = Duration::from_hours(24);

/// The exporters a list may name; `None` stands for `none`.
fn exporters<E: Fn(&str) -> Option<OsString>>(
    typed: &CommandLine,
    environment: &E,
    reader: &mut Reader<'_, E>,
) -> (bool, Option<Otlp>) {
    #[derive(PartialEq)]
    enum Exporter {
        Otlp,
        Console,
        Nothing,
    }
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    let flag = reader.switch(typed.console, "GO_AUTO_LAUNCH_CONSOLE");
    let listed = reader.list(NAME, |name| match &*name.to_ascii_lowercase() {
        "otlp" => Some(Exporter::Otlp),
        "console" | "logging" => Some(Exporter::Console),
        "none" => Some(Exporter::Nothing),
        _ => None,
    });
    // `--console` alone means: no collector is needed. With an endpoint or a list, it is added to what they say.
    let (otlp, console) = match &listed {
        Some(list) if list.contains(&Exporter::Nothing) => (false, false),
        Some(list) => (list.contains(&Exporter::Otlp), list.contains(&Exporter::Console)),
        None => (!flag || otlp::has_endpoint(typed, environment), false),
    };
    (flag || console, otlp.then(|| Otlp::read(typed, reader)))
}

fn propagators<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Vec<Propagator> {
    let listed = reader.list("OTEL_PROPAGATORS", |name| match &*name.to_ascii_lowercase() {
        "tracecontext" => Some(Some(Propagator::TraceContext)),
        "baggage" => Some(Some(Propagator::Baggage)),
        "b3" => Some(Some(Propagator::B3)),
        "b3multi" => Some(Some(Propagator::B3Multi)),
        "none" => Some(None),
        _ => None,
    });
    match listed {
        // `none` anywhere in the list switches all off: collecting options gives None.
        Some(list) => list.into_iter().collect::<Option<_>>().unwrap_or_default(),
        None => vec![Propagator::TraceContext, Propagator::Baggage],
    }
}

impl Resource {
    /// The variables of their own win over the same attributes in the list.
    fn read<E: Fn(&str) -> Option<OsString>>(typed: &CommandLine, reader: &mut Reader<'_, E>) -> Self {
        let text = |text: &str| Some(text.to_owned());
        let mut attributes = reader.first(&["OTEL_RESOURCE_ATTRIBUTES"], pairs).unwrap_or_default();
        let mut take = |key: &str| {
            let last = attributes.iter().rfind(|(found, _)| found == key);
            let value = last.map(|(_, value)| value.clone());
            attributes.retain(|(found, _)| found != key);
            value.filter(|value| !value.is_empty())
        };
        let listed = [take("service.name"), take("service.version"), take("deployment.environment.name")];
        let [name, version, deployment] = listed;
        let service_name = reader.flag_or(typed.service_name.as_deref(), &["OTEL_SERVICE_NAME"], text);
        let mut unique: Vec<(String, String)> = Vec::new();
        for (key, value) in attributes {
            unique.retain(|(found, _)| *found != key);
            unique.push((key, value));
        }
        Self {
            service_name: service_name.or(name),
            service_version: reader.first(&["OTEL_SERVICE_VERSION"], text).or(version),
            deployment_environment: reader.first(&["OTEL_DEPLOYMENT_ENVIRONMENT"], text).or(deployment),
            attributes: unique,
        }
    }
}

#[cfg(test)]
mod tests;
