//! What the command line and the environment mean. Pure: no file, network or process is looked at.
//!
//! A flag wins over its variable, a variable over the default; an empty variable is an unset one. A value that cannot
//! be used becomes a [`Problem`], and the next best one holds: configuration never keeps the command from running.

mod database;
mod endpoint;
mod exporters;
mod functions;
mod init;
mod methods;
mod otlp;
mod proxy;
mod reader;
mod resource;
mod sampling;
mod signal;

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::command_line::CommandLine;
use crate::engine::EngineKind;
use crate::kernel::UprobeKind;
use crate::log::Level;
use crate::probes::sdk::Sdk;
use crate::user_function::UserFunction;

pub use database::{Database, StatementPolicy};
pub use endpoint::{Endpoint, Protocol};
use exporters::{exporters, propagators};
pub use init::Init;
pub use methods::KnownMethods;
pub use otlp::{Headers, Otlp};
pub use proxy::Proxy;
pub use reader::Problem;
use reader::Reader;
pub(crate) use reader::percent_decode;
pub use resource::Resource;
pub use sampling::{Batch, DEFAULT_QUEUE_SIZE, Limits, RootSampler, Sampler};

/// Everything there is to configure.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, one per variable")]
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is to be done.
    pub mode: Mode,
    /// Reports are printed as JSON.
    pub json: bool,
    /// A command that would run untraced is not run.
    pub strict: bool,
    /// The process's memory may be written to.
    pub may_write: bool,
    /// Which engine carries probes out; `None`: the native one where it can be used, else BPF.
    pub engine: Option<EngineKind>,
    /// How uprobes are attached; `None`: as the kernel can.
    pub uprobes: Option<UprobeKind>,
    /// Nothing is to be traced at all.
    pub disabled: bool,
    /// How much the launcher says.
    pub log_level: Level,
    /// How signals are forwarded, and with which status the launcher ends.
    pub init: Init,
    /// How long sending may go on after the command's end.
    pub flush_timeout: Duration,
    /// What the spans say about the program.
    pub resource: Resource,
    /// Spans are drawn on standard error.
    pub console: bool,
    /// Spans are sent, and how.
    pub otlp: Option<Otlp>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Which headers are extracted and injected, in the order given; empty: none.
    pub propagators: Vec<Propagator>,
    /// How spans are gathered before they are sent.
    pub batch: Batch,
    /// How much a span may hold.
    pub limits: Limits,
    /// The HTTP methods that are known.
    pub known_methods: KnownMethods,
    /// What spans of databases say of statements.
    pub database: Database,
    /// The user's own functions of which each call is a span.
    pub functions: Vec<UserFunction>,
    /// What becomes of the program's own use of OpenTelemetry.
    pub sdk: Sdk,
    /// Names of instrumentations that are left out.
    pub disabled_instrumentations: Vec<String>,
}

/// What spans are made by.
#[derive(Clone, Debug)]
pub struct SpanSettings {
    /// How much a span may hold.
    pub limits: Limits,
    /// The HTTP methods that are known.
    pub known_methods: KnownMethods,
    /// What is said of statements.
    pub database: Database,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Start the command and trace what of it is a Go program.
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
    /// What spans are made by.
    #[must_use]
    pub fn spans(&self) -> SpanSettings {
        SpanSettings { limits: self.limits, known_methods: self.known_methods.clone(), database: self.database }
    }

