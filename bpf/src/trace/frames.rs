//! The open operations of tables on a goroutine: a stack, each within the one before it.
//!
//! Each has an entry of its own in a map, by goroutine and level, so that a goroutine takes room for what it has open alone. Which of them
//! still are, [`crate::trace::unwinding`] says.

use crate::config::operations::flag;
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::scratch::Scratch;
use crate::shared::Shared;
use crate::target::{Lookup, Target};
use crate::trace::chain::alive;
use crate::trace::creators;
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
    /// The id of the span that the outermost frame of its trace here is a child of: this one, or one that it lies in, each the child of
    /// the one before it. Its own where it serves a request.
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

/// The address and the level of which [`key`] is made.
#[inline(always)]
#[must_use]
pub const fn of_key(key: u64) -> (u64, u32) {
    (key & ((1 << 56) - 1), (key >> 56) as u32)
}

/// What is remembered of a request's context where the operation at this level serves it. Where the goroutine itself does, it is its address.
#[inline(always)]
#[must_use]
pub const fn holder(address: u64, level: u32) -> u64 {
    key(address, level + 1)
}

/// The entry of the operation of which [`holder`] was remembered; `None` where it is a goroutine.
#[inline(always)]
#[must_use]
pub const fn of_holder(holder: u64) -> Option<u64> {
    if holder >> 56 == 0 { None } else { Some(holder.wrapping_sub(1 << 56)) }
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
        // A context may have led out of what is around.
        if below.span.span_id() == span.parent_span_id {
            outside = below.outside.get();
        }
    }
    if flags & flag::SERVES != 0 {
        // Contexts lead to it, and not to what it is a child of.
        outside = u64::from_ne_bytes(span.span_id);
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
    if open != 0 {
        let goid = creators::goid(target, target.parents(), address);
        let is_its = target.frame(key(address, open - 1)).is_some_and(|frame| frame.goid.get() == goid);
        if !is_its {
            // Another goroutine had this `g`, and has died.
            return;
        }
        if goroutine.has_panicked() {
            let high: u64 = target.read_or_zero(address.wrapping_add(target.parents().stack_high.get().into()));
            let depth = high.wrapping_sub(target.registers().stack_pointer);
            open = alive(target, &Standing { address, goid, depth }, open);
        }
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
        search.holder = holder(address, open - 1);
        search.found = 1;
    }
}

/// Copies the span that goroutines belong to which are created on the one at `address`; false where no frame says, nor where a panic may
/// have unwound those that are left: the stack is not looked at, for the runtime creates goroutines on another one.
#[inline(always)]
pub fn creator<T: Target>(target: &T, goroutine: &Goroutine, address: u64, span: &mut SpanIdentity) -> bool {
    let open = goroutine.frames();
    if open == 0 || goroutine.has_panicked() {
        return false;
    }
    let Some(innermost) = target.frame(key(address, open - 1)) else {
        return false;
    };
    let level = innermost.creator.get();
    // Else another goroutine had this `g`, and has died.
    let is_its = innermost.goid.get() == creators::goid(target, target.parents(), address);
    if level == 0 || !is_its {
        return false;
    }
    let own = key(address, level - 1);
    target.frame(own).is_some_and(|frame| frame.span.copy_of(own, span))
}

const _: () = assert!(size_of::<Frame>() == 120);
