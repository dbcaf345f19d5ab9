//! The death of the launcher's own parent, as a signal to the launcher (`--parent-death-signal`).
//!
//! As in tini, the kernel sends it to the launcher (prctl(2), `PR_SET_PDEATHSIG`), and from there it takes the way of
//! every signal that arrives: it is forwarded. The kernel means the parent *thread*: a launcher that was started by a
//! thread which ends early gets the signal then. It forgets the setting when the launcher's permitted capabilities grow
//! or its user changes (`commit_creds`), and a forked child does not have it (`copy_process`); neither matters here.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::unistd::{getpid, getppid};

use super::sys;

/// The parent when this process began; 0 before it was noted, or if the parent is in another pid namespace.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// Remembers who the parent is. Called by the constructor in [`super::inherited`], before `main`.
pub(super) fn note() {
    PARENT.store(getppid().as_raw(), Ordering::Relaxed);
}

/// From now on, `signal` arrives here when the parent dies. If it has died since this process began, at once.
///
/// A parent that died even before that cannot be told from the one that took its place.
///
/// # Errors
/// When the kernel refuses (a sandbox; the signal's number is no reason).
pub fn signal_on_parent_death(signal: i32) -> Result<(), Errno> {
    sys::set_parent_death_signal(signal)?;
    if getppid().as_raw() != PARENT.load(Ordering::Relaxed) {
        sys::queue_as_from_outside(getpid(), signal)?;
    }
    Ok(())
}
