//! What the code in the program reports, as the launcher reads it; and the thread that waits for a ring that is half full.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use bpf::missed::{COUNTED, Missed};
use bpf::trace::operation::kind;
use bpf::trace::unsampled::Durations;
use native::control::{MAX_CAUGHT, disabled};
use native::ring::{Consumer, RING_BYTES};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::clock::Renewal;
use super::memory::Memory;
use crate::engine::Records;
use crate::log;

/// The reading end.
pub(super) struct RingRecords {
    /// Borrows from `memory`, and is dropped before it (field order).
    consumer: Box<Consumer<'static>>,
    renewal: Renewal,
    backlog: Arc<EventFd>,
    waiter: Waiter,
    /// What stands in the ring is not to be believed: nothing more is read.
    is_broken: bool,
    /// Defects that were said.
    said: u64,
    memory: Arc<Memory>,
}

impl RingRecords {
    /// Reads what comes into the ring of `memory`, from now on.
    ///
    /// # Errors
    /// Where the system gives no descriptor or no thread.
    pub(super) fn new(memory: Arc<Memory>) -> io::Result<Self> {
        // SAFETY: the memory stays where it is as long as this lives, which holds it, and the consumer is dropped first.
        let ring = unsafe { std::mem::transmute::<native::ring::Ring<'_>, native::ring::Ring<'static>>(memory.ring()) };
        let consumer = Box::new(Consumer::new(ring));
        let renewal = Renewal::begin(&memory.control().clock);
        let backlog = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let waiter = Waiter::start(memory.clone(), backlog.clone())?;
        Ok(Self { consumer, renewal, backlog, waiter, is_broken: false, said: 0, memory })
    }

    /// Nothing more is to come.
    fn look(&mut self) {
        let Self { renewal, memory, said, is_broken, .. } = self;
        let control = memory.control();
        renewal.renew(&control.clock);
        if *is_broken {
            return;
        }
        // The program thought that the launcher was dead.
        // What has begun before has perhaps ended meanwhile, unseen: the next end would be taken for its own. So it stays switched off.
        let was_alone =
            control.disabled.compare_exchange(disabled::ALONE, disabled::FOR_GOOD, Ordering::Relaxed, Ordering::Relaxed);
        if was_alone.is_ok() {
            log::warn(format_args!("the launcher was kept from running for seconds; the program is not traced any more"));
        }
        let caught = control.caught.load(Ordering::Relaxed);
        if caught > *said {
            let [signal, place] = control.defect.each_ref().map(|word| word.load(Ordering::Relaxed));
            let off = if caught >= MAX_CAUGHT { "; nothing more is traced" } else { "" };
            // Once, and once more when that was too much.
            if *said == 0 || caught >= MAX_CAUGHT && *said < MAX_CAUGHT {
                log::error(format_args!(
                    "a probe failed {caught} times (signal {signal} at {place:#x} of the native engine {}){off}; the program is \
                     not affected. This is a defect of go-auto-launch, please report it with this line",
                    env!("CARGO_PKG_VERSION"),
                ));
            }
            *said = caught;
        }
    }
}

impl Records for RingRecords {
    fn next(&mut self, use_record: &mut dyn FnMut(&[u8])) -> bool {
        if self.is_broken {
            return false;
        }
        match self.consumer.next(use_record) {
            Ok(true) => true,
            Ok(false) => {
                self.look();
                false
            }
            Err(broken) => {
                self.is_broken = true;
                self.memory.control().disabled.store(disabled::FOR_GOOD, Ordering::Relaxed);
                log::error(format_args!(
                    "the program has written into the launcher's memory ({:#x} is no record); it is not traced any more",
                    broken.header
                ));
                false
            }
        }
    }

    fn end(&mut self) {
        self.consumer.end();
    }

    fn capacity(&self) -> usize {
        RING_BYTES
    }

    fn backlog(&self) -> BorrowedFd<'_> {
        self.backlog.as_fd()
    }

    fn missed(&self) -> Option<[u64; COUNTED as usize]> {
        let mut missed = self.memory.control().missed();
        if let Some(full) = missed.get_mut(Missed::RingFull as usize) {
            *full = full.wrapping_add(self.consumer.cut_off());
        }
        Some(missed)
    }

    fn unsampled(&self) -> Option<[Durations; kind::COUNT as usize]> {
        Some(self.memory.control().unsampled())
    }
}

impl std::fmt::Debug for RingRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { waiter, is_broken, said, .. } = self;
        f.debug_struct("RingRecords")
            .field("waiter", waiter)
            .field("is_broken", is_broken)
            .field("said", said)
            .finish_non_exhaustive()
    }
}

/// A thread that waits, by futex(2), until the program says that the ring is half full. What polls descriptors cannot wait for that.
#[derive(Debug)]
struct Waiter {
    is_over: Arc<AtomicBool>,
    memory: Arc<Memory>,
    thread: Option<JoinHandle<()>>,
}

/// Its stack: it calls next to nothing.
const STACK: usize = 32 << 10;

impl Waiter {
    fn start(memory: Arc<Memory>, backlog: Arc<EventFd>) -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (its, over) = (memory.clone(), is_over.clone());
        let wait = move || {
            // It attaches nothing, and may have been started while something else did.
            crate::capabilities::drop_for_good();
            let word = &its.control().half_full;
            let mut seen = word.load(Ordering::Acquire);
            while !over.load(Ordering::Acquire) {
                wait(word, seen);
                let now = word.load(Ordering::Acquire);
                if now != seen {
                    seen = now;
                    // Full: somebody will look all the same.
                    let _full = backlog.write(1);
                }
            }
        };
        let thread = std::thread::Builder::new().name("ring".to_owned()).stack_size(STACK).spawn(wait)?;
        Ok(Self { is_over, memory, thread: Some(thread) })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Self { is_over, memory, thread } = self;
        is_over.store(true, Ordering::Release);
        let word = &memory.control().half_full;
        word.fetch_add(1, Ordering::Release);
        futex(word, libc::FUTEX_WAKE, i32::MAX.cast_unsigned());
        if let Some(thread) = thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Waits until somebody wakes us at `word`, if it still is `seen`.
fn wait(word: &AtomicU32, seen: u32) {
    futex(word, libc::FUTEX_WAIT, seen);
}

fn futex(word: &AtomicU32, what: libc::c_int, value: u32) {
    let no_timeout: *const libc::timespec = std::ptr::null();
    // SAFETY: the word is live; the call reads it, and there is no timeout. Not private: the program is another process.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), what, value, no_timeout) };
}
