//! The launcher's power, held only while it is needed, and kept from the command.
//!
//! Four capabilities matter to the launcher (capabilities(7)): `CAP_BPF` and `CAP_PERFMON` load BPF programs and attach
//! probes, `CAP_SYS_ADMIN` does both on older kernels and engines, `CAP_SYS_PTRACE` looks into processes of other users.
//! From the start of `main` they are not effective ([`lower`]), only permitted; [`raised`] makes them effective while
//! something needs them, and [`drop_for_good`] gives them up. The command gets none of them ([`drop_in_child`]) unless
//! the user says so. Other capabilities are nobody's business here.
//!
//! Capabilities belong to a thread (capabilities(7)): a thread starts with those its creator had at that moment.
//!
//! Raw system calls, because the child makes them between fork and exec, and the C libraries have no wrapper for them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The capabilities that matter, by number (`include/uapi/linux/capability.h`).
pub const POWERS: [(u32, &str); 4] = [(39, "CAP_BPF"), (38, "CAP_PERFMON"), (21, "CAP_SYS_ADMIN"), (19, "CAP_SYS_PTRACE")];

/// The four as a set: bit `n` is capability `n`.
const FOUR: u64 = {
    let [(bpf, _), (perfmon, _), (admin, _), (ptrace, _)] = POWERS;
    1 << bpf | 1 << perfmon | 1 << admin | 1 << ptrace
};

/// The sets of a thread that capget(2) reads and capset(2) writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// Set by [`open_to_tracing`]: whether this process was dumpable before.
static WAS_DUMPABLE: AtomicBool = AtomicBool::new(true);

/// Makes the four ineffective in the calling thread; they stay permitted. For the start of `main`.
pub fn lower() {
    change(|sets| sets.effective &= !FOUR);
}

/// Restores the effective set, after a panic too.
struct Restore(u64);

impl Drop for Restore {
    fn drop(&mut self) {
        change(|sets| sets.effective = self.0 & sets.permitted);
    }
}

/// Does `work` with those of the four that are permitted effective, on this thread and on those it starts meanwhile.
pub fn raised<T>(work: impl FnOnce() -> T) -> T {
    let _restore = change(|sets| sets.effective |= sets.permitted & FOUR).map(|before| Restore(before.effective));
    work()
}

/// Does `work` without them, within [`raised`]: what may be hostile is read and thought about without power. On this thread and on
/// those it starts meanwhile.
pub fn lowered<T>(work: impl FnOnce() -> T) -> T {
    let _restore = change(|sets| sets.effective &= !FOUR).map(|before| Restore(before.effective));
    work()
}

/// Whether any of the four is effective in this thread.
#[must_use]
pub fn is_raised() -> bool {
    get().is_ok_and(|sets| sets.effective & FOUR != 0)
}

/// Gives the four up, in the calling thread and in those it starts from now on: it attaches nothing any more.
pub fn drop_for_good() {
    change(|sets| {
        sets.effective &= !FOUR;
        sets.permitted &= !FOUR;
        sets.inheritable &= !FOUR;
    });
}

/// Keeps the four from the command: out of the bounding set, so that no later exec gives them back, and out of all the
/// others. For the child between fork and exec: async-signal-safe.
///
/// Dropping from the bounding set needs `CAP_SETPCAP`. Without it a command of root gets what the bounding set holds at
/// an exec (capabilities(7), "Capabilities and execution of programs by root"), as it would without the launcher; only an
/// exec under a tracer without `CAP_SYS_PTRACE` gives nothing. The ambient set follows the permitted and inheritable ones
/// (`cap_capset`).
pub(crate) fn drop_in_child() {
    for (number, _) in POWERS {
        // SAFETY: this prctl takes a number and touches no memory. EPERM and EINVAL (an unknown capability) are no harm.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
    }
    change(|sets| {
        sets.effective &= !FOUR;
        sets.permitted &= !FOUR;
        sets.inheritable &= !FOUR;
    });
}

/// Lets this process trace the child it forks next, also when it got its capabilities from its file.
///
/// Exec of such a file makes a process undumpable (`commit_creds`), a forked child inherits that, and ptrace of an
/// undumpable process needs `CAP_SYS_PTRACE` (`__ptrace_may_access`). Saying that this process is dumpable opens it to
/// nobody who has less: a tracer must be of the same user, and its capabilities must include all that are permitted to
/// the traced thread (`cap_ptrace_access_check`).
pub fn open_to_tracing() {
    // SAFETY: this prctl takes no argument and touches no memory.
    let found = unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) };
    WAS_DUMPABLE.store(found == 1, Ordering::Relaxed);
    set_dumpable(true);
}

