//! The processes that are traced in this run: they share one telemetry thread, and what is said about them.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::arm::{Armed, Untraced};
use crate::child::Image;
use crate::command_line::CommandLine;
use crate::config::{Config, Otlp};
use crate::export::Exporting;
use crate::export::settings::ExportSettings;
use crate::log;
use crate::resource::{ProcessFacts, ResourceSettings};
use crate::telemetry::{NewProcess, Telemetry};

/// The traced processes.
#[derive(Debug)]
pub struct Tracing<'c> {
    config: &'c Config,
    typed: &'c CommandLine,
    /// Made at the start, while relative paths are those of the user's working directory.
    export: ExportSettings,
    /// Starts with the first process.
    telemetry: Option<Telemetry>,
    /// The files about which a line was said.
    said: Vec<PathBuf>,
}

impl<'c> Tracing<'c> {
    /// Nothing is traced yet. `config` is what `typed` and the launcher's environment mean.
    #[must_use]
    pub fn new(config: &'c Config, typed: &'c CommandLine) -> Self {
        Self { config, typed, export: ExportSettings::from(config), telemetry: None, said: Vec::new() }
    }

    /// Whether anything was traced so far.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.telemetry.is_some()
    }

    /// What the user wants of a process with these variables of its own (`OTEL_…`); the launcher's where that is not
    /// known. A wrapper may have set a service name for each process it starts.
    #[must_use]
    pub fn config_of(&self, variables: Option<&[(OsString, OsString)]>) -> Config {
        let Some(variables) = variables else {
            return self.config.clone();
        };
        let lookup = |name: &str| {
            if name.starts_with("OTEL_") {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            } else {
                std::env::var_os(name)
            }
        };
        // The problems are those of the launcher's own environment, in all likelihood, and have been said.
        Config::from(self.typed, &lookup).0
    }

    /// Takes over an armed process that does not run yet, or attaches to one that does.
    pub fn add(&mut self, pid: NonZeroU32, file: &Path, process: ProcessFacts, armed: Armed, config: &Config, begin: Instant) {
        self.say_traced(file, &armed, begin);
        if self.telemetry.is_none() {
            let settings = self.export.clone();
            match Telemetry::start(move || Exporting::start(&settings)) {
                Ok(telemetry) => self.telemetry = Some(telemetry),
                Err(error) => {
                    log::warn(format_args!("no thread for telemetry: {error}; the program runs untraced"));
                    return;
                }
            }
        }
        if let Some(telemetry) = &self.telemetry {
            let mut process = process;
            // At the barrier it is the launcher's own memory so far.
            let image = if process.executable.is_some() { Image::of(pid).ok() } else { None };
            process.executable.get_or_insert_with(|| file.to_owned());
            let (said, spans) = (ResourceSettings::from(&config.resource), config.spans());
            telemetry.add(NewProcess { pid, armed, process, said, spans, file: file.to_owned(), image });
        }
    }

    /// One line for each file; when it is started again, it is said only on request.
    fn say_traced(&mut self, file: &Path, armed: &Armed, begin: Instant) {
        let names: Vec<&str> = armed.plan.planned.iter().map(|planned| planned.name).collect();
        let destination = self.config.otlp.as_ref().map_or_else(|| "the console".to_owned(), Otlp::destination);
        let version = armed.build_info.go_version.as_ref().map_or("Go", |version| version.raw.as_str());
        let why = armed.not_native.as_ref().map(|why| format!(", not the native one: {why}")).unwrap_or_default();
        let line = format!(
            "tracing {} ({version}, {} engine{why}): {}; spans go to {destination}",
            file.display(),
            armed.engine,
            names.join(", ")
        );
        if self.is_new(file) {
            log::info(format_args!("{line}"));
            // The user has asked for them: a misspelt name is not to be found out by their absence.
            armed.plan.without_spans().for_each(|why| log::warn(format_args!("{why}")));
        } else {
            log::debug(format_args!("{line}"));
        }
        log::debug(format_args!("{} probes armed in {:?}", armed.attached.sites, begin.elapsed()));
        for (name, why) in &armed.plan.left_out {
            log::debug(format_args!("{name} is left out: {why}"));
        }
        for missing in armed.plan.missing() {
            log::debug(format_args!("missing: {missing}"));
        }
    }

    /// Says, once for each file, that it is not traced.
    pub fn say_untraced(&mut self, file: &Path, why: &Untraced) {
        if self.is_new(file) {
            log::warn(format_args!("{} is not traced: {why}", file.display()));
        } else {
            log::debug(format_args!("{} is not traced: {why}", file.display()));
        }
        if let Some(detail) = why.detail() {
            log::debug(format_args!("{}: {detail}", file.display()));
        }
    }

    fn is_new(&mut self, file: &Path) -> bool {
        let is_new = !self.said.iter().any(|known| known == file);
        if is_new && self.said.len() < MAX_SAID {
            self.said.push(file.to_owned());
        }
        is_new
    }

    /// Waits until the last spans are out, at most as long as the user allows. `wait` waits for the descriptor until the
    /// time, and returns what it was that ended the wait.
    pub fn finish(self, wait: impl FnOnce(std::os::fd::BorrowedFd<'_>, Instant) -> crate::child::FlushEnd) {
        let Some(mut telemetry) = self.telemetry else {
            return;
        };
        let deadline = Instant::now() + self.config.flush_timeout;
        telemetry.finish(deadline);
        match wait(telemetry.done(), deadline + GRACE) {
            crate::child::FlushEnd::Done => {
                if telemetry.has_panicked() {
                    log::error(format_args!("telemetry failed by a defect of go-auto-launch, please report it; spans are lost"));
                }
            }
            crate::child::FlushEnd::Deadline => {
                log::warn(format_args!("the flush timeout has passed; the spans not sent yet are lost"));
            }
            crate::child::FlushEnd::Interrupted => {
                log::warn(format_args!("interrupted while flushing; the spans not sent yet are lost"));
            }
        }
    }
}

/// The telemetry thread keeps the deadline itself and then says what was lost; it gets this much more to say it.
const GRACE: std::time::Duration = std::time::Duration::from_millis(100);

/// Files remembered; a supervisor that starts more different ones gets a line for each.
const MAX_SAID: usize = 256;
