//! One run: the command is started, held, armed, let go, waited for; then what it left is flushed.
//!
//! What it starts in its place or besides, if it is a shell or another wrapper, is held, armed and let go in the same way.

mod file_id;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use nix::unistd::Pid;

use crate::arm::{Held, Untraced, native_obstacle, open_and_arm};
use crate::binary::GoBinary;
use crate::capabilities::{drop_for_good, lowered, may_trace, raised, reset_tracing};
use crate::child::{self, AtBarrier, Command, Event, Exe, Exited, Follow, MappedExe, Signals, SpawnError, Stopped, Tree};
use crate::command_line::CommandLine;
use crate::config::Config;
use crate::log;
use crate::outcome::Outcome;
use crate::resource::gather;
use crate::tracing::Tracing;
use crate::wrappers::{is_below_another_launcher, is_go_wrapper, is_interpreter, is_tracer, is_wrapper};

use file_id::FileId;

/// How a launch ended.
enum Ended {
    /// The command ran.
    Ran(Exited),
    /// It was not let run, because it would not have been traced (`--strict`).
    Refused,
}

/// What becomes of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    GoOn,
    /// `--strict`.
    Refuse,
}

/// Runs a command under the launcher; `config` is what `typed` and the environment mean. `prepare` makes the command;
/// twice where the first attempt fails before the fork.
#[must_use]
pub fn launch(config: &Config, typed: &CommandLine, signals: &mut Signals, prepare: impl Fn() -> Command) -> Outcome {
    match run(config, typed, signals, prepare()) {
        Ok(Ended::Ran(exited)) => Outcome::Ended(exited.status()),
        Ok(Ended::Refused) => Outcome::Refused,
        Err(error @ SpawnError::System { .. }) => {
            log::warn(format_args!("{error}; the program runs untraced"));
            failed(&child::exec_in_place(prepare(), Some(signals)))
        }
        Err(error) => failed(&error),
    }
}

/// Says why the command could not be started.
#[must_use]
pub fn failed(error: &SpawnError) -> Outcome {
    log::error(format_args!("{error}"));
    Outcome::from(error)
}

fn run(config: &Config, typed: &CommandLine, signals: &mut Signals, command: Command) -> Result<Ended, SpawnError> {
    let mut tree = child::spawn(command, signals)?;
    let is_below_another = is_below_another_launcher();
    if is_below_another {
        log::debug(format_args!("another go-auto-launch traces what is started here; this one is an init only"));
    }
    let mut launch =
        Launch { config, tracing: Tracing::new(config, typed), unsaid: None, known: HashMap::new(), is_below_another };
    leave_working_directory();
    let exited = loop {
        let verdict = match tree.next(signals)? {
            // Processes of other users may be looked into, and what is attached needs BPF.
            Event::Exec(stopped) => raised(|| launch.at_exec(stopped)),
            Event::Barrier(barrier) => raised(|| launch.at_barrier(barrier)),
            Event::Ended(exited) => break exited,
        };
        if !tree.is_followed() {
            drop_for_good();
            reset_tracing();
        }
        if verdict == Verdict::Refuse {
            return Ok(Ended::Refused);
        }
    };
    launch.finish(tree, &exited, signals);
    Ok(Ended::Ran(exited))
}

/// The state of one run.
struct Launch<'c> {
    config: &'c Config,
    tracing: Tracing<'c>,
    /// What is to be said at the end if nothing was traced.
    unsaid: Option<String>,
    /// Files that are known to be no Go programs, and how far these are followed.
    known: HashMap<FileId, Follow>,
    /// The launcher that started this one has kept what tracing needs to itself, and traces.
    is_below_another: bool,
}

