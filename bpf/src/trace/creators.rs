//! What a goroutine has from the one that created it, by a `go` statement: the span that was active there.
//!
//! match-go: 1.18..: runtime.runqput(pp, gp, next)

use crate::config::parents::ParentsConfig;
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::shared::Shared;
use crate::target::{Memory, Target};
use crate::trace::frames;
use crate::trace::sealed::SealedSpan;

/// `_Gdead` (`runtime/runtime2.go`).
const DEAD: u32 = 6;

/// Copies the span under which the goroutine at `address` was created; false where there was none.
#[inline(always)]
pub fn find<T: Target>(target: &T, address: u64, span: &mut SpanIdentity) -> bool {
    // A `g` is used for another goroutine later: the holder of the span is the `goid`, which is never given twice.
    target.creator(address).is_some_and(|creator| creator.copy_of(goid(target, target.parents(), address), span))
}

/// `g.goid` of the goroutine at this address, which is never given twice; a `g` is.
#[inline(always)]
pub fn goid<M: Memory>(memory: &M, config: &ParentsConfig, goroutine: u64) -> u64 {
    memory.read_or_zero(goroutine.wrapping_add(config.goid.get().into()))
}

/// `go` has created a goroutine, which is about to be put into a queue: it belongs to what its creator is doing.
#[inline(always)]
pub fn created<T: Target>(target: &T) -> Done {
    let config = target.parents();
    let registers = target.registers();
    let (new, g0) = (registers.argument(1), registers.goroutine());
    // The runtime creates goroutines on the thread's own stack, as the goroutine `g0`; `m.curg` is the creator.
    let thread: u64 = target.read_or_zero(g0.wrapping_add(config.g_m.get().into()));
    let creator: u64 = target.read_or_zero(thread.wrapping_add(config.m_curg.get().into()));
    let mut span = SpanIdentity::NONE;
    let known = target.goroutine(creator);
    let has_frame =
        config.has_frames.get() != 0 && known.is_some_and(|goroutine| frames::creator(target, goroutine, creator, &mut span));
    let is_found = has_frame
        || match known.and_then(|goroutine| goroutine.active()) {
            Some(operation) => operation.span.copy_of(creator, &mut span),
            None => find(target, creator, &mut span),
        };
    if !is_found {
        return Err(Missed::NothingToDo);
    }
    target.set_creator(new, &SealedSpan::new(&span, goid(target, config, new)));
    if let Some(sweep) = target.sweep() {
        sweep.any.set(1);
    }
    Ok(())
}

/// How often creators are looked at, in nanoseconds.
const INTERVAL: u64 = 1_000_000_000;
/// How many of them, at most: each costs two reads of the process's memory.
const MOST: u64 = 256;

/// The look for creators of goroutines that are no more: once a second, a part of them at a time, each time the next part.
///
/// What two processors do to it at the same time does no harm: both look, or one looks at less.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Sweep {
    /// When it was looked last.
    last: Shared<u64>,
    /// 1 where there may be something to look at.
    any: Shared<u64>,
    /// How many at the beginning have been looked at before.
    skip: Shared<u64>,
    /// How many were passed over, this time.
    passed: Shared<u64>,
    /// How many have been looked at, this time.
    looked: Shared<u64>,
    /// How many of these are no more.
    over: Shared<u64>,
}

/// None yet.
pub const NOT_SWEEPING: Sweep = Sweep {
    last: Shared::new(0),
    any: Shared::new(0),
    skip: Shared::new(0),
    passed: Shared::new(0),
    looked: Shared::new(0),
    over: Shared::new(0),
};

/// What becomes of the creator of a goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It stays.
    Keep,
    /// It is forgotten.
    Forget,
    /// It stays, and nothing more is looked at.
    Stop,
}

/// Forgets the creators of goroutines that are no more, now and then. They are harmless (a `goid` is never given twice), but fill
/// the map.
#[inline(always)]
pub fn sweep<T: Target>(target: &T, now: u64) {
    let Some(sweep) = target.sweep() else {
        return;
    };
    if sweep.any.get() == 0 || now.wrapping_sub(sweep.last.get()) < INTERVAL {
        return;
    }
    sweep.last.set(now);
    sweep.passed.set(0);
    sweep.looked.set(0);
    sweep.over.set(0);
    target.each_creator(sweep);
    let (skip, looked, over) = (sweep.skip.get(), sweep.looked.get(), sweep.over.get());
    if looked < MOST {
        // To the end: it begins anew, if there is anything left.
        sweep.any.set(u64::from(skip + looked != over));
        sweep.skip.set(0);
    } else {
        sweep.skip.set(skip + looked - over);
    }
}

impl Sweep {
    /// Whether there may be a creator of any goroutine.
    #[inline(always)]
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.any.get() != 0
    }

    /// Looks at the creator of the goroutine at `address`.
    #[inline(always)]
    pub fn look<M: Memory>(&self, memory: &M, config: &ParentsConfig, address: u64, creator: &SealedSpan) -> Look {
        let passed = self.passed.get();
        if passed < self.skip.get() {
            self.passed.set(passed + 1);
            return Look::Keep;
        }
        let looked = self.looked.get();
        if looked >= MOST {
            return Look::Stop;
        }
        self.looked.set(looked + 1);
        let status: u32 = memory.read_or_zero(address.wrapping_add(config.status.get().into()));
        if status == DEAD || !creator.copy_of(goid(memory, config, address), &mut SpanIdentity { ..SpanIdentity::NONE }) {
            self.over.set(self.over.get() + 1);
            return Look::Forget;
        }
        Look::Keep
    }
}

#[cfg(test)]
mod tests;
