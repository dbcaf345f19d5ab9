//! What was typed, and nothing else: no environment, no defaults, no meaning. [`crate::config`] gives it one.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroU32;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::outcome::Outcome;
use crate::parameters::{self, Command, Flag, Parameter, Takes, USAGE, short_help, whole_help};
use crate::wrap;

/// The command line. Values are kept as typed: a bad one is a problem to be reported, not a reason not to run the
/// command. Only an option that does not exist, or a mode without what it needs, is a usage error.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The flags that were typed, by the names of their parameters, with what they were given (a switch: nothing).
    flags: Vec<(&'static str, Vec<OsString>)>,
}

/// The command line asks for nothing to be run: a text is to be printed, and that is all.
#[derive(Debug)]
pub struct Stop(clap::Error);

impl Stop {
    /// Prints the help or version on standard output, or the usage error on standard error.
    #[must_use]
    pub fn print(&self) -> Outcome {
        // A closed output is no reason for another status.
        let _ = self.0.print();
        if self.0.use_stderr() { Outcome::Usage } else { Outcome::Done }
    }
}

impl CommandLine {
    /// Reads the arguments, the launcher's own name first. Options end at the first argument that is none, or at `--`.
    ///
    /// # Errors
    /// When there is nothing to run: `--help`, `--version`, or a usage error.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let matches = clap_command().try_get_matches_from(args).map_err(Stop)?;
        let flags = parameters::all().filter_map(|parameter| Some((parameter.name, typed(&matches, parameter)?)));
        Ok(Self { command: values(&matches, COMMAND), flags: flags.collect() })
    }

    /// The usage error for a command line without a command where one is needed.
    #[must_use]
    pub fn no_command() -> Stop {
        let missing = clap::error::ErrorKind::MissingRequiredArgument;
        Stop(clap_command().error(missing, format!("no command given: {USAGE}")))
    }

    /// Whether the flag of the parameter `name` was typed.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(typed, _)| *typed == name)
    }

    /// What the flag of the parameter `name` was given, each time it was typed.
    #[must_use]
    pub fn values(&self, name: &str) -> &[OsString] {
        self.flags.iter().find(|(typed, _)| *typed == name).map_or(&[], |(_, values)| values)
    }

    /// What it was given the last time.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.values(name).last().map(OsString::as_os_str)
    }
}

/// The id of what is executed.
const COMMAND: &str = "COMMAND";

/// Options of tini (-s, -w) and dumb-init (-c) for what the launcher does anyway: accepted, and without effect.
const AS_ALWAYS: &str = "single-child";

fn clap_command() -> clap::Command {
    let as_always = Arg::new(AS_ALWAYS).long(AS_ALWAYS).short('s').short_aliases(['w', 'c']).action(ArgAction::SetTrue);
    let command =
        Arg::new(COMMAND).action(ArgAction::Append).num_args(1..).trailing_var_arg(true).value_parser(value_parser!(OsString));
    let whole = wrap::for_output(&whole_help(), &std::io::stdout());
    clap::Command::new("go-auto-launch")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(USAGE)
        .args_override_self(true)
        // The texts are ours, already broken into lines.
        .help_template("{before-help}")
        .before_help(short_help())
        .before_long_help(whole)
        .args(parameters::all().filter_map(|parameter| Some(arg(parameter.name, &parameter.flag?))))
        .args([as_always.hide(true), command])
}

fn arg(name: &'static str, flag: &Flag) -> Arg {
    let Flag { long, short, takes, command, excludes } = *flag;
    let arg = Arg::new(name).long(long.trim_start_matches('-')).conflicts_with_all(excludes);
    let arg = match short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let arg = match command {
        Command::Optional => arg,
        Command::Needed => arg.requires(COMMAND),
        Command::Excluded => arg.conflicts_with(COMMAND),
    };
    match takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::One(value) => arg.value_name(value).action(ArgAction::Set).value_parser(value_parser!(OsString)),
        Takes::Several(value) => arg.value_name(value).action(ArgAction::Append).value_parser(value_parser!(OsString)),
        Takes::Number(value) => arg.value_name(value).action(ArgAction::Set).value_parser(value_parser!(NonZeroU32)),
    }
}