/// Closes this process to tracing while it holds any of the four: threads that have given them up would be a way to those
/// that have not. For the time after the child was seized.
pub fn close_to_tracing() {
    if held().is_empty() { reset_tracing() } else { set_dumpable(false) }
}

/// This process is as open to tracing as it was at first. For the time when all threads have given the four up.
pub fn reset_tracing() {
    set_dumpable(WAS_DUMPABLE.load(Ordering::Relaxed));
}

/// Whether this thread may use capability `number`, effective at the moment or not.
#[must_use]
pub fn is_permitted(number: u32) -> bool {
    get().is_ok_and(|sets| sets.permitted >> number & 1 != 0)
}

/// Whether this thread could load BPF programs and attach probes, as far as capabilities go.
#[must_use]
pub fn may_trace() -> bool {
    let [(bpf, _), (perfmon, _), (admin, _), _] = POWERS;
    is_permitted(bpf) && is_permitted(perfmon) || is_permitted(admin)
}

/// Those of the four that this thread may use, effective at the moment or not.
#[must_use]
pub fn held() -> Vec<&'static str> {
    let permitted = get().map_or(0, |sets| sets.permitted);
    POWERS.iter().filter(|(number, _)| permitted >> number & 1 != 0).map(|(_, name)| *name).collect()
}

fn set_dumpable(dumpable: bool) {
    // SAFETY: this prctl takes a number and touches no memory. The values 0 and 1 are always allowed.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0, 0, 0) };
}

/// Changes the sets of this thread and returns those before; `None` if they were as wanted already, or cannot be changed:
/// then what needs them fails and says so. Async-signal-safe.
fn change(edit: impl FnOnce(&mut Sets)) -> Option<Sets> {
    let before = get().ok()?;
    let mut after = before;
    edit(&mut after);
    (after != before && set(after).is_ok()).then_some(before)
}

/// `struct __user_cap_header_struct`; process 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`; two of them, the lower 32 bits first.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64 bits, since Linux 2.6.26.
const VERSION_3: u32 = 0x2008_0522;

fn get() -> io::Result<Sets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 writes two data structs, which live here, and may write the header's version.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let [low, high] = data;
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    Ok(Sets {
        effective: join(low.effective, high.effective),
        permitted: join(low.permitted, high.permitted),
        inheritable: join(low.inheritable, high.inheritable),
    })
}

fn set(sets: Sets) -> io::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    #[expect(clippy::cast_possible_truncation, reason = "each half of the set is taken on purpose")]
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 reads two data structs, which live here, and may write the header's version.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capabilities belong to a thread, so that a test changes only its own.
    fn on_a_thread(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn lowered_raised_and_dropped() {
        on_a_thread(|| {
            let at_first = get().unwrap();
            lower();
            let lowered_sets = get().unwrap();
            assert_eq!(lowered_sets.effective, at_first.effective & !FOUR);
            assert_eq!(lowered_sets.permitted, at_first.permitted);
            let inside = raised(|| {
                let started = std::thread::spawn(|| get().unwrap()).join().unwrap();
                // Again inside: the inner end lowers nothing.
                raised(|| ());
                assert_eq!(get().unwrap(), started);
                assert_eq!(lowered(|| (is_raised(), get().unwrap())), (false, lowered_sets));
                assert_eq!(get().unwrap(), started);
                started
            });
            assert_eq!(inside.effective & FOUR, at_first.permitted & FOUR);
            assert_eq!(get().unwrap(), lowered_sets);
            drop_for_good();
            let dropped = get().unwrap();
            assert_eq!((dropped.effective | dropped.permitted | dropped.inheritable) & FOUR, 0);
            assert_eq!(dropped.permitted, at_first.permitted & !FOUR);
            assert_eq!(raised(|| get().unwrap()), dropped);
            assert!(held().is_empty());
        });
    }

    #[test]
    fn a_panic_lowers_them_too() {
        on_a_thread(|| {
            lower();
            let before = get().unwrap();
            assert!(std::panic::catch_unwind(|| raised(|| panic!("as intended"))).is_err());
            assert_eq!(get().unwrap(), before);
        });
    }

    #[test]
    fn the_four_are_38_39_21_and_19() {
        assert_eq!(FOUR, 0xc0_0028_0000);
    }
}
