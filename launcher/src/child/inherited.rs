//! What this process was given, recorded before the Rust runtime changes it.
//!
//! Before `main`, the runtime sets SIGPIPE to "ignored" and opens `/dev/null` in place of closed standard
//! descriptors. Both would reach the command. A constructor in `.init_array` runs before that (after the C library
//! has set itself up) and notes the two, and the parent process; [`Inherited::read`] adds the rest. Descriptors that were open are noted too,
//! so that the launcher can close its copies: a pipe must end when the command closes it, not when we exit.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::parent;
use super::sys::{self, SignalSet};

/// Set by the constructor: whether it ran at all.
static NOTED: AtomicBool = AtomicBool::new(false);
/// Set by the constructor: whether SIGPIPE was ignored.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
/// Set by the constructor: bit `n` says that descriptor `n` (0–2) was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

#[used]
// SAFETY: `.init_array` is a table of functions that the C library calls before main with arguments that an
// `extern "C"` function without parameters ignores; this one only makes system calls and stores to atomics.
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

extern "C" fn note() {
    parent::note();
    PIPE_IGNORED.store(sys::is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    let closed = (0..3u8).filter(|&fd| !is_open(fd.into())).fold(0, |bits, fd| bits | 1 << fd);
    CLOSED.store(closed, Ordering::Relaxed);
    NOTED.store(true, Ordering::Relaxed);
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes no pointer; a descriptor that is not open gives EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Whether SIGPIPE was ignored when this process started.
///
/// Without the constructor (it cannot be left out, but a strange linker might) the default is the better guess.
pub(super) fn pipe_was_ignored() -> bool {
    // The reference keeps the constructor's object file in the link.
    std::hint::black_box(&NOTE);
    NOTED.load(Ordering::Relaxed) && PIPE_IGNORED.load(Ordering::Relaxed)
}

/// What the command must find as we found it.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    /// The signals that were ignored. All others have their default action, as after every exec.
    pub(super) ignored: SignalSet,
    /// The descriptors of 3 and above that were open.
    descriptors: Vec<RawFd>,
}

impl Inherited {
    /// Gathers what was inherited. Must run before this process opens a descriptor or sets a disposition of its own.
    ///
    /// Standard descriptors that were closed are made close-on-exec, so that the command finds them closed again.
    pub(super) fn read() -> Self {
        let mut ignored =
            (1..=sys::LAST_SIGNAL).filter(|&signal| sys::is_ignored(signal)).fold(SignalSet::EMPTY, SignalSet::with);
        if !pipe_was_ignored() {
            ignored = ignored.without(libc::SIGPIPE);
        }
        let closed = CLOSED.load(Ordering::Relaxed);
        for fd in (0..3u8).filter(|fd| closed & 1 << fd != 0) {
            // SAFETY: F_SETFD takes a number; the descriptor is the `/dev/null` the runtime opened, used by nobody.
            unsafe { libc::fcntl(fd.into(), libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        Self { ignored, descriptors: open_descriptors() }
    }

    /// Closes the launcher's copies of the descriptors from 3 on. Call it once, after the fork.
    pub(super) fn close_descriptors(&mut self) {
        for fd in self.descriptors.drain(..) {
            // SAFETY: these were open before any code of ours ran, so no Rust object owns them.
            unsafe { libc::close(fd) };
        }
    }
}

/// The open descriptors from 3 on, from `/proc/self/fd`; none when there is no `/proc` (then our copies stay open).
fn open_descriptors() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let mut found: Vec<RawFd> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(|&fd| fd > 2).collect();
    // The directory itself was open while it was listed and is closed by now.
    found.retain(|&fd| is_open(fd));
    found
}