    /// Why the user does not want a trace.
    #[must_use]
    pub fn untraced_by_choice(&self) -> Option<&'static str> {
        if self.disabled {
            Some("OTEL_SDK_DISABLED is true")
        } else if self.otlp.is_none() && !self.console {
            Some("OTEL_TRACES_EXPORTER is none")
        } else {
            None
        }
    }

    /// Why the user does not want the process's memory to be written to.
    #[must_use]
    pub fn not_stored(&self) -> Option<&'static str> {
        (!self.may_write).then_some("--no-write")
    }

    /// The same, or why there is nothing to be injected.
    #[must_use]
    pub fn not_written(&self) -> Option<&'static str> {
        self.not_stored().or(self.propagators.is_empty().then_some("OTEL_PROPAGATORS is none"))
    }

    /// What `typed` and `environment` (a variable's name to its value) mean, and what of it cannot be used.
    pub fn from<E: Fn(&str) -> Option<OsString>>(typed: &CommandLine, environment: &E) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(typed, environment);
        let (console, otlp) = exporters(&mut reader);
        let config = Self {
            mode: mode(&mut reader),
            json: reader.switch("GO_AUTO_LAUNCH_JSON"),
            strict: reader.switch("GO_AUTO_LAUNCH_STRICT"),
            may_write: !reader.switch("GO_AUTO_LAUNCH_NO_WRITE"),
            engine: engine(&mut reader),
            uprobes: uprobes(&mut reader),
            disabled: reader.switch("OTEL_SDK_DISABLED"),
            log_level: log_level(&mut reader),
            init: Init::read(&mut reader),
            flush_timeout: reader.first(&["GO_AUTO_LAUNCH_FLUSH_TIMEOUT"], time).unwrap_or(Duration::from_secs(2)),
            resource: Resource::read(&mut reader),
            console,
            otlp,
            sampler: Sampler::read(&mut reader),
            propagators: propagators(&mut reader),
            batch: Batch::read(&mut reader),
            limits: Limits::read(&mut reader),
            known_methods: KnownMethods::read(&mut reader),
            database: Database::read(&mut reader),
            functions: functions::read(&mut reader),
            sdk: sdk(&mut reader),
            disabled_instrumentations: reader
                .list("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", |name| Some(name.to_owned()))
                .unwrap_or_default(),
        };
        (config, reader.problems)
    }
}

fn mode<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Mode {
    const PID: &str = "GO_AUTO_LAUNCH_PID";
    const INSTALL: &str = "GO_AUTO_LAUNCH_INSTALL";
    const SUPPORTED: &str = "GO_AUTO_LAUNCH_SUPPORTED_VERSIONS";
    let attach = |text: &str| text.parse().ok().map(Mode::Attach);
    // A mode that was typed leaves the variables of the others unread. A path need not be Unicode.
    if let Some(mode) = reader.flag(PID, attach) {
        return mode;
    }
    if let Some(path) = reader.typed.value(INSTALL) {
        return Mode::Install(PathBuf::from(path));
    }
    if reader.typed.has(SUPPORTED) {
        return Mode::SupportedVersions;
    }
    if reader.switch("GO_AUTO_LAUNCH_CHECK") {
        return Mode::Check;
    }
    if reader.switch(SUPPORTED) {
        return Mode::SupportedVersions;
    }
    let install = reader.variable(&[INSTALL], |text| Some(Mode::Install(PathBuf::from(text))));
    let attach = reader.variable(&[PID], attach);
    if reader.typed.command.is_empty() {
        return install.or(attach).unwrap_or(Mode::Launch);
    }
    // A command wins over these: the application always runs.
    let named = [install.map(|_path| INSTALL), attach.map(|_pid| PID)];
    reader.problems.extend(named.into_iter().flatten().map(|name| Problem::NoEffect { name }));
    Mode::Launch
}

fn engine<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Option<EngineKind> {
    reader
        .first(&["GO_AUTO_LAUNCH_ENGINE"], |text| match text {
            "auto" => Some(None),
            "native" => Some(Some(EngineKind::Native)),
            "bpf" => Some(Some(EngineKind::Bpf)),
            _ => None,
        })
        .flatten()
}

fn sdk<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Sdk {
    let known = |text: &str| [Sdk::Join, Sdk::OnlyAuto, Sdk::Off].into_iter().find(|sdk| sdk.name() == text);
    reader.first(&["GO_AUTO_LAUNCH_SDK"], known).unwrap_or_default()
}

fn uprobes<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Option<UprobeKind> {
    reader
        .first(&["GO_AUTO_LAUNCH_UPROBES"], |text| match text {
            "auto" => Some(None),
            "multi" => Some(Some(UprobeKind::Multi)),
            "perf-event" => Some(Some(UprobeKind::PerfEvent)),
            _ => None,
        })
        .flatten()
}

fn log_level<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Level {
    if reader.switch("GO_AUTO_LAUNCH_VERBOSE") {
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

#[cfg(test)]
mod tests;
