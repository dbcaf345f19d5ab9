//! One run: the program is started, held, armed, let go, waited for; then what it left is flushed.
//!
//! What it starts in its place or besides, if it is a shell or another wrapper, is held, armed and let go in the same way.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use nix::unistd::Pid;

use crate::arm::{Armed, Candidate, Untraced, arm};
use crate::capabilities::{drop_for_good, raised, reset_tracing};
use crate::child::{self, AtBarrier, Auxv, Event, Exe, Exited, Follow, MappedExe, Program, Signals, SpawnError, Stopped, Tree};
use crate::command_line::CommandLine;
use crate::config::Config;
#[cfg(target_arch = "x86_64")]
use crate::executor::{self, Detour, ExecutorError};
use crate::log;
use crate::outcome::Outcome;
use crate::resource::gather;
use crate::tracing::Tracing;
use crate::wrappers::{is_below_another_launcher, is_wrapper};

/// How a launch ended.
enum Ended {
    /// The program ran.
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

/// Runs a program under the launcher; `config` is what `typed` and the environment mean. `prepare` makes the program;
/// twice where the first attempt fails before the fork.
#[must_use]
pub fn launch(config: &Config, typed: &CommandLine, signals: &mut Signals, prepare: impl Fn() -> Program) -> Outcome {
    match run(config, typed, signals, prepare()) {
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

fn run(config: &Config, typed: &CommandLine, signals: &mut Signals, program: Program) -> Result<Ended, SpawnError> {
    let mut tree = child::spawn(program, signals)?;
    let is_below_another = is_below_another_launcher();
    if is_below_another {
        log::debug(format_args!("another go-auto-launch traces what is started here; this one is an init only"));
    }
    let mut launch =
        Launch { config, tracing: Tracing::new(config, typed), unsaid: None, not_go: HashSet::new(), is_below_another };
    let exited = loop {
        let verdict = match tree.next(signals)? {
            // Programs of other users may be looked into, and what is attached needs BPF.
            Event::Exec(stopped) => raised(|| launch.at_exec(stopped)),
            Event::Barrier(barrier) => raised(|| launch.at_barrier(barrier))?,
            Event::Ended(exited) => break exited,
        };
        // The working directory is the program's business; ours would keep its file system from being unmounted.
        let _ = std::env::set_current_dir("/");
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
    /// Files that are known not to be Go programs.
    not_go: HashSet<FileId>,
    /// The launcher that started this one has kept what tracing needs to itself, and traces.
    is_below_another: bool,
}

impl Launch<'_> {
    /// A program stands before its first instruction: the launcher's, or one that it started.
    fn at_exec(&mut self, mut stopped: Stopped<'_>) -> Verdict {
        if self.is_below_another {
            stopped.release();
            return Verdict::GoOn;
        }
        // Entry scripts run the same few tools again and again; this saves half of what following costs (0.5 ms each time).
        let file = FileId::of(&MappedExe::link(stopped.pid()));
        if file.is_some_and(|file| self.not_go.contains(&file)) && !stopped.is_main() {
            stopped.follow(Follow::Briefly);
            return Verdict::GoOn;
        }
        let begin = Instant::now();
        let pid = process(stopped.pid());
        let exe = match stopped.exe() {
            Ok(exe) => exe,
            Err(error) => return self.untraced(stopped, Path::new("the program"), &Untraced::Unopened(error)),
        };
        if let Some(why) = untraced_by_choice(self.config) {
            return self.untraced(stopped, exe.name(), &Untraced::NotWanted(why));
        }
        if is_wrapper(exe.name(), || stopped.first_argument()) {
            if stopped.is_main() {
                self.unsaid = Some(format!("{} has started no Go program that could be traced", exe.name().display()));
            }
            stopped.follow(Follow::Always);
            return Verdict::GoOn;
        }
        let config = self.tracing.config_of(stopped.variables("OTEL_").as_deref());
        if let Some(why) = untraced_by_choice(&config) {
            return self.untraced(stopped, exe.name(), &Untraced::NotWanted(why));
        }
        match open_and_arm(pid, &exe, stopped.auxv(), true, &config) {
            Ok(armed) => {
                place_executor(&mut stopped, pid, &armed);
                // The thread is started while the program is still held: its memory is in nobody's way then.
                self.tracing.add(pid, exe.name(), gather::process(pid.get()), armed, &config, begin);
                stopped.release();
                Verdict::GoOn
            }
            Err(why) => {
                if let (Untraced::NotGo(_), Some(file)) = (&why, file)
                    && self.not_go.len() < MAX_NOT_GO
                {
                    self.not_go.insert(file);
                }
                self.untraced(stopped, exe.name(), &why)
            }
        }
    }

    /// Lets a program go on that is not traced itself: for good, or as far as it may start one that is.
    fn untraced(&mut self, stopped: Stopped<'_>, file: &Path, why: &Untraced) -> Verdict {
        // What a shell runs besides the program (`mkdir`, `sleep`) need not be traced.
        let matters = stopped.is_main() || !matches!(why, Untraced::NotGo(_));
        if matters {
            self.tracing.say_untraced(file, why);
            self.unsaid = None;
        } else {
            log::debug(format_args!("{} is not traced: {why}", file.display()));
        }
        if self.config.strict && matters && !matches!(why, Untraced::NotWanted(_)) {
            stopped.abandon();
            return Verdict::Refuse;
        }
        if matches!(why, Untraced::NotGo(_)) {
            stopped.follow(Follow::Briefly);
        } else {
            stopped.release();
        }
        Verdict::GoOn
    }

    /// Arms a program that waits before its exec and cannot be held behind it.
    fn at_barrier(&mut self, barrier: AtBarrier<'_>) -> Result<Verdict, SpawnError> {
        if self.is_below_another {
            return barrier.go().map(|()| Verdict::GoOn);
        }
        let (begin, pid) = (Instant::now(), process(barrier.pid()));
        let Some(path) = barrier.path() else {
            // There is nothing to look at; exec will say what is wrong.
            return barrier.go().map(|()| Verdict::GoOn);
        };
        log::debug(format_args!("{}: {}", path.display(), barrier.reason()));
        let armed = match untraced_by_choice(self.config) {
            Some(why) => Err(Untraced::NotWanted(why)),
            None => open_and_arm(pid, &Exe::at(&path), None, false, self.config),
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
                    return Ok(Verdict::Refuse);
                }
            }
        }
        barrier.go().map(|()| Verdict::GoOn)
    }

    /// The program has ended.
    fn finish(self, mut tree: Tree, exited: &Exited, signals: &Signals) {
        if let Some(line) = self.unsaid.filter(|_| !self.tracing.has_begun()) {
            log::warn(format_args!("nothing was traced: {line}"));
        }
        self.tracing.finish(|done, deadline| tree.wait_for(exited, done, deadline, signals));
    }
}

/// Files remembered as no Go programs; more are read each time.
const MAX_NOT_GO: usize = 1_024;

/// A file as it is now: device, inode, time of its last change in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId(u64, u64, i64);

impl FileId {
    fn of(path: &Path) -> Option<Self> {
        let file = path.metadata().ok()?;
        Some(Self(file.dev(), file.ino(), file.ctime().wrapping_mul(1_000_000_000).wrapping_add(file.ctime_nsec())))
    }
}

/// Opens the file and arms the process.
pub(crate) fn open_and_arm(
    pid: NonZeroU32,
    exe: &Exe,
    auxv: Option<Auxv>,
    is_held: bool,
    config: &Config,
) -> Result<Armed, Untraced> {
    let file = if exe.is_running() { MappedExe::map(&exe.path) } else { MappedExe::read(&exe.path) };
    arm(Candidate { pid, path: &exe.path, exe: file.map_err(Untraced::Unopened)?, auxv, is_held }, config)
}

/// Makes the held program write what BPF wants written. Without that it is traced all the same.
#[cfg(target_arch = "x86_64")]
fn place_executor(stopped: &mut Stopped<'_>, pid: NonZeroU32, armed: &Armed) {
    let stack_high = armed.plan.detours().find_map(|detour| i32::try_from(detour.stack_high).ok());
    let (Some(load_bias), Some(syscall), Some(stack_high)) = (armed.load_bias, armed.syscall, stack_high) else {
        return;
    };
    let detours: Vec<Detour> = armed.plan.detours().map(|detour| Detour::new(detour.site, &detour.place, load_bias)).collect();
    let begin = Instant::now();
    let placed = stopped
        .inject(syscall.0.wrapping_add(load_bias))
        .map_err(|source| ExecutorError::Call { call: "execve", source })
        .and_then(|mut injector| executor::place(&mut injector, pid.get(), armed.attached.slots(), stack_high, &detours));
    match placed {
        Ok(()) => log::debug(format_args!("{} detours placed in {:?}", detours.len(), begin.elapsed())),
        Err(error) => log::warn(format_args!("trace context is not passed on: {error}")),
    }
}

/// There is no write executor for this architecture yet; then no detours are planned.
#[cfg(not(target_arch = "x86_64"))]
fn place_executor(_stopped: &mut Stopped<'_>, _pid: NonZeroU32, _armed: &Armed) {}

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

fn process(pid: Pid) -> NonZeroU32 {
    u32::try_from(pid.as_raw()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}
