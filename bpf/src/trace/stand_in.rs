//! Spans of ours as the program's OpenTelemetry API sees them: objects in memory that the program has mapped, in the form of one of its own
//! types of spans, with the identity of ours. Nothing in them leads to memory of Go's.

use crate::records::SpanIdentity;
use crate::shared::Shared;
use crate::target::{Lookup, Step, Target};
use crate::trace::frames;

/// How many there are.
pub const STAND_INS: u32 = 4_096;
/// How many a span may have one of.
const WAYS: u32 = 8;
/// Words of the object.
pub const OBJECT_WORDS: usize = 28;

/// One.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct StandIn {
    /// The id of the span; 0 where there is none.
    pub span_id: Shared<u64>,
    /// Whose operation it is, as contexts are remembered ([`frames::holder`]); 0 where that is not known.
    pub holder: Shared<u64>,
    /// When it was made, in nanoseconds of `CLOCK_BOOTTIME`.
    pub made: Shared<u64>,
    /// 1 while somebody makes it.
    pub taken: Shared<u64>,
    /// The object. The program reads it, and may write to words that mean nothing here.
    pub object: [Shared<u64>; OBJECT_WORDS],
}

/// The number of the one whose object is no span, but the itab that spans have: that of the program's, with one method that is ours. Where its
/// [`StandIn::holder`] is the address of the code of that, and [`StandIn::made`] that of the first stand-in, as the program has them mapped.
///
/// Its [`StandIn::span_id`] is 1 where the program has a provider of spans of its own.
pub const TABLE: u32 = STAND_INS;
/// Bytes of a [`StandIn`] before the object.
pub const OBJECT_AT: u64 = 32;

/// None.
pub const NO_STAND_IN: StandIn = StandIn {
    span_id: Shared::new(0),
    holder: Shared::new(0),
    made: Shared::new(0),
    taken: Shared::new(0),
    object: [const { Shared::new(0) }; OBJECT_WORDS],
};

/// The number of the object that stands in for `span`, whose operation is `holder`'s: that which it has, or a new one, whose
/// `trace.SpanContext` begins at the byte `identity`. `None` where others are just making some, twice, or where all that it may have are those of
/// spans that are open.
///
/// The one whose memory is taken is that of a span that has ended, of those that it may be the one which was made first. Two at once may look for
/// one span: it may get two, which say the same.
#[inline(always)]
pub fn of<T: Target>(target: &T, span: &SpanIdentity, holder: u64, identity: u32) -> Option<u32> {
    make(target, span, holder, identity).or_else(|| make(target, span, holder, identity))
}

/// [`of`], once.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn make<T: Target>(target: &T, span: &SpanIdentity, holder: u64, identity: u32) -> Option<u32> {
    let id = u64::from_ne_bytes(span.span_id);
    let first = (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32 & (STAND_INS - WAYS);
    let mut look = Look { id, next: first, found: u64::MAX, oldest: u64::MAX, oldest_made: u64::MAX, oldest_id: 0 };
    target.repeat(WAYS, &mut look);
    if look.found != u64::MAX {
        #[cfg(not(target_arch = "bpf"))]
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        #[expect(clippy::cast_possible_truncation, reason = "below the number of stand-ins")]
        return Some(target.opaque(look.found) as u32);
    }
    if target.opaque(look.oldest_made) >> 63 != 0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "as above")]
    let number = target.opaque(look.oldest) as u32;
    let new = target.stand_in(number)?;
    if !target.swap_tag(&new.taken, 0, 1) {
        return None;
    }
    let there = new.span_id.get();
    if there != look.oldest_id {
        // Somebody has made another one of it since.
        target.swap_tag(&new.taken, 1, 0);
        return if there == id { Some(number) } else { None };
    }
    new.span_id.set(target.opaque(0));
    new.holder.set(holder);
    new.made.set(target.now());
    let [trace, trace_end, own, _, flags]: [u64; 5] = *bytemuck::cast_ref(span);
    let word = |number: u32, value: u64| {
        if let Some(word) = new.object.get(((identity / 8) as usize).wrapping_add(number as usize)) {
            word.set(value);
        }
    };
    word(0, trace);
    word(1, trace_end);
    word(2, own);
    word(3, flags & 0xff);
    // Whoever finds it by the id sees what it holds. BPF has no such barriers; where it writes, on x86-64, both are in order.
    #[cfg(not(target_arch = "bpf"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
    new.span_id.set(id);
    target.swap_tag(&new.taken, 1, 0);
    Some(number)
}

