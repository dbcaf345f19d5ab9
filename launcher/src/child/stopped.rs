//! A process at an exec stop: the new program is in place and has not run one instruction.

use std::ffi::OsString;
use std::io;

use nix::unistd::Pid;

use super::environment::Environment;
use super::executable::{Auxv, Exe, MappedExe, without_deletion};
use super::initial_stack::InitialStack;
use super::launched::Launched;
use super::script;
use super::sys;
use super::tracees::Follow;

/// A process that has just executed a program, held by ptrace. It goes on, untraced, when this is dropped; if the
/// launcher dies now, the kernel lets it run.
#[derive(Debug)]
#[must_use]
pub struct Stopped<'t> {
    launched: &'t mut Launched,
    pid: Pid,
    /// What becomes of it when this is dropped.
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Release,
    Follow(Follow),
    Nothing,
}

impl<'t> Stopped<'t> {
    pub(super) fn new(launched: &'t mut Launched, pid: Pid) -> Self {
        Self { launched, pid, then: Then::Release }
    }

    /// The process id, as seen from our namespace.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether this is the command's process, whatever that has executed in its place; not one of its
    /// descendants.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.pid == self.launched.pid()
    }

    /// How many execs this process has made in a row, this one included.
    #[must_use]
    pub fn execs(&self) -> u32 {
        self.launched.tracees.execs(self.pid)
    }

    /// The executed file: its name, and a path by which it can be opened.
    ///
    /// # Errors
    /// When the process vanished, or neither `/proc` nor its stack tells.
    pub fn exe(&self) -> io::Result<Exe> {
        let link = MappedExe::link(self.pid);
        match std::fs::read_link(&link) {
            // The link works for deleted files and in other mount namespaces too.
            Ok(name) => Ok(Exe::of(without_deletion(name), link)),
            Err(closed) => self.exe_by_stack().unwrap_or(Err(closed)),
        }
    }

    /// The executed file, found by the path that was executed; `None` if that is not to be found out. The file for a
    /// script is its interpreter, as in `/proc`.
    fn exe_by_stack(&self) -> Option<io::Result<Exe>> {
        let stack = InitialStack::of(self.pid)?;
        // A wrapper seldom changes the directory before it executes a relative path, but some do.
        let directory = &self.launched.directory;
        let executed = directory.join(stack.executed()?);
        // A file that cannot be read is believed to be the one: no more than its name is of use.
        let file = script::with_interpreters(executed.clone(), |name| directory.join(name))
            .find(|file| stack.is_of(file).unwrap_or(true));
        let other = || io::Error::other(format!("{} is not what runs, and /proc does not tell what is", executed.display()));
        Some(file.map(|file| Exe::at(&file)).ok_or_else(other))
    }

    /// What the kernel told the process about itself; its entry gives the load bias.
    #[must_use]
    pub fn auxv(&self) -> Option<Auxv> {
        Auxv::of(self.pid).ok().or_else(|| InitialStack::of(self.pid).map(|stack| stack.auxv()))
    }

    /// The first argument behind its name.
    #[must_use]
    pub fn first_argument(&self) -> Option<String> {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).ok()?;
        line.split(|byte| *byte == 0).nth(1).map(|argument| String::from_utf8_lossy(argument).into_owned())
    }

    /// The variables of the process's environment whose name starts with `prefix` (of at most eight bytes); `None` if
    /// the kernel does not tell.
    #[must_use]
    pub fn variables(&self, prefix: &str) -> Option<Vec<(OsString, OsString)>> {
        match Environment::of(self.pid) {
            Ok(environment) => Some(environment.starting_with(prefix)),
            Err(_closed) => InitialStack::of(self.pid).map(|stack| stack.variables(prefix)),
        }
    }

    /// Whether system calls in the process's name would meet no filter but those that the launcher has itself. `false` where
    /// that cannot be found out.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        let status = |process: &str| std::fs::read_to_string(format!("/proc/{process}/status")).ok();
        let filters = |process: &str| Filters::parse(&status(process)?);
        match (filters("self"), filters(&self.pid.to_string())) {
            (Some(ours), Some(theirs)) => theirs.has_none_besides(ours),
            (None, _) | (_, None) => false,
        }
    }

    /// This is not the Go program: lets it run, and stops it, and what it starts, again at the next exec.
    pub fn follow(mut self, follow: Follow) {
        self.then = Then::Follow(follow);
    }

    /// Lets the process run, untraced from here on. What it starts is not seen any more.
    pub fn release(self) {}

    /// Ends the process before it has run, and the command's with it (`--strict`).
    pub fn abandon(mut self) {
        self.then = Then::Nothing;
        for pid in [self.pid, self.launched.pid()] {
            let _ = sys::kill(pid, libc::SIGKILL);
        }
        sys::wait_end(self.launched.pid());
    }
}

/// The seccomp filters of a process. A child has those of its parent, and may install more (seccomp(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filters {
    /// `Seccomp:` of `/proc/PID/status`: 0 none, 1 strict, 2 filters.
    mode: u32,
    /// `Seccomp_filters:`, since Linux 5.9.
    count: Option<u32>,
}

impl Filters {
    fn parse(status: &str) -> Option<Self> {
        let number = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Some(Self { mode: number("Seccomp:")?, count: number("Seccomp_filters:") })
    }

    fn has_none_besides(self, ours: Self) -> bool {
        self.mode == 0 || self.count.is_some() && self == ours
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        match self.then {
            Then::Release => self.launched.tracees.release(self.pid),
            Then::Follow(follow) => self.launched.tracees.follow(self.pid, follow),
            Then::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_those_of_the_launcher_or_more() {
        let filters = |text: &str| Filters::parse(text).unwrap();
        let none = filters("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n");
        let [one, two] = ["1", "2"].map(|count| filters(&format!("Seccomp:\t2\nSeccomp_filters:\t{count}\n")));
        assert!(none.has_none_besides(none) && one.has_none_besides(one));
        assert!(!one.has_none_besides(none) && !two.has_none_besides(one));
        // An older kernel does not say how many.
        let some = filters("Seccomp:\t2\n");
        assert!(!some.has_none_besides(some) && filters("Seccomp:\t0\n").has_none_besides(some));
        assert_eq!(Filters::parse("Name:\tx\n"), None);
    }
}
