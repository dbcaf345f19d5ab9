//! What was typed, and nothing else: no environment, no defaults, no meaning. [`crate::config`] gives it one.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Parser;

use crate::config::VARIABLES;
use crate::outcome::Outcome;

/// The command line. Values are kept as typed: a bad one is a problem to be reported, not a reason not to run the
/// program. Only an option that does not exist, or a mode without what it needs, is a usage error.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, one per flag")]
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "go-auto-launch",
    version,
    about = "Starts a Go program and traces it with OpenTelemetry, unchanged",
    args_override_self = true,
    after_long_help = after_help(),
)]
pub struct CommandLine {
    /// The service name of the spans
    #[arg(long, value_name = "NAME")]
    pub service_name: Option<OsString>,
    /// Where spans are sent: the base URL of an OTLP endpoint
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<OsString>,
    /// How they are sent: grpc, http/protobuf or http/json
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<OsString>,
    /// Draw each trace on standard error
    #[arg(long)]
    pub console: bool,
    /// Attach to a running process instead of starting a program
    #[arg(long, value_name = "PID", conflicts_with_all = ["program", "check", "supported_versions"])]
    pub pid: Option<NonZeroU32>,
    /// Say what would be traced in PROGRAM, and why the rest would not; do not run it
    #[arg(long, requires = "program")]
    pub check: bool,
    /// Print --check and --supported-versions as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 125 instead of running the program untraced
    #[arg(long)]
    pub strict: bool,
    /// Say step by step what the launcher does
    #[arg(long, short = 'v')]
    pub verbose: bool,
    /// Never write into the program's memory: no outgoing propagation
    #[arg(long)]
    pub no_write: bool,
    /// How probes are attached: auto, multi (one link for each BPF program, Linux 6.10) or perf-event (one event for each)
    #[arg(long, value_name = "HOW")]
    pub uprobes: Option<OsString>,
    /// How long the last spans may take to be sent after the program's end, such as 500ms or 2s
    #[arg(long, value_name = "TIME")]
    pub flush_timeout: Option<OsString>,
    /// Forward signals to the program's whole process group
    #[arg(long, short = 'g')]
    pub kill_group: bool,
    /// Forward signal FROM as TO, or not at all where TO is 0 (repeatable)
    #[arg(long, short = 'r', value_name = "FROM:TO")]
    pub rewrite: Vec<OsString>,
    /// Exit with TO (or 0) where the program's exit code is FROM (repeatable)
    #[arg(long, short = 'e', value_name = "FROM[:TO]")]
    pub remap_exit: Vec<OsString>,
    /// Forward this signal when the launcher's own parent dies
    #[arg(long, short = 'p', value_name = "SIGNAL")]
    pub parent_death_signal: Option<OsString>,
    /// Let the program keep the capabilities that the launcher uses
    #[arg(long)]
    pub keep_caps: bool,
    /// Options of tini (-s, -w) and dumb-init (-c) for what the launcher does anyway; accepted and without effect
    #[arg(short = 's', short_aliases = ['w', 'c'], long = "single-child", hide = true)]
    pub as_always: bool,
    /// Copy the launcher to PATH, for a container that has no other program to do it
    #[arg(long, value_name = "PATH", conflicts_with_all = ["program", "check", "supported_versions", "pid"])]
    pub install: Option<PathBuf>,
    /// Print the supported libraries and versions
    #[arg(long)]
    pub supported_versions: bool,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, value_names = ["PROGRAM", "ARG"])]
    pub program: Vec<OsString>,
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
        Self::try_parse_from(args).map_err(Stop)
    }

    /// The usage error for a command line without a program where one is needed.
    #[must_use]
    pub fn no_program() -> Stop {
        let mut command = <Self as clap::CommandFactory>::command();
        Stop(command.error(
            clap::error::ErrorKind::MissingRequiredArgument,
            "no program given: go-auto-launch [OPTIONS] [--] PROGRAM [ARG]...",
        ))
    }
}

/// The variables and exit codes, below the options.
fn after_help() -> String {
    let mut text = String::from("Environment (a flag wins over its variable):\n");
    for variable in VARIABLES {
        let name = variable.name;
        let meaning = variable.meaning;
        let twin = variable.flag.map_or_else(String::new, |flag| format!(" [{flag}]"));
        // Writing to a String cannot fail.
        let _ = write!(text, "  {name}{twin}\n      {meaning}\n      {}; default: {}\n", variable.allowed, variable.default);
    }
    text.push_str(
        "\nExit status: the program's; 128+n if signal n ended it; 127 not found; 126 cannot be executed;\n\
         125 usage error, or --strict and the program would not be traced.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> CommandLine {
        try_read(args).unwrap()
    }

    fn try_read(args: &[&str]) -> Result<CommandLine, Stop> {
        let args = ["go-auto-launch"].iter().chain(args);
        CommandLine::read(args.map(OsString::from))
    }

    #[test]
    fn options_end_at_the_program() {
        let typed = read(&["--verbose", "app", "-d", "--strict", "--help", "--", "x", ""]);
        assert!(typed.verbose && !typed.strict);
        assert_eq!(typed.program, ["app", "-d", "--strict", "--help", "--", "x", ""]);
    }

    #[test]
    fn the_separator_is_accepted_once_and_then_the_programs() {
        assert_eq!(read(&["--", "app", "-d"]).program, ["app", "-d"]);
        assert_eq!(read(&["--", "-app"]).program, ["-app"]);
        assert_eq!(read(&["--", "app", "--", "x"]).program, ["app", "--", "x"]);
        assert_eq!(read(&["--", "--", "x"]).program, ["--", "x"]);
    }

    #[test]
    fn values_are_kept_as_typed_and_repetition_is_allowed() {
        let typed = read(&["--protocol=nonsense", "--endpoint", "a", "--endpoint", "b"]);
        assert_eq!(typed.protocol, Some("nonsense".into()));
        assert_eq!(typed.endpoint, Some("b".into()));
    }

    #[test]
    fn arguments_that_are_not_unicode_are_kept() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(vec![b'a', 0xff]);
        let args = ["go-auto-launch".into(), "--".into(), "app".into(), odd.clone()];
        assert_eq!(CommandLine::read(args).unwrap().program[1], odd);
    }

    #[test]
    fn the_options_of_tini_and_dumb_init_are_understood() {
        let tini = read(&["-s", "-w", "-vvv", "-g", "-e", "143", "-e3", "-p", "SIGTERM", "--", "app", "-g"]);
        assert!(tini.verbose && tini.kill_group);
        assert_eq!((tini.remap_exit.len(), tini.parent_death_signal.is_some()), (2, true));
        assert_eq!(tini.program, ["app", "-g"]);
        let dumb = read(&["-v", "-c", "--single-child", "-r", "15:3", "--rewrite", "2:0", "app"]);
        assert_eq!(dumb.rewrite, ["15:3", "2:0"]);
        assert_eq!(dumb.program, ["app"]);
    }

    #[test]
    fn usage_errors_are_125_and_help_is_0() {
        for wrong in [&["--no-such-option", "app"][..], &["-d", "app"], &["--pid", "x"], &["--pid", "1", "app"], &["--check"]] {
            let stop = try_read(wrong).unwrap_err();
            assert!(stop.0.use_stderr(), "{wrong:?}");
        }
        assert!(!try_read(&["--help"]).unwrap_err().0.use_stderr());
        assert!(!try_read(&["--version"]).unwrap_err().0.use_stderr());
        assert!(CommandLine::no_program().0.use_stderr());
    }
}
