//! One run: the program is started, held, armed, let go, waited for; then what it left is flushed.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use nix::unistd::Pid;

use crate::arm::{Armed, Untraced, arm};
use crate::capabilities::{drop_for_good, raised, reset_tracing};
use crate::child::{self, AtBarrier, Exited, MappedExe, Program, Running, Signals, SpawnError, StartEvent, Stopped};
use crate::config::Config;
use crate::export::Exporting;
use crate::export::settings::ExportSettings;
use crate::log;
use crate::outcome::Outcome;
use crate::resource::gather::facts;
use crate::resource::{ResourceSettings, resource};
use crate::telemetry::Telemetry;

/// Programs that are expected to execute another one: that they are not Go is not worth a line at once.
const WRAPPERS: [&str; 18] = [
    "sh",
    "bash",
    "dash",
    "ash",
    "busybox",
    "zsh",
    "env",
    "nice",
    "nohup",
    "setpriv",
    "setsid",
    "gosu",
    "su-exec",
    "su",
    "sudo",
    "tini",
    "dumb-init",
    "timeout",
];

/// How a launch ended.
enum Ended {
    /// The program ran.
    Ran(Exited),
    /// It was not let run, because it would not have been traced (`--strict`).
    Refused,
}

/// Runs a program under the launcher. `prepare` makes it; twice where the first attempt fails before the fork.
#[must_use]
pub fn launch(config: &Config, signals: &mut Signals, prepare: impl Fn() -> Program) -> Outcome {
    match run(config, signals, prepare()) {
        Ok(Ended::Ran(exited)) => Outcome::Program(exited.status()),
        Ok(Ended::Refused) => Outcome::Refused,
        Err(error @ SpawnError::System { .. }) => {
            log::warn(format_args!("{error}; the program runs untraced"));
            failed(&child::exec_in_place(prepare(), Some(signals)))
        }
        Err(error) => failed(&error),
    }
}

/// Says why the program could not be started.
#[must_use]
pub fn failed(error: &SpawnError) -> Outcome {
    log::error(format_args!("{error}"));
    Outcome::from(error)
}

fn run(config: &Config, signals: &mut Signals, program: Program) -> Result<Ended, SpawnError> {
    let mut starting = child::spawn(program, signals)?;
    // Why the program that was executed last is not traced, if that has not been said.
    let mut unsaid = None;
    let (running, telemetry) = loop {
        match starting.next(signals)? {
            StartEvent::Exec(stopped) => match at_exec(config, stopped, &mut unsaid) {
                Step::Follow(followed) => starting = followed,
                Step::Go(running, telemetry) => break (running, telemetry),
                Step::Refused => return Ok(Ended::Refused),
            },
            StartEvent::Barrier(barrier) => match at_barrier(config, barrier)? {
                Some(go) => break go,
                None => return Ok(Ended::Refused),
            },
            StartEvent::Running(running) => {
                say(unsaid.take());
                break (running, None);
            }
            StartEvent::Ended(exited) => {
                say(unsaid.take());
                return Ok(Ended::Ran(exited));
            }
        }
    };
    drop_for_good();
    reset_tracing();
    // The working directory is the program's business; ours would keep its file system from being unmounted.
    let _ = std::env::set_current_dir("/");
    let exited = running.wait(signals);
    if let Some(telemetry) = telemetry {
        flush(config, &exited, telemetry, signals);
    }
    Ok(Ended::Ran(exited))
}

/// What happens to a process at an exec stop.
enum Step {
    Follow(child::Starting),
    Go(Running, Option<Telemetry>),
    Refused,
}

fn at_exec(config: &Config, stopped: Stopped, unsaid: &mut Option<String>) -> Step {
    let (pid, path) = (process(stopped.pid()), stopped.exe());
    let begin = Instant::now();
    let armed = match &untraced_by_choice(config) {
        Some(why) => Err(Untraced::NotWanted(why)),
        None => stopped.map_exe().map_err(Untraced::Unopened).and_then(|exe| arm(pid, &path, exe, stopped.auxv().ok(), config)),
    };
    let file = raised(|| std::fs::read_link(&path)).unwrap_or(path);
    match armed {
        Ok(armed) => {
            say_traced(config, &file, &armed, begin);
            // The thread is started while the program is still held: its memory is in nobody's way then.
            let telemetry = start_telemetry(config, armed, pid);
            Step::Go(stopped.release(), telemetry)
        }
        // A wrapper may be a Go program itself, as gosu is.
        Err(why @ (Untraced::NotGo(_) | Untraced::NothingKnown(_))) if may_execute_another(config, &file, &why) => {
            let line = not_traced(&file, &why);
            if is_wrapper(&file) {
                *unsaid = Some(line);
            } else {
                *unsaid = None;
                say(Some(line));
            }
            Step::Follow(stopped.follow())
        }
        Err(why) => {
            say(Some(not_traced(&file, &why)));
            if config.strict && !matches!(why, Untraced::NotWanted(_)) {
                stopped.abandon();
                return Step::Refused;
            }
            Step::Go(stopped.release(), None)
        }
    }
}