impl Launch<'_> {
    /// A process stands before its first instruction: the command's, or one that it started.
    fn at_exec(&mut self, mut stopped: Stopped<'_>) -> Verdict {
        if self.is_below_another {
            stopped.release();
            return Verdict::GoOn;
        }
        // Entry scripts run the same few tools again and again; this saves half of what following costs (0.5 ms each time).
        let file = FileId::of(&MappedExe::link(stopped.pid()));
        if let Some(&follow) = file.and_then(|file| self.known.get(&file))
            && !stopped.is_main()
        {
            stopped.follow(follow);
            return Verdict::GoOn;
        }
        let begin = Instant::now();
        let pid = process(stopped.pid());
        let exe = match stopped.exe() {
            Ok(exe) => exe,
            Err(error) => return self.untraced(stopped, Path::new("the program"), &Untraced::Unopened(error)),
        };
        if let Some(why) = self.config.untraced_by_choice() {
            return self.untraced(stopped, exe.name(), &Untraced::NotWanted(why));
        }
        if is_tracer(exe.name()) {
            log::debug(format_args!("{} traces others itself, and is let go", exe.name().display()));
            stopped.release();
            return Verdict::GoOn;
        }
        let is_called_wrapper = is_wrapper(exe.name(), || stopped.first_argument());
        if is_called_wrapper && is_what_it_is_called(&exe) {
            return self.wrapper(stopped, &exe, file);
        }
        let config = self.tracing.config_of(stopped.variables("OTEL_").as_deref());
        if let Some(why) = config.untraced_by_choice() {
            return self.untraced(stopped, exe.name(), &Untraced::NotWanted(why));
        }
        let auxv = stopped.auxv();
        match open_and_arm(pid, &exe, auxv, Held::AtExec(&mut stopped), &config) {
            Ok(armed) => {
                // The thread is started while the process is still held: its memory is in nobody's way then.
                self.tracing.add(pid, exe.name(), gather::process(pid.get()), armed, &config, begin);
                stopped.release();
                Verdict::GoOn
            }
            Err(Untraced::NothingKnown(_)) if is_called_wrapper => self.wrapper(stopped, &exe, None),
            Err(why) => {
                if matches!(why, Untraced::NotGo(_)) {
                    self.remember(file, &exe, Follow::Briefly);
                }
                self.untraced(stopped, exe.name(), &why)
            }
        }
    }

    /// A wrapper is followed as long as it runs.
    fn wrapper(&mut self, stopped: Stopped<'_>, exe: &Exe, file: Option<FileId>) -> Verdict {
        if !self.could_trace() {
            return self.untraced(stopped, exe.name(), &Untraced::NoRights);
        }
        if stopped.is_main() {
            self.unsaid = Some(format!("{} has started no Go program that could be traced", exe.name().display()));
        } else {
            self.remember(file, exe, Follow::Always);
        }
        stopped.follow(Follow::Always);
        Verdict::GoOn
    }

    /// Whether what a process starts could be traced: by the native engine, which needs no rights, or by BPF.
    fn could_trace(&self) -> bool {
        native_obstacle(self.config).is_none() || may_trace()
    }

    fn remember(&mut self, file: Option<FileId>, exe: &Exe, follow: Follow) {
        // What an interpreter is depends on its script.
        if let Some(file) = file
            && self.known.len() < MAX_KNOWN
            && !is_interpreter(exe.name())
        {
            self.known.insert(file, follow);
        }
    }

    /// Lets a process go on that is not traced itself: for good, or as far as it may start one that is.
    fn untraced(&mut self, stopped: Stopped<'_>, file: &Path, why: &Untraced) -> Verdict {
        // What a shell runs besides the Go program (`mkdir`, `sleep`) need not be traced.
        let is_tool = matches!(why, Untraced::NotGo(_)) || file.to_string_lossy().contains(GO_TOOLS);
        let matters = stopped.is_main() || !is_tool;
        if matters {
            self.tracing.say_untraced(file, why);
            self.unsaid = None;
        } else {
            log::debug(format_args!("{} is not traced: {why}", file.display()));
        }
        // Nor need a Go program that migrates a database before the server starts, and has nothing to be traced.
        let is_refused = stopped.is_main()
            || matches!(
                why,
                Untraced::Refused(_)
                    | Untraced::NotNative(_)
                    | Untraced::NoEngine { .. }
                    | Untraced::Unreadable(_)
                    | Untraced::Defect
            );
        if self.config.strict && is_refused && !matches!(why, Untraced::NotWanted(_)) {
            stopped.abandon();
            return Verdict::Refuse;
        }
        if matches!(why, Untraced::NotGo(_)) && self.could_trace() {
            stopped.follow(Follow::Briefly);
        } else {
            stopped.release();
        }
        Verdict::GoOn
    }

    /// Arms the command's process, which waits before its exec and cannot be held behind it.
    fn at_barrier(&mut self, barrier: AtBarrier<'_>) -> Verdict {
        if self.is_below_another {
            barrier.go();
            return Verdict::GoOn;
        }
        let (begin, pid) = (Instant::now(), process(barrier.pid()));
        let Some(path) = barrier.path() else {
            // There is nothing to look at; exec will say what is wrong.
            barrier.go();
            return Verdict::GoOn;
        };
        log::debug(format_args!("{}: {}", path.display(), barrier.reason()));
        let armed = match self.config.untraced_by_choice() {
            Some(why) => Err(Untraced::NotWanted(why)),
            None => open_and_arm(pid, &Exe::at(&path), None, Held::Not(barrier.reason().to_string()), self.config),
        };
        match armed {
            Ok(armed) => {
                let mut facts = gather::process(pid.get());
                // So far it is the launcher's own file.
                (facts.executable, facts.command) = (None, Some(path.display().to_string()));
                self.tracing.add(pid, &path, facts, armed, self.config, begin);
            }
            Err(why) => {
                self.tracing.say_untraced(&path, &why);
                if self.config.strict && !matches!(why, Untraced::NotWanted(_)) {
                    barrier.abandon();
                    return Verdict::Refuse;
                }
            }
        }
        barrier.go();
        Verdict::GoOn
    }

    /// The command has ended.
    fn finish(self, mut tree: Tree, exited: &Exited, signals: &Signals) {
        if let Some(line) = self.unsaid.filter(|_| !self.tracing.has_begun()) {
            let why = tree.limit().map(|limit| format!(" ({limit})")).unwrap_or_default();
            log::warn(format_args!("nothing was traced: {line}{why}"));
        }
        self.tracing.finish(|done, deadline| tree.wait_for(exited, done, deadline, signals));
    }
}

/// The working directory is the command's business; ours would keep its file system from being unmounted. Behind
/// [`Tracing::new`] and [`child::spawn`], nothing is looked for by a relative path.
pub(crate) fn leave_working_directory() {
    let _ = std::env::set_current_dir("/");
}

/// Files remembered; more are read each time.
const MAX_KNOWN: usize = 1_024;

/// The compiler and its like, which `go run` starts.
const GO_TOOLS: &str = "/pkg/tool/";

/// Whether a program that is called like a wrapper is one: any that is no Go program, and of those the known ones.
fn is_what_it_is_called(exe: &Exe) -> bool {
    let Ok(file) = MappedExe::open(exe) else {
        return true;
    };
    let is_known = |bytes: &[u8]| {
        GoBinary::parse(bytes).map_or(true, |binary| binary.build_info().path.as_deref().is_some_and(is_go_wrapper))
    };
    lowered(|| file.read(is_known))
}

fn process(pid: Pid) -> NonZeroU32 {
    u32::try_from(pid.as_raw()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}
