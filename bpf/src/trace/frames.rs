//! The open operations of tables on a goroutine: a stack, each within the one before it.
//!
//! Each has an entry of its own in a map, by goroutine and level, so that a goroutine takes room for what it has open alone. An
//! operation that a panic or `runtime.Goexit` has unwound never ends: the next one that begins or ends further out shows it, by the
//! depth of the stack.

use crate::config::operations::flag;
use crate::instrumentations::operations::report::{self, Event};
use crate::missed::{Done, Missed};
use crate::records::{SpanIdentity, kind};
use crate::scratch::Scratch;
use crate::shared::Shared;
use crate::target::{Lookup, Step, Target};
use crate::trace::chain::alive;
use crate::trace::goroutine::Goroutine;
use crate::trace::parents::{BY_CONTEXT, ParentSearch};
use crate::trace::sealed::SealedSpan;

/// Operations of tables that may be open within each other; deeper ones are counted as lost.
pub const MAX_LEVELS: u32 = 64;

/// An open operation.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its span; the holder is the entry's key.
    pub span: SealedSpan,
    /// Its layer, and those of all operations around it.
    pub layers: Shared<u32>,
    /// The number of its [`crate::config::operations::OperationRecipe`].
    pub operation: Shared<u32>,
    /// 1 where the launcher knows of its start.
    pub is_reported: Shared<u32>,
    /// Goroutines that are created within it belong to the frame below this level; 0: to none.
    pub creator: Shared<u32>,
    /// When it began, in nanoseconds of `CLOCK_BOOTTIME`.
    pub began: Shared<u64>,
    /// Bytes between the stack pointer at its start and the upper end of the stack, which stay the same when the stack is moved.
    pub depth: Shared<u64>,
    /// Its object, where it ends one; else 0.
    pub object: Shared<u64>,
    /// The id of the span that the outermost frame of the goroutine is a child of.
    pub outside: Shared<u64>,
    /// Under which number the texts are remembered that are propagated with it ([`crate::trace::extracted`]).
    pub texts: Shared<u64>,
    /// `g.goid` of its goroutine.
    pub goid: Shared<u64>,
    /// Of the last level: the depth of the first operation within it that found no room; 0 where there was none.
    pub beyond: Shared<u64>,
}

/// None.
pub const NEW_FRAME: Frame = Frame {
    span: SealedSpan::NONE,
    layers: Shared::new(0),
    operation: Shared::new(0),
    is_reported: Shared::new(0),
    creator: Shared::new(0),
    began: Shared::new(0),
    depth: Shared::new(0),
    object: Shared::new(0),
    outside: Shared::new(0),
    texts: Shared::new(0),
    goid: Shared::new(0),
    beyond: Shared::new(0),
};

/// The key of the entry of the goroutine at `address` at this level; addresses have less than 56 bits.
#[inline(always)]
#[must_use]
pub const fn key(address: u64, level: u32) -> u64 {
    address ^ (level as u64) << 56
}

/// Where a goroutine stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The address of its `g`.
    pub address: u64,
    /// `g.goid`, which is never given twice; a `g` is.
    pub goid: u64,
    /// [`Frame::depth`] of what begins or ends now.
    pub depth: u64,
}

/// Words of a `runtime.g` that are read at once; `stack.hi` and `goid` lie in them.
pub const G_WORDS: usize = 24;

impl Standing {
    /// Of the goroutine at `address`; `words` is room for its first words.
    #[inline(always)]
    pub fn of<T: Target>(target: &T, address: u64, words: &mut [u64; G_WORDS]) -> Self {
        let config = target.parents();
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        target.read_prefix(address, (G_WORDS * 8) as u32, words);
        let high = crate::go::words::word(words, config.stack_high.get());
        let goid = crate::go::words::word(words, config.goid.get());
        Self { address, goid, depth: high.wrapping_sub(target.registers().stack_pointer) }
    }
}

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
        frame.operation.get() == operation && frame.depth.get() <= standing.depth && frame.beyond.get() == 0
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

