//! The time: by the processor's counter, else by the kernel's function in the vDSO.

use core::sync::atomic::Ordering;

use native::clock::STALE;
use native::control::disabled;
use native::state::{CALLS, Call};

use super::entry::Frame;
use super::machine::{call_function, counter};
use super::{configuration, control, state};

/// Nanoseconds of `CLOCK_BOOTTIME`. `frame` is that of the hit.
#[inline(always)]
pub(super) fn now(frame: *const Frame) -> u64 {
    let line = control().clock.line();
    let time = match configuration().clock_gettime {
        0 => line.time(counter()),
        function => by_function(function, frame),
    };
    look_at_launcher(time.wrapping_sub(line.time));
    time
}

/// The launcher sets the clock whenever it looks at the ring. If it has not for long it is dead, and nobody needs records.
#[inline(always)]
fn look_at_launcher(unseen: u64) {
    if unseen > STALE && unseen.cast_signed() > 0 {
        let _other = control().disabled.compare_exchange(disabled::NO, disabled::ALONE, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// The kernel's function is called from this stack: signals that arrive meanwhile are to find the hit. Nothing where there are too many.
fn begin_call(stack_pointer: u64, frame: *const Frame) -> Option<&'static Call> {
    const TRIED: usize = 8;
    // Threads begin at different ones: their stacks are farther from each other.
    let first = (stack_pointer >> 13) as usize;
    let take = |call: &&Call| call.stack_pointer.compare_exchange(0, Call::TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok();
    let call = (first..first + TRIED).filter_map(|number| state().calls.get(number % CALLS)).find(take)?;
    call.frame.store(frame as u64, Ordering::Relaxed);
    call.stack_pointer.store(stack_pointer, Ordering::Release);
    Some(call)
}

/// The time by the kernel's function.
#[inline(never)]
fn by_function(function: u64, frame: *const Frame) -> u64 {
    let mut time = [0_u64; 2];
    let call = begin_call((&raw const time) as u64, frame);
    call_function(function, &mut time);
    if let Some(call) = call {
        call.stack_pointer.store(0, Ordering::Release);
    }
    let [seconds, nanoseconds] = time;
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}
