//! A mapped file, read while others may change it: bytes that are gone, or cannot be read, are zeros.
//!
//! A page of a mapping that lies beyond the end of its file, or that the file system cannot supply, raises SIGBUS in whoever
//! touches it. In the launcher that would end PID 1, and all the container with it. The kernel refuses to truncate a file that is
//! executed (ETXTBSY), but not when the process has executed another one or has ended, not by the layer below an overlay, and not
//! on a network file system. So the mappings are listed, and a handler puts a page of zeros where one is missing.

use std::fs::File;
use std::io;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{c_int, c_void, siginfo_t, ucontext_t};
use memmap2::{Mmap, UncheckedAdvice};
use nix::errno::Errno;
use nix::unistd::{SysconfVar, sysconf};

use super::sys::{self, SignalSet};

/// Mappings at a time; what is traced beyond that is read into memory.
const MAX_MAPPINGS: usize = 64;

/// Marks an entry that is being filled: above every address.
const RESERVED: usize = usize::MAX;

/// Where a mapping lies. All zero: a free entry.
struct Entry {
    begin: AtomicUsize,
    end: AtomicUsize,
}

/// What the handler may mend; it takes no lock.
static MAPPINGS: [Entry; MAX_MAPPINGS] = [const { Entry { begin: AtomicUsize::new(0), end: AtomicUsize::new(0) } }; MAX_MAPPINGS];

/// Set before the handler is installed.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// The bytes of a file.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Mmap,
    /// Its entry.
    index: usize,
}

impl Mapped {
    /// Maps the file; `None` where there are too many mappings, or no handler can be had.
    ///
    /// # Errors
    /// When the file cannot be mapped.
    pub(super) fn new(file: &File) -> io::Result<Option<Self>> {
        if !handler_is_installed() {
            return Ok(None);
        }
        let free = |entry: &Entry| entry.begin.compare_exchange(0, RESERVED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let Some(index) = MAPPINGS.iter().position(free) else {
            return Ok(None);
        };
        // SAFETY: whoever changes the file changes bytes that are only read by `read`, which a file of any content may be given
        // to; where pages go, the handler below puts others.
        let map = match unsafe { Mmap::map(file) } {
            Ok(map) => map,
            Err(error) => {
                MAPPINGS[index].begin.store(0, Ordering::Release);
                return Err(error);
            }
        };
        let range = map.as_ptr_range();
        MAPPINGS[index].end.store(range.end.addr(), Ordering::Relaxed);
        MAPPINGS[index].begin.store(range.start.addr(), Ordering::Release);
        Ok(Some(Self { map, index }))
    }

    /// Reads the bytes. SIGBUS is not blocked meanwhile: raised by a fault while blocked, it kills (`force_sig_info_to_task`,
    /// `kernel/signal.c`).
    pub(super) fn read<R>(&self, reader: impl FnOnce(&[u8]) -> R) -> R {
        let _unblocked = Unblocked::new();
        reader(&self.map)
    }

    /// Takes the pages out of our memory; they stay in the page cache. A kernel that refuses leaves them where they are.
    pub(super) fn give_back(&self) {
        // SAFETY: this advice may change what a mapping holds only where that differs from the file, as in private mappings that
        // were written to. This one is shared and read-only: whoever looks at it again finds the file's bytes.
        let _kept_resident = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // Before the addresses may become something else's.
        MAPPINGS[self.index].begin.store(0, Ordering::Release);
    }
}

/// Until it is dropped, SIGBUS reaches this thread.
struct Unblocked(Option<SignalSet>);

impl Unblocked {
    fn new() -> Self {
        // It cannot fail; without it, things are as they were.
        Self(sys::unblock(SignalSet::EMPTY.with(libc::SIGBUS)).ok())
    }
}

impl Drop for Unblocked {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = sys::set_mask(before);
        }
    }
}

/// Installs the handler at the first call. Exec takes it away again; the command is forked before anything is mapped.
fn handler_is_installed() -> bool {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| usize::try_from(size).ok());
        // SAFETY: all zero is a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = at_fault as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the action is a live struct; its handler has the signature that SA_SIGINFO asks for and makes calls only that a
        // handler may make.
        let installed = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) } == 0;
        PAGE.store(if installed { page.unwrap_or(0) } else { 0 }, Ordering::Release);
    });
    PAGE.load(Ordering::Acquire) != 0
}

/// The handler of SIGBUS.
extern "C" fn at_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO pointers to both, which are valid until it returns.
    let (details, context) = unsafe { (&*info, &mut *context.cast::<ucontext_t>()) };
    let errno = Errno::last_raw();
    if details.si_code <= 0 {
        // Somebody sent it: it is the command's, and has come here because this thread is reading. It waits for the signalfd.
        // SAFETY: the set is live, and the signal's number is one.
        unsafe { libc::sigaddset(&raw mut context.uc_sigmask, signal) };
        // SAFETY: the information is what the kernel gave us; for a process's own id it may say anything (rt_sigqueueinfo(2)).
        unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, libc::getpid(), signal, info) };
    } else {
        // SAFETY: a SIGBUS of the kernel has an address, or zeros in its place.
        let address = unsafe { details.si_addr() }.addr();
        if !put_zeros(address) {
            // Not ours to mend: raised again on return, it ends the process.
            let _ = sys::set_ignored(signal, false);
        }
    }
    Errno::set_raw(errno);
}

/// Maps a page of zeros over the one of `address`, if that lies in a listed mapping.
fn put_zeros(address: usize) -> bool {
    let is_listed = MAPPINGS.iter().any(|entry| {
        let begin = entry.begin.load(Ordering::Acquire);
        begin != 0 && begin <= address && address < entry.end.load(Ordering::Relaxed)
    });
    let page = PAGE.load(Ordering::Relaxed);
    if !is_listed || page == 0 {
        return false;
    }
    let start = ptr::without_provenance_mut(address & !(page - 1));
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the page is one of a mapping of ours that a reader has borrowed, so that it is not unmapped meanwhile; it could not
    // be read, so nothing has been seen in it.
    unsafe { libc::mmap(start, page, libc::PROT_READ, flags, -1, 0) != libc::MAP_FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_has_lost_is_zeros() {
        let file = tempfile::tempfile().unwrap();
        let page = 4096;
        io::Write::write_all(&mut &file, &vec![1; 3 * page]).unwrap();
        let ones = |bytes: &[u8]| bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
        let mapped = Mapped::new(&file).unwrap().unwrap();
        let before = sys::set_mask(SignalSet::ALL).unwrap();
        assert_eq!(mapped.read(ones), 3 * page);
        file.set_len(10).unwrap();
        // Twice: the zeros stay. And where a panic is on its way, the signal is blocked again too.
        for _ in 0..2 {
            assert_eq!(mapped.read(|bytes| (bytes.len(), ones(bytes))), (3 * page, 10));
        }
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mapped.read(|_| panic!("as intended"))));
        assert!(panicked.is_err());
        assert_eq!(sys::set_mask(before).unwrap(), SignalSet::ALL.without(libc::SIGKILL).without(libc::SIGSTOP));
    }

    #[test]
    fn mappings_beyond_the_list_are_refused_and_come_back() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1).unwrap();
        let mapped: Vec<_> = std::iter::from_fn(|| Mapped::new(&file).unwrap()).collect();
        // Other tests have some of them.
        assert!(mapped.len() > MAX_MAPPINGS / 2);
        drop(mapped);
        assert!(Mapped::new(&file).unwrap().is_some());
    }
}