/// An operation that begins.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// At which level.
    pub level: u32,
    /// The number of its recipe.
    pub operation: u32,
    /// Its layer.
    pub layer: u32,
    /// Its flags.
    pub flags: u32,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// Its object, where it ends one.
    pub object: u64,
}

/// Opens a frame for the span in `scratch`.
///
/// # Errors
/// Where there is no room, or the goroutine's memory is another one's by now.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub fn open<T: Target>(target: &T, goroutine: &Goroutine, standing: &Standing, opening: &Opening, scratch: &Scratch) -> Done {
    let Opening { level, operation, layer, flags, time, object } = *opening;
    if level >= MAX_LEVELS {
        if let Some(last) = target.frame(key(standing.address, MAX_LEVELS - 1))
            && last.beyond.get() == 0
        {
            last.beyond.set(standing.depth);
        }
        return Err(Missed::NoRoom);
    }
    let Scratch { span, search, .. } = scratch;
    let own = key(standing.address, level);
    let frame = target.frame_or_new(own).ok_or(Missed::NoRoom)?;
    let (mut layers, mut creator, mut outside) = (layer, 0, u64::from_ne_bytes(span.parent_span_id));
    if level != 0
        && let Some(below) = target.frame(key(standing.address, level - 1))
    {
        layers |= below.layers.get();
        creator = below.creator.get();
        outside = below.outside.get();
    }
    frame.span.set(span, own);
    frame.layers.set(layers);
    frame.operation.set(operation);
    frame.is_reported.set(1);
    frame.creator.set(if flags & flag::IS_CLIENT == 0 { level + 1 } else { creator });
    frame.began.set(time);
    frame.depth.set(standing.depth);
    frame.object.set(object);
    frame.outside.set(outside);
    frame.texts.set(search.texts);
    frame.goid.set(standing.goid);
    frame.beyond.set(0);
    goroutine.set_frames(level + 1);
    if goroutine.is_held_by(standing.address) { Ok(()) } else { Err(Missed::Evicted) }
}

/// The layers of all that is open on the goroutine at `address`, of which this many are.
#[inline(always)]
pub fn layers<L: Lookup>(lookup: &L, address: u64, open: u64) -> u32 {
    if open == 0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
    lookup.frame(key(address, (open - 1) as u32)).map_or(0, |frame| frame.layers.get())
}

/// Makes the innermost frame of the goroutine at `address` the parent, unless a context has led to something else than what this frame
/// lies in.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub fn take_innermost<T: Target>(target: &T, goroutine: &Goroutine, address: u64, search: &mut ParentSearch) {
    let mut open = goroutine.frames();
    if open != 0 && goroutine.has_panicked() {
        let high: u64 = target.read_or_zero(address.wrapping_add(target.parents().stack_high.get().into()));
        let depth = high.wrapping_sub(target.registers().stack_pointer);
        open = alive(target, &Standing { address, goid: 0, depth }, open);
    }
    if open == 0 {
        return;
    }
    let own = key(address, open - 1);
    let Some(frame) = target.frame(own) else {
        return;
    };
    let found = u64::from_ne_bytes(search.parent.span_id);
    let mut span = SpanIdentity::NONE;
    let is_its = frame.span.copy_of(own, &mut span);
    let is_around = found == frame.outside.get() || found == u64::from_ne_bytes(span.parent_span_id);
    if is_its && (search.found != BY_CONTEXT || is_around) {
        span.copy_to(&mut search.parent);
        search.texts = frame.texts.get();
        search.found = 1;
    }
}

/// Copies the span that goroutines belong to which are created on the one at `address`; false where no frame says.
#[inline(always)]
pub fn creator<T: Target>(target: &T, goroutine: &Goroutine, address: u64, span: &mut SpanIdentity) -> bool {
    let open = goroutine.frames();
    if open == 0 {
        return false;
    }
    let Some(level) = target.frame(key(address, open - 1)).map(|frame| frame.creator.get()) else {
        return false;
    };
    if level == 0 {
        return false;
    }
    let own = key(address, level - 1);
    target.frame(own).is_some_and(|frame| frame.span.copy_of(own, span))
}

const _: () = assert!(size_of::<Frame>() == 120);
