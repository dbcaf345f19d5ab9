//! Parameters of the launch itself: probes, the process that is started, messages, and what is done instead of a launch.

use super::values::BOOLEAN;
use super::{Command, Parameter, Takes, parameter};

const SIGNAL: &str = "a signal's name or number, such as TERM, SIGTERM, 15 or RTMIN+3";
const REWRITES: &str = "FROM:TO pairs of signals separated by commas, such as TERM:QUIT or 15:0 (FROM not KILL, STOP or CHLD)";
const REMAPS: &str = "FROM:TO pairs of codes from 0 to 255 separated by commas; 143 alone means 143:0";

pub(super) const PROBES: &[Parameter] = &[
    parameter("GO_AUTO_LAUNCH_NO_WRITE", BOOLEAN, "false", "Never write into the process's memory")
        .more("nothing is injected into requests then")
        .switch("--no-write"),
    parameter("GO_AUTO_LAUNCH_ENGINE", "auto, native or bpf", "auto", "What carries probes out")
        .more(
            "native (code within the program, which needs no rights) wherever it can be used, else bpf (uprobes, in the kernel)",
        )
        .flag("--engine", Takes::One("ENGINE")),
    parameter("GO_AUTO_LAUNCH_UPROBES", "auto, multi or perf-event", "auto", "How the uprobes of BPF are attached")
        .more("multi (one link for each BPF program) wherever the kernel can (Linux 6.10), else one perf event for each probe")
        .flag("--uprobes", Takes::One("HOW")),
];

pub(super) const PROCESS: &[Parameter] = &[
    parameter("GO_AUTO_LAUNCH_KILL_GROUP", BOOLEAN, "false", "Forward signals to the whole process group")
        .switch("--kill-group")
        .short('g'),
    parameter("GO_AUTO_LAUNCH_REWRITE", REWRITES, "none", "Forward signals as other ones")
        .more("0 drops a signal; the flag may be repeated")
        .flag("--rewrite", Takes::Several("FROM:TO"))
        .short('r'),
    parameter("GO_AUTO_LAUNCH_REMAP_EXIT", REMAPS, "none", "Exit with other codes than the command")
        .more("the flag may be repeated")
        .flag("--remap-exit", Takes::Several("FROM[:TO]"))
        .short('e'),
    parameter("GO_AUTO_LAUNCH_PARENT_DEATH_SIGNAL", SIGNAL, "none", "Forward this signal when the parent dies")
        .more("the launcher's own parent")
        .flag("--parent-death-signal", Takes::One("SIGNAL"))
        .short('p'),
    parameter("GO_AUTO_LAUNCH_KEEP_CAPS", BOOLEAN, "false", "Let the process keep its capabilities")
        .more("of CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN and CAP_SYS_PTRACE those that it had")
        .switch("--keep-caps"),
];

pub(super) const MESSAGES: &[Parameter] = &[
    parameter("OTEL_LOG_LEVEL", "none, error, warn, info or debug", "info", "How much the launcher says on standard error"),
    parameter("GO_AUTO_LAUNCH_VERBOSE", BOOLEAN, "false", "Say step by step what the launcher does")
        .more("with --check: all offsets and modules")
        .switch("--verbose")
        .short('v'),
];

const PID: &str = "GO_AUTO_LAUNCH_PID";
const CHECK: &str = "GO_AUTO_LAUNCH_CHECK";
const SUPPORTED_VERSIONS: &str = "GO_AUTO_LAUNCH_SUPPORTED_VERSIONS";

pub(super) const MODES: &[Parameter] = &[
    parameter(CHECK, BOOLEAN, "false", "Say what would be traced; run nothing")
        .more("why the rest would not, and what the process would pay")
        .switch("--check")
        .command(Command::Needed),
    parameter(PID, "a process id", "none", "Attach to a running process")
        .flag("--pid", Takes::Number("PID"))
        .command(Command::Excluded)
        .excludes(&[CHECK, SUPPORTED_VERSIONS]),
    parameter("GO_AUTO_LAUNCH_INSTALL", "a path", "none", "Copy the launcher to a path")
        .more("for a container that has no other program to do it")
        .flag("--install", Takes::One("PATH"))
        .command(Command::Excluded)
        .excludes(&[CHECK, SUPPORTED_VERSIONS, PID]),
    parameter(SUPPORTED_VERSIONS, BOOLEAN, "false", "Print supported libraries and versions").switch("--supported-versions"),
    parameter("GO_AUTO_LAUNCH_JSON", BOOLEAN, "false", "Print reports as JSON")
        .more("for --check, with all it knows, and --supported-versions")
        .switch("--json"),
];
