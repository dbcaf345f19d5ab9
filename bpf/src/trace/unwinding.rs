//! Which of the open operations of tables still are: what a panic or `runtime.Goexit` has unwound never ends, and the next operation
//! that begins or ends further out shows it, by the depth of the stack.

use crate::instrumentations::operations::report::{self, Event};
use crate::records::kind;
use crate::scratch::Scratch;
use crate::target::{Lookup, Step, Target};
use crate::trace::chain::alive;
use crate::trace::frames::{MAX_LEVELS, Standing, key};
use crate::trace::goroutine::Goroutine;

/// Forgets what is no more open when an operation begins at this depth. Returns at which level it begins.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub fn settle<T: Target>(target: &T, goroutine: &Goroutine, standing: &Standing, scratch: &mut Scratch) -> u64 {
    let open = goroutine.frames();
    let mut level = open;
    if open != 0 {
        let innermost = target.frame(key(standing.address, open - 1));
        let is_its = innermost.is_some_and(|frame| frame.goid.get() == standing.goid);
        if let Some(frame) = innermost
            && frame.beyond.get() > standing.depth
        {
            frame.beyond.set(target.opaque(0));
        }
        // Else another goroutine had this `g`, and has died.
        level = 0;
        if is_its {
            let mut search = Search { address: standing.address, depth: standing.depth - 1, operation: None, level: open.into() };
            target.repeat(MAX_LEVELS, &mut search);
            #[expect(clippy::cast_possible_truncation, reason = "at most what it was")]
            let found = search.level as u32;
            level = found;
            if level != 0 && goroutine.has_panicked() {
                level = alive(target, standing, level);
            }
        }
    }
    if level != open {
        unwound(target, goroutine, standing.address, level, scratch);
    }
    target.opaque(level.into())
}

/// The look for the innermost frame that is not deeper than this, from the inside out.
struct Search {
    address: u64,
    /// Not deeper than this.
    depth: u64,
    /// That of this operation alone.
    operation: Option<u32>,
    /// Above the one that is looked at next; in the end, above the one that was found.
    level: u64,
}

impl Step for Search {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        if self.level == 0 {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
        let below = (self.level - 1) as u32;
        if let Some(frame) = lookup.frame(key(self.address, below))
            && frame.depth.get() <= self.depth
            && self.operation.is_none_or(|operation| frame.operation.get() == operation)
        {
            return false;
        }
        self.level -= 1;
        true
    }
}

/// The level of the frame that ends where a function of this operation ends at this depth; what is open within it has been unwound.
#[inline(always)]
pub fn ended<T: Target>(target: &T, goroutine: &Goroutine, standing: &Standing, operation: u32, scratch: &mut Scratch) -> u64 {
    let innermost = goroutine.frames().wrapping_sub(1);
    let is_innermost = target.frame(key(standing.address, innermost)).is_some_and(|frame| {
        frame.operation.get() == operation
            && frame.depth.get() <= standing.depth
            && frame.goid.get() == standing.goid
            && frame.beyond.get() == 0
    });
    if is_innermost { target.opaque(innermost.into()) } else { look(target, goroutine, standing, operation, scratch) }
}

/// The same where it is not the innermost.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn look<T: Target>(target: &T, goroutine: &Goroutine, standing: &Standing, operation: u32, scratch: &mut Scratch) -> u64 {
    let open = goroutine.frames();
    if let Some(frame) = target.frame(key(standing.address, open.wrapping_sub(1))) {
        if frame.goid.get() != standing.goid {
            // Another goroutine had this `g`, and has died: the next operation that begins here shows it.
            return target.opaque(NONE);
        }
        let beyond = frame.beyond.get();
        if beyond != 0 && beyond <= standing.depth {
            // One that was too deep.
            return target.opaque(NONE);
        }
        frame.beyond.set(target.opaque(0));
    }
    let (address, depth) = (standing.address, standing.depth);
    let mut search = Search { address, depth, operation: Some(operation), level: open.into() };
    target.repeat(MAX_LEVELS, &mut search);
    if search.level == 0 {
        return target.opaque(NONE);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most what it was")]
    let level = search.level as u32;
    if level != open {
        unwound(target, goroutine, address, level, scratch);
    }
    target.opaque(u64::from(level) - 1)
}

/// No frame has this level.
pub const NONE: u64 = u64::MAX;

/// All that is open on the goroutine at `address` from this level on has been unwound, and ends now, which is noted in `scratch`: not later
/// than what it lies in.
///
/// A call of its own in BPF: it is rare, and its stack is free again when it returns.
#[inline(never)]
pub fn unwound<T: Target>(target: &T, goroutine: &Goroutine, address: u64, level: u32, scratch: &mut Scratch) {
    goroutine.set_frames(level);
    report::begin(target, scratch);
    let (kind, time) = (kind::OPERATION_UNWOUND, scratch.evaluation.time);
    let event = Event { kind, operation: 0, time, span_id: 0, goroutine: address, object: 0, level };
    if let Err(missed) = report::submit(target, scratch, &event) {
        target.count(missed);
    }
}

/// All that is open on a goroutine has been unwound: what is around it begins anew or ends, at this time.
///
/// A call of its own in BPF: it is rare, and its stack is free again when it returns.
#[inline(never)]
pub fn all_unwound<T: Target>(target: &T, goroutine: &Goroutine, address: u64, time: u64) {
    let done = target.with_scratch(|scratch| {
        scratch.evaluation.time = time;
        unwound(target, goroutine, address, 0, scratch);
        Ok(())
    });
    if done.is_err() {
        goroutine.set_frames(0);
    }
}