/// Whether a program that cannot be traced is followed to what it executes.
fn may_execute_another(config: &Config, file: &Path, why: &Untraced) -> bool {
    is_wrapper(file) || (matches!(why, Untraced::NotGo(_)) && !config.strict)
}

/// Arms a program that is not traced by us and waits before its exec. `None` where it must not run (`--strict`).
fn at_barrier(config: &Config, barrier: AtBarrier) -> Result<Option<(Running, Option<Telemetry>)>, SpawnError> {
    let path = barrier.path().unwrap_or_default();
    log::debug(format_args!("{}: {}", path.display(), barrier.reason()));
    let armed = match &untraced_by_choice(config) {
        Some(why) => Err(Untraced::NotWanted(why)),
        None => MappedExe::read(&path)
            .map_err(Untraced::Unopened)
            .and_then(|exe| arm(process(barrier.pid()), &path, exe, None, config)),
    };
    match armed {
        Ok(armed) => {
            say_traced(config, &path, &armed, Instant::now());
            let telemetry = start_telemetry(config, armed, process(barrier.pid()));
            Ok(Some((barrier.go()?, telemetry)))
        }
        Err(why) => {
            say(Some(not_traced(&path, &why)));
            if config.strict && !matches!(why, Untraced::NotWanted(_)) {
                barrier.abandon();
                return Ok(None);
            }
            Ok(Some((barrier.go()?, None)))
        }
    }
}

/// Why the user does not want a trace.
fn untraced_by_choice(config: &Config) -> Option<&'static str> {
    if config.disabled {
        Some("OTEL_SDK_DISABLED is true")
    } else if config.otlp.is_none() && !config.console {
        Some("OTEL_TRACES_EXPORTER is none")
    } else {
        None
    }
}

fn not_traced(file: &Path, why: &Untraced) -> String {
    format!("{} is not traced: {why}", file.display())
}

fn say(line: Option<String>) {
    if let Some(line) = line {
        log::warn(format_args!("{line}"));
    }
}

fn is_wrapper(file: &Path) -> bool {
    file.file_name().and_then(|name| name.to_str()).is_some_and(|name| WRAPPERS.contains(&name))
}

/// The one line at the start.
fn say_traced(config: &Config, file: &Path, armed: &Armed, begin: Instant) {
    let names: Vec<&str> = armed.plan.planned.iter().map(|planned| planned.name).collect();
    let destination = match (&config.otlp, config.console) {
        (Some(otlp), _) => format!("{} ({})", otlp.endpoint, otlp.protocol),
        (None, _) => "the console".to_owned(),
    };
    let version = armed.build_info.go_version.as_ref().map_or("Go", |version| version.raw.as_str());
    log::info(format_args!("tracing {} ({version}): {}; spans go to {destination}", file.display(), names.join(", ")));
    log::debug(format_args!("{} probes armed in {:?}", armed.attached.sites, begin.elapsed()));
    for (name, why) in &armed.plan.left_out {
        log::debug(format_args!("{name} is left out: {why}"));
    }
    for missing in armed.plan.planned.iter().flat_map(|planned| &planned.missing) {
        log::debug(format_args!("missing: {missing}"));
    }
}

fn start_telemetry(config: &Config, armed: Armed, pid: NonZeroU32) -> Option<Telemetry> {
    let settings = ExportSettings::from(config);
    let of_user = ResourceSettings::from(&config.resource);
    let build = armed.build_info.clone();
    let exporting = move || Exporting::start(&settings, &resource(&of_user, &facts(pid.get(), Some(build))));
    match Telemetry::start(armed, config.limits, exporting) {
        Ok(telemetry) => Some(telemetry),
        Err(error) => {
            log::warn(format_args!("no thread for telemetry: {error}; the program runs untraced"));
            None
        }
    }
}

/// Waits until the last spans are out, at most as long as the user allows.
fn flush(config: &Config, exited: &Exited, mut telemetry: Telemetry, signals: &Signals) {
    let deadline = Instant::now() + config.flush_timeout;
    telemetry.finish(deadline);
    match exited.wait_for(telemetry.done(), deadline + GRACE, signals) {
        child::FlushEnd::Done => {
            if telemetry.has_panicked() {
                log::error(format_args!("telemetry failed by a defect of go-auto-launch, please report it; spans are lost"));
            }
        }
        child::FlushEnd::Deadline => log::warn(format_args!("the flush timeout has passed; the spans not sent yet are lost")),
        child::FlushEnd::Interrupted => log::warn(format_args!("interrupted while flushing; the spans not sent yet are lost")),
    }
}

/// The telemetry thread keeps the deadline itself and then says what was lost; it gets this much more to say it.
const GRACE: std::time::Duration = std::time::Duration::from_millis(100);

fn process(pid: Pid) -> NonZeroU32 {
    u32::try_from(pid.as_raw()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}
