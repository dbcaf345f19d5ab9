//! How far what is executed and forked is followed, at most.

use std::time::Duration;

use crate::log;

/// How many execs in a row are followed (`sh -c 'exec env … gosu … app'` has four).
pub(super) const MAX_EXECS: u32 = 64;
/// How long a process is followed that is not expected to start others. Entry scripts wait for databases and migrate
/// them.
pub(super) const BRIEF: Duration = Duration::from_mins(10);
/// Stops that processes followed briefly may cost altogether: at 60 to 80 µs each, 0.4 s.
pub(super) const MAX_BRIEF_STOPS: u32 = 5_000;
/// Stops that watched processes may cost altogether: at some 10 µs each, 0.2 s.
pub(super) const MAX_WATCHED_STOPS: u32 = 20_000;
/// Threads followed at a time; what is forked beyond is let go.
pub(super) const MAX_THREADS: usize = 1_024;

/// Why a process is not followed, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Too many execs in a row.
    #[error("{MAX_EXECS} programs were executed one in place of the other")]
    Execs,
    /// Too much time.
    #[error("none of the programs that are not known to start others has started a Go program within ten minutes")]
    Time,
    /// Too many stops.
    #[error("following programs that are not known to start others has cost them {MAX_BRIEF_STOPS} stops")]
    Stops,
    /// Too many threads.
    #[error("{MAX_THREADS} threads are followed already")]
    Threads,
    /// Too many system calls.
    #[error(
        "following as an ordinary user has cost {MAX_WATCHED_STOPS} stops at system calls; CAP_SYS_PTRACE or no_new_privs makes \
         them unnecessary"
    )]
    SystemCalls,
    /// Only known wrappers are worth that.
    #[error(
        "as an ordinary user without CAP_SYS_PTRACE or no_new_privs, the launcher follows only programs that are known to \
         start others"
    )]
    OrdinaryUser,
    /// A traced process would not get them.
    #[error(
        "a set-user-id program, or one with file capabilities, keeps its privileges only if the launcher, which has no \
         CAP_SYS_PTRACE, does not follow it"
    )]
    Privileges,
}

/// The limits that were reached.
#[derive(Debug, Default)]
pub(super) struct Reached {
    first: Option<Limit>,
    /// A line says so.
    is_said: bool,
}

impl Reached {
    pub(super) fn first(&self) -> Option<Limit> {
        self.first
    }

    pub(super) fn note(&mut self, limit: Limit) {
        self.first.get_or_insert(limit);
    }

    /// One line for all of them.
    pub(super) fn say(&mut self, limit: Limit) {
        self.note(limit);
        if !std::mem::replace(&mut self.is_said, true) {
            log::warn(format_args!("not everything is followed any more, Go programs started there run untraced: {limit}"));
        }
    }
}
