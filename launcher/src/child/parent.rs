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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::SignalSet;

    /// A forked child has another parent than the one that was noted: as if the launcher's had died.
    #[test]
    fn a_parent_that_died_before_is_signalled_at_once() {
        // SAFETY: the child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let told = sys::set_mask(SignalSet::ALL).is_ok() && signal_on_parent_death(libc::SIGUSR1).is_ok();
            let mut pending = 0u64;
            // SAFETY: the kernel writes one u64 of this frame, as the size says; _exit does not return.
            unsafe {
                libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, size_of::<u64>());
                libc::_exit(i32::from(!(told && pending == 1 << (libc::SIGUSR1 - 1))));
            }
        }
        let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
        assert_eq!(status, nix::sys::wait::WaitStatus::Exited(nix::unistd::Pid::from_raw(child), 0));
    }
}
