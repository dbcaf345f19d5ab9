//! What the process tests share: the launcher's binary, the program it starts, and bounded waiting.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[allow(clippy::duplicate_mod, reason = "a test binary may have either folder, or both")]
#[path = "../support/until.rs"]
mod until;

pub(crate) use until::{PATIENCE, until};

/// The launcher, given `args`.
pub(crate) fn launcher(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_go-auto-launch"));
    command.args(args);
    command
}

/// The launcher with the C program of this folder as its program.
pub(crate) fn with_subject(args: &[&str]) -> Command {
    let mut command = launcher(&["--"]);
    command.arg(subject()).args(args);
    command
}

/// The C program, built once per test process.
pub(crate) fn subject() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let name = format!("subject-{}", std::process::id());
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/init/subject.c");
        let built = Command::new("cc").args(["-O1", "-Wall", "-o"]).arg(&binary).arg(source).status();
        assert!(built.is_ok_and(|status| status.success()), "these tests need a C compiler (cc)");
        binary
    })
}

/// A started launcher. Killed when dropped, with its program, by their pids.
pub(crate) struct Launched {
    pub(crate) child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Launched {
    /// Starts it with standard output piped.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts the launcher");
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// Starts it and waits for the program's line `ready`.
    pub(crate) fn ready(command: &mut Command) -> Self {
        let mut launched = Self::start(command);
        assert_eq!(launched.line(), "ready");
        launched
    }

    /// Starts it as the leader of a session with a terminal of its own, and waits for the program's line `ready`; returns
    /// the terminal's other side too.
    pub(crate) fn ready_on_a_terminal(mut command: Command) -> (Self, File) {
        let terminal = nix::pty::openpty(None, None).expect("a terminal");
        command.stdin(Stdio::from(terminal.slave));
        // SAFETY: setsid and the ioctl are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            })
        };
        (Self::ready(&mut command), terminal.master.into())
    }

    /// The next line of its standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().expect("standard output is piped");
        let read = output.read_line(&mut line).expect("reads a line");
        assert!(read > 0, "standard output ended where a line was expected");
        line.trim_end().to_owned()
    }

    /// Kills the launcher, and then the processes marked by `mark` that are left, when none of them is held any more.
    /// Returns when all are gone: when nobody holds the standard output.
    ///
    /// A process that executes a program has no command line for a moment, so that one look does not find it.
    pub(crate) fn kill_in_any_phase(mut self, mark: &str) {
        self.child.kill().expect("can be killed");
        self.child.wait().expect("can be waited for");
        until("what is left to run, and to be gone", || {
            for pid in marked(mark) {
                if !matches!(state(pid), Some('t' | 'T')) {
                    let _ = kill(pid, Signal::SIGKILL);
                }
            }
            self.output_has_ended()
        });
    }

    fn output_has_ended(&mut self) -> bool {
        let output = self.output.as_mut().expect("standard output is piped").get_mut();
        fcntl(&*output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe");
        let mut rest = [0; 4096];
        loop {
            match output.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    return false;
                }
            }
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the launcher is there");
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until("the launcher to end", || {
            status = self.child.try_wait().expect("can be waited for");
            status.is_some()
        });
        status.expect("has ended")
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in children(self.pid()) {
                let _ = kill(pid, Signal::SIGKILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Starts it, waits for its end and returns the exit code.
pub(crate) fn code(command: &mut Command) -> Option<i32> {
    Launched::start(command).end().code()
}

/// The children of a process, zombies included.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().unwrap()))
        .collect()
}

/// How far a launch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The launcher has not forked yet.
    Starting,
    /// The child has not executed the program yet.
    BeforeExec,
    /// The program is held: its file is read, and it is armed.
    Held,
    Running,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Starting, Self::BeforeExec, Self::Held, Self::Running];

    /// As of now.
    fn of(launcher: Pid) -> Self {
        let Some(child) = children(launcher).first().copied() else { return Self::Starting };
        let exe = std::fs::read_link(format!("/proc/{child}/exe")).unwrap_or_default();
        if exe == Path::new(env!("CARGO_BIN_EXE_go-auto-launch")) {
            Self::BeforeExec
        } else if state(child) == Some('t') {
            Self::Held
        } else {
            Self::Running
        }
    }
}

/// Does something to launches in each of their phases: `start` starts one, `act` gets it with the phase that it was in right before.
/// In every other round that is after a delay, one `step` longer each time; in those between, as soon as the next phase is seen. There
/// are more rounds where no launch was caught in some phase.
pub(crate) fn in_each_phase<L>(
    rounds: u32,
    step: Duration,
    start: impl Fn(u32) -> L,
    pid: impl Fn(&L) -> Pid,
    mut act: impl FnMut(L, u32, Phase),
) {
    let mut met = Phase::ALL.map(|_| 0_u32);
    let mut round = 0;
    while round < rounds || met.contains(&0) {
        assert!(round < 20 * rounds, "no launch was caught in some phase: {:?} {met:?}", Phase::ALL);
        let wanted = Phase::ALL[(round / 2) as usize % Phase::ALL.len()];
        let launched = start(round);
        let pid = pid(&launched);
        if round % 2 == 0 {
            // A moment that no event marks is what is wanted: nothing is waited for.
            std::thread::sleep(step * round);
        } else {
            let begin = Instant::now();
            while Phase::of(pid) < wanted {
                assert!(begin.elapsed() < PATIENCE, "waited too long for {wanted:?}");
            }
        }
        let phase = Phase::of(pid);
        met[phase as usize] += 1;
        act(launched, round, phase);
        round += 1;
    }
}

/// The state letter of a process, or `None` if there is none.
pub(crate) fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The processes whose command line contains `mark`.
pub(crate) fn marked(mark: &str) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
        })
        .map(Pid::from_raw)
        .collect()
}