/// The address of the itab of stand-ins in the process. `original` is that of the type of span, with so many words;
/// `replaced` is the method that says whether a span is recorded, which is ours instead: those that stand in record nothing themselves.
/// `None` where not all of the table can be read.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
pub fn table<T: Target>(target: &T, original: u64, words: u32, replaced: u64) -> Option<u64> {
    let table = target.stand_in(TABLE)?;
    let ([code, first], own) = (target.stand_ins_at(table)?, u64::from(TABLE) * size_of::<StandIn>() as u64 + OBJECT_AT);
    if replaced == 0 || code == 0 {
        return Some(original);
    }
    // Whoever comes here at the same time writes the same.
    if table.taken.get() == 0 {
        let mut copy = Copy { table, at: original, left: words.into(), next: target.opaque(0), replaced, code };
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        target.repeat(OBJECT_WORDS as u32, &mut copy);
        if target.opaque(copy.left) != 0 {
            // The program would call what is not there.
            return None;
        }
        // As with an object: whoever finds it whole sees all of it.
        #[cfg(not(target_arch = "bpf"))]
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        table.taken.set(1);
    }
    #[cfg(not(target_arch = "bpf"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
    Some(first.wrapping_add(own))
}

/// The loop over the words of an itab.
struct Copy<'a> {
    table: &'a StandIn,
    at: u64,
    left: u64,
    next: u64,
    replaced: u64,
    code: u64,
}

impl Step for Copy<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of words")]
        let Some(place) = self.table.object.get(lookup.opaque(self.next) as usize) else {
            return false;
        };
        if lookup.opaque(self.left) == 0 {
            return false;
        }
        let Some(word) = lookup.read::<u64>(self.at) else {
            return false;
        };
        place.set(if word == self.replaced { self.code } else { word });
        self.next += 1;
        self.left = lookup.opaque(self.left.wrapping_sub(1));
        self.at = self.at.wrapping_add(8);
        true
    }
}

/// The look at those that may be a span's.
struct Look {
    id: u64,
    next: u32,
    found: u64,
    oldest: u64,
    oldest_made: u64,
    oldest_id: u64,
}

impl Step for Look {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let number = self.next;
        self.next += 1;
        let Some(stand_in) = lookup.stand_in(number) else {
            return false;
        };
        let id = stand_in.span_id.get();
        if id == self.id {
            self.found = number.into();
            return false;
        }
        // Those of spans that are open come last, and those that somebody makes.
        let is_used = u64::from(stand_in.taken.get() != 0 || id != 0 && is_open(lookup, stand_in.holder.get(), id));
        let made = stand_in.made.get() | is_used << 63;
        if made < self.oldest_made {
            self.oldest_made = made;
            self.oldest_id = id;
            self.oldest = number.into();
        }
        true
    }
}

/// Whether the operation of `holder` with this span's id is open.
#[inline(always)]
fn is_open<L: Lookup>(lookup: &L, holder: u64, id: u64) -> bool {
    if holder == 0 {
        return false;
    }
    if let Some(key) = frames::of_holder(holder) {
        // What has ended stays where it is, until another one begins at its level.
        let (address, level) = frames::of_key(key);
        let is_level = lookup.goroutine(address).is_some_and(|goroutine| goroutine.frames() > level);
        return is_level && lookup.frame(key).is_some_and(|frame| u64::from_ne_bytes(frame.span.span_id()) == id);
    }
    let served = lookup.goroutine(holder).and_then(|goroutine| goroutine.active());
    served.is_some_and(|operation| u64::from_ne_bytes(operation.span.span_id()) == id)
}

const _: () = assert!(size_of::<StandIn>() == 256 && core::mem::offset_of!(StandIn, object) as u64 == OBJECT_AT);

#[cfg(test)]
mod tests;
