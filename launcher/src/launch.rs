//! One run: the program is started, held, armed, let go, waited for; then what it left is flushed.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bpf::config::{SamplerSetting, Setting};
use nix::unistd::Pid;

use crate::arm::{ArmSettings, Armed, Untraced, arm};
use crate::child::{self, Auxv, Environment, Exited, FlushEnd, MappedExe, Program, Running, Signals, SpawnError, StartEvent};
use crate::export::Exporting;
use crate::log;
use crate::outcome::Outcome;
use crate::spans::limits::SpanLimits;
use crate::telemetry::Telemetry;

/// The prefix of the launcher's own variables, which the program does not get.
const OWN_VARIABLES: &str = "GO_AUTO_LAUNCH_";

/// Runs the launcher. The first thing in `main`, before any thread exists.
#[must_use]
pub fn main() -> Outcome {
    let signals = Signals::take_over();
    let mut args = std::env::args_os().skip(1).skip_while(|arg| arg == "--");
    let Some(program) = args.next() else {
        log::error(format_args!("no program given"));
        return Outcome::Usage;
    };
    let args: Vec<OsString> = args.collect();
    let prepare = || {
        let environment = Environment::inherited().without(OWN_VARIABLES);
        Program::new(&program, &args, environment)
    };
    let mut signals = match signals {
        Ok(signals) => signals,
        Err(error) => {
            log::warn(format_args!("{error}; the program runs untraced"));
            return failed(&child::exec_in_place(prepare(), None));
        }
    };
    match run(prepare(), &mut signals) {
        Ok(exited) => Outcome::Program(exited.status()),
        Err(error @ SpawnError::System { .. }) => {
            log::warn(format_args!("{error}; the program runs untraced"));
            failed(&child::exec_in_place(prepare(), Some(&signals)))
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &SpawnError) -> Outcome {
    log::error(format_args!("{error}"));
    Outcome::from(error)
}

fn run(program: Program, signals: &mut Signals) -> Result<Exited, SpawnError> {
    let settings = ArmSettings {
        sampler: SamplerSetting { parent_based: Setting::new(1), padding: 0, threshold: Setting::new(1 << 63) },
        disabled: Vec::new(),
    };
    let mut starting = child::spawn(program, signals)?;
    let (running, armed): (Running, Option<Armed>) = loop {
        match starting.next(signals)? {
            StartEvent::Exec(stopped) => {
                let armed = stopped.map_exe().map_err(|error| error.to_string()).map(|exe| {
                    arm(process(stopped.pid()), &stopped.exe(), exe, stopped.auxv().ok(), &settings)
                });
                match armed {
                    Ok(Ok(armed)) => break (stopped.release(), Some(armed)),
                    Ok(Err(Untraced::NotGo(_))) => starting = stopped.follow(),
                    Ok(Err(why)) => {
                        log::warn(format_args!("{why}; the program runs untraced"));
                        break (stopped.release(), None);
                    }
                    Err(why) => {
                        log::warn(format_args!("{why}; the program runs untraced"));
                        break (stopped.release(), None);
                    }
                }
            }
            StartEvent::Barrier(barrier) => break (barrier.go()?, None),
            StartEvent::Running(running) => break (running, None),
            StartEvent::Ended(exited) => return Ok(exited),
        }
    };
    let telemetry = armed.and_then(|armed| Telemetry::start(armed, SpanLimits::default(), Exporting::default).ok());
    let exited = running.wait(signals);
    if let Some(mut telemetry) = telemetry {
        let deadline = Instant::now() + Duration::from_secs(2);
        telemetry.finish(deadline);
        let _end: FlushEnd = exited.wait_for(telemetry.done(), deadline, signals);
    }
    Ok(exited)
}

fn process(pid: Pid) -> NonZeroU32 {
    u32::try_from(pid.as_raw()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}
