//! What a signal does that arrives while a thread is in this code: a read that has faulted fails, a defect is left, and of any other Go is
//! shown the place in the program that was observed.

use core::sync::atomic::Ordering;

use native::control::{Control, MAX_CAUGHT};

use super::entry::Frame;
use super::machine::context::{PC, SHOWN as SHOWN_PLACES, SP, WORDS};
use super::machine::{Saved, is_fault};
use super::{configuration, control, part, state};

/// Results of [`on_signal`]: below it is dealt with, above it something else is shown.
pub(super) const PASSED_ON: u32 = 1;
const DEALT_WITH: u32 = 0;
const SHOWN: u32 = 2;

pub(super) const SIGILL: u32 = 4;
pub(super) const SIGBUS: u32 = 7;
pub(super) const SIGFPE: u32 = 8;
pub(super) const SIGSEGV: u32 = 11;
const SIGURG: u32 = 23;

unsafe extern "C" {
    /// Behind what the linker has collected of [`super::memory`]: pairs of a faulting instruction and a landing.
    static FAULTS: [[i32; 2]; 0];
    static FAULTS_END: [[i32; 2]; 0];
    /// The code that runs with a frame.
    static TEXT: [u8; 0];
    static TEXT_END: [u8; 0];
    /// Where a hit comes back that is left.
    static landed: [u8; 0];
    /// Between these two the entry stands at a frame.
    static framed: [u8; 0];
    static restored: [u8; 0];
}

/// A signal has interrupted this code. `context` is that of the kernel; `shown` is room for what is there in the registers that
/// are made to say something else for the time that Go looks at them.
pub(super) unsafe extern "C" fn on_signal(
    signal: u32,
    info: *const i32,
    context: *mut u64,
    shown: *mut [u64; SHOWN_PLACES.len()],
) -> u32 {
    // SAFETY: the kernel gives a context of more than so many words, which belongs to the handler.
    let context = unsafe { &mut *context.cast::<[u64; WORDS]>() };
    let at = context[PC];
    // SAFETY: the kernel gives an information of more than three numbers; the third says who has sent the signal (`si_code`).
    let is_raised_here = unsafe { *info.add(2) } > 0;
    if is_raised_here && is_fault(signal) {
        if let Some(landing) = landing(at) {
            context[PC] = landing;
            return DEALT_WITH;
        }
        let Some(frame) = frame(at, context[SP]) else {
            return PASSED_ON;
        };
        // SAFETY: it stands on the stack of the interrupted thread.
        leave(unsafe { &*frame }, signal, at);
        context[PC] = (&raw const landed) as u64;
        context[SP] = frame as u64;
        return DEALT_WITH;
    }
    // The runtime does not preempt a thread that is in no function of Go (`isAsyncSafePoint`), and shall not.
    if signal == SIGURG {
        return PASSED_ON;
    }
    let Some(frame) = frame(at, context[SP]).or_else(|| frame_of_call(context[SP])) else {
        return PASSED_ON;
    };
    // SAFETY: as above; the registers stand on the goroutine's stack until the hit is over.
    let (number, saved): (u64, &Saved) = unsafe { ((*frame).number, &*(*frame).saved) };
    let Some(site) = part::<native::configuration::Site>(configuration().sites).get(number as usize) else {
        return PASSED_ON;
    };
    let new = saved.shown(site.address, site.stack);
    let old = SHOWN_PLACES.map(|place| context[place]);
    // SAFETY: the caller has room for them.
    unsafe { *shown = old };
    for (place, value) in SHOWN_PLACES.into_iter().zip(new) {
        context[place] = value;
    }
    SHOWN
}

/// Where a read goes on whose instruction at `at` has faulted.
fn landing(at: u64) -> Option<u64> {
    let (mut entry, end) = ((&raw const FAULTS).cast::<[i32; 2]>(), (&raw const FAULTS_END).cast::<[i32; 2]>());
    while entry < end {
        // SAFETY: between the two there are whole entries.
        let [faulting, landing] = unsafe { *entry };
        let here = entry as u64;
        if here.wrapping_add_signed(faulting.into()) == at {
            return Some((here + 4).wrapping_add_signed(landing.into()));
        }
        // SAFETY: as above.
        entry = unsafe { entry.add(1) };
    }
    None
}

/// How far above the stack pointer a frame may stand: bodies take less of the stack (`launcher/build.rs` looks).
const FAR: u64 = 8_192;

/// The frame of the hit that is at `at` with this stack pointer. In code that runs with a frame there is one: nothing beyond it is looked
/// at.
fn frame(at: u64, stack_pointer: u64) -> Option<*const Frame> {
    let is_between = |begin: *const [u8; 0], end: *const [u8; 0]| (begin as u64..end as u64).contains(&at);
    if !is_between(&raw const TEXT, &raw const TEXT_END) && !is_between(&raw const framed, &raw const restored) {
        return None;
    }
    let secret = configuration().secret;
    let mut address = stack_pointer.next_multiple_of(16);
    let end = address + FAR;
    while address < end {
        // SAFETY: between the stack pointer and the frame, which stands above it.
        if unsafe { *(address as *const u64) } ^ address == secret {
            return Some(address as *const Frame);
        }
        address += 16;
    }
    None
}

/// The frame of the hit that has called the kernel's function for the time and is in there with this stack pointer.
fn frame_of_call(stack_pointer: u64) -> Option<*const Frame> {
    if configuration().clock_gettime == 0 {
        return None;
    }
    let call = state().calls.iter().find(|call| call.is_at(stack_pointer))?;
    let frame = call.frame.load(Ordering::Relaxed);
    // SAFETY: it stands on the stack of the interrupted thread, which has noted it and is in the call.
    let is_its = unsafe { (*(frame as *const Frame)).seal } ^ frame == configuration().secret;
    is_its.then_some(frame as *const Frame)
}

/// Gives back what the hit has taken, and counts. After too many the engine is switched off.
fn leave(frame: &Frame, signal: u32, at: u64) {
    let enabled = &state().enabled;
    if enabled.is_enabled.load(Ordering::Relaxed) == 0 && enabled.caught.load(Ordering::Relaxed) == 0 {
        // In a process that was forked nothing is shared with the launcher.
        return;
    }
    if frame.record != 0 {
        // SAFETY: it was reserved and has not been committed.
        unsafe { native::ring::give_up(frame.record, frame.record_size) };
    }
    if frame.scratch != 0 {
        // SAFETY: the tag of a place of scratch memory.
        unsafe { (*(frame.scratch as *const core::sync::atomic::AtomicU64)).store(0, Ordering::Release) };
    }
    let Control { caught, defect, .. } = control();
    let offset = at.wrapping_sub((&raw const TEXT) as u64);
    for (word, value) in defect.iter().zip([u64::from(signal), offset]) {
        word.store(value, Ordering::Relaxed);
    }
    caught.fetch_add(1, Ordering::Relaxed);
    if u64::from(enabled.caught.fetch_add(1, Ordering::Relaxed)) + 1 >= MAX_CAUGHT {
        enabled.is_enabled.store(0, Ordering::Relaxed);
    }
}