/// What the parameter's flag was given; `None` where it was not typed.
fn typed(matches: &ArgMatches, parameter: &Parameter) -> Option<Vec<OsString>> {
    let flag = parameter.flag?;
    // A switch that was not typed has a default value.
    let is_typed = matches.value_source(parameter.name) == Some(ValueSource::CommandLine);
    is_typed.then(|| match flag.takes {
        Takes::Nothing => Vec::new(),
        Takes::One(_) | Takes::Several(_) | Takes::Number(_) => values(matches, parameter.name),
    })
}

fn values(matches: &ArgMatches, id: &str) -> Vec<OsString> {
    matches.get_raw(id).into_iter().flatten().map(OsStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBOSE: &str = "GO_AUTO_LAUNCH_VERBOSE";

    fn read(args: &[&str]) -> CommandLine {
        try_read(args).unwrap()
    }

    fn try_read(args: &[&str]) -> Result<CommandLine, Stop> {
        let args = ["go-auto-launch"].iter().chain(args);
        CommandLine::read(args.map(OsString::from))
    }

    #[test]
    fn options_end_at_the_command() {
        let typed = read(&["--verbose", "app", "-d", "--strict", "--help", "--", "x", ""]);
        assert!(typed.has(VERBOSE) && !typed.has("GO_AUTO_LAUNCH_STRICT"));
        assert_eq!(typed.command, ["app", "-d", "--strict", "--help", "--", "x", ""]);
    }

    #[test]
    fn the_separator_is_accepted_once_and_then_the_commands() {
        assert_eq!(read(&["--", "app", "-d"]).command, ["app", "-d"]);
        assert_eq!(read(&["--", "-app"]).command, ["-app"]);
        assert_eq!(read(&["--", "app", "--", "x"]).command, ["app", "--", "x"]);
        assert_eq!(read(&["--", "--", "x"]).command, ["--", "x"]);
    }

    #[test]
    fn values_are_kept_as_typed_and_repetition_is_allowed() {
        let typed = read(&["--protocol=nonsense", "--endpoint", "a", "--endpoint", "b"]);
        assert_eq!(typed.value("OTEL_EXPORTER_OTLP_PROTOCOL").unwrap(), "nonsense");
        assert_eq!(typed.values("OTEL_EXPORTER_OTLP_ENDPOINT"), ["b"]);
    }

    #[test]
    fn arguments_that_are_not_unicode_are_kept() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(vec![b'a', 0xff]);
        let args = ["go-auto-launch".into(), "--".into(), "app".into(), odd.clone()];
        assert_eq!(CommandLine::read(args).unwrap().command[1], odd);
    }

    #[test]
    fn the_options_of_tini_and_dumb_init_are_understood() {
        let tini = read(&["-s", "-w", "-vvv", "-g", "-e", "143", "-e3", "-p", "SIGTERM", "--", "app", "-g"]);
        assert!(tini.has(VERBOSE) && tini.has("GO_AUTO_LAUNCH_KILL_GROUP"));
        assert_eq!(tini.values("GO_AUTO_LAUNCH_REMAP_EXIT"), ["143", "3"]);
        assert_eq!(tini.value("GO_AUTO_LAUNCH_PARENT_DEATH_SIGNAL").unwrap(), "SIGTERM");
        assert_eq!(tini.command, ["app", "-g"]);
        let dumb = read(&["-v", "-c", "--single-child", "-r", "15:3", "--rewrite", "2:0", "app"]);
        assert_eq!(dumb.values("GO_AUTO_LAUNCH_REWRITE"), ["15:3", "2:0"]);
        assert_eq!(dumb.command, ["app"]);
    }

    #[test]
    fn usage_errors_are_125_and_help_is_0() {
        for wrong in [&["--no-such-option", "app"][..], &["-d", "app"], &["--pid", "x"], &["--pid", "1", "app"], &["--check"]] {
            let stop = try_read(wrong).unwrap_err();
            assert!(stop.0.use_stderr(), "{wrong:?}");
        }
        assert!(!try_read(&["--help"]).unwrap_err().0.use_stderr());
        assert!(!try_read(&["--version"]).unwrap_err().0.use_stderr());
        assert!(CommandLine::no_command().0.use_stderr());
        assert_eq!(try_read(&["-h"]).unwrap_err().0.to_string().trim_end(), short_help().trim_end());
        assert_eq!(try_read(&["--help"]).unwrap_err().0.to_string().trim_end(), whole_help().trim_end());
    }
}
