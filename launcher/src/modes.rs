//! The launcher's modes: one function for each, chosen by the command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::attach::attach;
use crate::capabilities;
use crate::check::{Report, supported_versions, supported_versions_json};
use crate::child::{self, Environment, Forwarding, Signals};
use crate::command_line::CommandLine;
use crate::config::{Config, Mode};
use crate::install::install;
use crate::launch::{failed, launch};
use crate::log::{self, Level};
use crate::memory;
use crate::outcome::Outcome;
use crate::wrap;

/// The prefix of the launcher's own variables, which the command does not get.
const OWN_VARIABLES: &str = "GO_AUTO_LAUNCH_";

/// Runs the launcher. The first thing in `main`, before any thread exists.
#[must_use]
pub fn main() -> Outcome {
    let signals = Signals::take_over();
    crate::engine::native::begin();
    capabilities::lower();
    memory::share();
    let typed = match CommandLine::read(std::env::args_os()) {
        Ok(typed) => typed,
        Err(stop) => return stop.print(),
    };
    let (config, problems) = Config::from(&typed, &|name: &str| std::env::var_os(name));
    log::set_level(config.log_level);
    for problem in &problems {
        // Of some the second line is what was written, and the third has a caret under the place.
        problem.to_string().lines().for_each(|line| log::warn(format_args!("{line}")));
    }
    if config.mode != Mode::Check {
        log::debug(format_args!("configuration: {config:?}"));
    }
    match &config.mode {
        Mode::Launch => run(&config, &typed, signals).remapped(&config.init.remapped_exits),
        Mode::Check => check(&config, &typed.command),
        Mode::SupportedVersions if config.json => print(&supported_versions_json()),
        Mode::SupportedVersions => print(&supported_versions()),
        Mode::Install(path) => install(path),
        Mode::Attach(pid) => match signals {
            Ok(signals) => attach(*pid, &config, &typed, &signals),
            Err(error) => {
                log::error(format_args!("--pid {pid}: {error}"));
                Outcome::NotAttached
            }
        },
    }
}

fn run(config: &Config, typed: &CommandLine, signals: Result<Signals, child::TakeOverError>) -> Outcome {
    let Some((program, args)) = typed.command.split_first() else {
        return CommandLine::no_command().print();
    };
    let prepare = || {
        let prepared = child::Command::new(program, args, Environment::inherited().without(OWN_VARIABLES));
        if config.init.keep_capabilities { prepared.keeping_capabilities() } else { prepared }
    };
    match signals {
        Ok(mut signals) => {
            signals.forward_by(Forwarding::new(config.init.kill_group, &config.init.rewrites));
            if let Some(signal) = config.init.parent_death_signal
                && let Err(errno) = child::signal_on_parent_death(signal)
            {
                log::warn(format_args!("--parent-death-signal has no effect: prctl was refused ({})", errno.desc()));
            }
            launch(config, typed, &mut signals, prepare)
        }
        Err(error) => {
            log::warn(format_args!("{error}; the program runs untraced"));
            failed(&child::exec_in_place(prepare(), None))
        }
    }
}

fn check(config: &Config, command: &[OsString]) -> Outcome {
    let Some(program) = command.first() else {
        return CommandLine::no_command().print();
    };
    let executable = child::Command::new(program, &[], Environment::inherited()).path();
    // A file that is named is looked at, executable or not.
    let Some(path) = executable.or_else(|| existing(Path::new(program))) else {
        log::error(format_args!("{}: not found", program.display()));
        return Outcome::NotFound;
    };
    if path.is_dir() {
        log::error(format_args!("{}: a directory; name the Go program's file", path.display()));
        return Outcome::CannotExecute;
    }
    match Report::new(&path, config) {
        Ok(report) => {
            let json = if config.json { serde_json::to_string_pretty(&report).ok() } else { None };
            let text = || wrap::for_output(&report.text(log::enabled(Level::Debug)), &std::io::stdout());
            print(&json.unwrap_or_else(text));
            if report.would_be_traced() { Outcome::Done } else { Outcome::NotTraceable }
        }
        Err(error) => {
            log::error(format_args!("{error}"));
            Outcome::NotTraceable
        }
    }
}

/// A file that is named by its path, executable or not. Absolute.
fn existing(named: &Path) -> Option<PathBuf> {
    let is_path = named.components().count() > 1 || named.has_root();
    (is_path && named.exists()).then(|| std::path::absolute(named).ok()).flatten()
}

/// Prints on standard output; a closed output is no reason for another status.
fn print(text: &dyn Display) -> Outcome {
    let _closed = writeln!(std::io::stdout(), "{text}");
    Outcome::Done
}
