//! Spans in maps that drop their oldest entries: memory that a probe holds may become another's at any moment.
//!
//! The kernel gives an element of such a map to another key at once, while BPF programs still have its address
//! (`bpf_lru_pop_free`, `kernel/bpf/bpf_lru_list.c`). So each says whose it is, in a way that no mixture of two says.

use crate::records::SpanIdentity;
use crate::shared::Shared;

/// A span, and a number that says whose it is.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct SealedSpan {
    /// The words of a [`SpanIdentity`].
    words: [Shared<u64>; 5],
    /// What the span and its holder (an address, or a number of its own) have, and no mixture with others.
    seal: Shared<u64>,
}

impl SealedSpan {
    /// Nobody's.
    pub const NONE: Self = Self { words: [const { Shared::new(0) }; 5], seal: Shared::new(0) };

    /// The span of this holder.
    #[inline(always)]
    #[must_use]
    pub fn new(span: &SpanIdentity, holder: u64) -> Self {
        let words: [u64; 5] = *bytemuck::cast_ref(span);
        Self { words: words.map(Shared::new), seal: Shared::new(seal(words, holder)) }
    }

    /// Makes it the span of this holder.
    #[inline(always)]
    pub fn set(&self, span: &SpanIdentity, holder: u64) {
        self.set_words(*bytemuck::cast_ref(span), holder);
    }

    /// The same, with nothing that is propagated with it.
    #[inline(always)]
    pub fn set_without_propagation(&self, span: &SpanIdentity, holder: u64) {
        let [trace, trace_end, id, parent, flags]: [u64; 5] = *bytemuck::cast_ref(span);
        self.set_words([trace, trace_end, id, parent, flags & !(0xff << 16)], holder);
    }

    #[inline(always)]
    fn set_words(&self, words: [u64; 5], holder: u64) {
        for (word, value) in self.words.iter().zip(words) {
            word.set(value);
        }
        self.seal.set(seal(words, holder));
    }

    /// Copies the span, and says whether what was copied is this holder's.
    #[inline(always)]
    #[must_use]
    pub fn copy_of(&self, holder: u64, copy: &mut SpanIdentity) -> bool {
        let words: &mut [u64; 5] = bytemuck::cast_mut(copy);
        let [trace, trace_end, span, parent, flags] = &self.words;
        *words = [trace.get(), trace_end.get(), span.get(), parent.get(), flags.get()];
        seal(*words, holder) == self.seal.get()
    }

    /// The span's id; of whichever holder.
    #[inline(always)]
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        let [_, _, span, ..] = &self.words;
        span.get().to_ne_bytes()
    }

    /// Whether the span is recorded; of whichever holder.
    #[inline(always)]
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags() & 1 != 0
    }

    /// What is propagated with it ([`SpanIdentity::propagation`]); of whichever holder.
    #[inline(always)]
    #[must_use]
    pub fn propagation(&self) -> u64 {
        self.flags() >> 16 & 0xff
    }

    /// `trace_flags` and what follows it; both architectures are little-endian.
    #[inline(always)]
    fn flags(&self) -> u64 {
        let [.., flags] = &self.words;
        flags.get()
    }
}

/// So that memory of zeros is nobody's.
const NOT_ZERO: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
const fn seal(words: [u64; 5], holder: u64) -> u64 {
    let [trace, trace_end, span, parent, flags] = words;
    let ids = trace.rotate_left(1) ^ trace_end.rotate_left(2) ^ span.rotate_left(3) ^ parent.rotate_left(4);
    ids ^ flags.rotate_left(5) ^ holder ^ NOT_ZERO
}

const _: () = assert!(size_of::<SealedSpan>() == 48);

#[cfg(test)]
mod tests {
    use super::*;

    fn span(number: u8) -> SpanIdentity {
        SpanIdentity {
            trace_id: [number; 16],
            span_id: [number + 1; 8],
            trace_flags: number & 1,
            propagation: 5,
            ..SpanIdentity::NONE
        }
    }

    #[test]
    fn a_span_is_its_holders_alone() {
        let mut copy = SpanIdentity::NONE;
        let sealed = SealedSpan::NONE;
        assert!(!sealed.copy_of(0xc000, &mut copy) && !sealed.copy_of(0, &mut copy));
        sealed.set(&span(7), 0xc000);
        assert!(sealed.copy_of(0xc000, &mut copy));
        assert_eq!((copy, sealed.span_id(), sealed.is_sampled(), sealed.propagation()), (span(7), [8; 8], true, 5));
        assert!(!sealed.copy_of(0xd000, &mut copy));
        assert!(SealedSpan::new(&span(7), 0xd000).copy_of(0xd000, &mut copy));
    }

    /// Two probes write to the same memory, in whatever order: what comes of it is one's, or nobody's.
    #[test]
    fn no_mixture_is_anybodys() {
        let (one, other) = (SealedSpan::new(&span(7), 0xc000), SealedSpan::new(&span(9), 0xd000));
        for mixture in 1..63_u32 {
            let of = |word: usize| if mixture >> word & 1 == 1 { &one } else { &other };
            let mixed = SealedSpan { words: std::array::from_fn(|word| of(word).words[word].clone()), seal: of(5).seal.clone() };
            let mut copy = SpanIdentity::NONE;
            let is_whole = copy == span(7) || copy == span(9);
            for holder in [0xc000, 0xd000] {
                // Words that both have alike make some of these no mixture.
                assert!(!mixed.copy_of(holder, &mut copy) || copy == span(7) || copy == span(9) || is_whole, "{mixture:06b}");
            }
        }
    }
}
