//! One run: the program is started, held, let go, waited for.

use std::ffi::OsString;

use object::Object as _;

use crate::child::{
    self, Environment, Exited, Program, Running, Signals, SpawnError, StartEvent, Stopped,
};
use crate::log;
use crate::outcome::Outcome;

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
    let mut starting = child::spawn(program, signals)?;
    loop {
        let running: Running = match starting.next(signals)? {
            // The pipeline decides here: follow, or arm the probes and release.
            StartEvent::Exec(stopped) if is_go(&stopped) => stopped.release(),
            StartEvent::Exec(stopped) => {
                starting = stopped.follow();
                continue;
            }
            StartEvent::Barrier(barrier) => barrier.go()?,
            StartEvent::Running(running) => running,
            StartEvent::Ended(exited) => return Ok(exited),
        };
        return Ok(running.wait(signals));
    }
}

/// Whether a Go program has been executed. What cannot be read is treated as one: there is nothing to wait for.
fn is_go(stopped: &Stopped) -> bool {
    let Ok(exe) = stopped.map_exe() else {
        return true;
    };
    object::File::parse(&*exe).is_ok_and(|file| file.section_by_name(".go.buildinfo").is_some())
}
