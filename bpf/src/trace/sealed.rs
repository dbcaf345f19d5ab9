//! Spans in maps that drop their oldest entries: memory that a probe holds may become another's at any moment.
//!
//! The kernel gives an element of such a map to another key at once, while programs still have its address
//! (`bpf_lru_pop_free`, `kernel/bpf/bpf_lru_list.c`). So each says whose it is, in a way that no mixture of two says.

use crate::records::SpanIdentity;

/// A span, and a number that says whose it is: what a map holds of it.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Sealed {
    /// The span.
    pub span: SpanIdentity,
    /// [`seal`] of the span and its holder.
    pub seal: u64,
}

impl Sealed {
    /// The span of this holder.
    #[inline(always)]
    #[must_use]
    pub fn new(span: &SpanIdentity, holder: u64) -> Self {
        let mut copy = SpanIdentity::NONE;
        span.copy_to(&mut copy);
        Self { seal: seal(&copy, holder), span: copy }
    }
}

/// A number that this span and this holder (an address, or a number of its own) have, and no mixture with others.
#[inline(always)]
#[must_use]
pub fn seal(span: &SpanIdentity, holder: u64) -> u64 {
    of_words(*bytemuck::cast_ref(span), holder)
}

/// So that memory of zeros is nobody's.
const NOT_ZERO: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
const fn of_words(words: [u64; 5], holder: u64) -> u64 {
    let [trace, trace_end, span, parent, flags] = words;
    let ids = trace.rotate_left(1) ^ trace_end.rotate_left(2) ^ span.rotate_left(3) ^ parent.rotate_left(4);
    ids ^ flags.rotate_left(5) ^ holder ^ NOT_ZERO
}

/// Whether a span in a map is this holder's at this moment.
///
/// A call of its own in BPF: the verifier has seen it then.
#[inline(never)]
#[must_use]
pub fn is_of(span: &SpanIdentity, seal: &u64, holder: u64) -> bool {
    // SAFETY: valid, aligned, initialised words. Volatile, for others may write to them.
    let (words, seal) = unsafe {
        let words: *const [u64; 5] = core::ptr::from_ref(span).cast();
        (core::ptr::read_volatile(words), core::ptr::read_volatile(seal))
    };
    of_words(words, holder) == seal
}

/// Copies a span from a map, if it is this holder's.
#[inline(always)]
#[must_use]
pub fn copy_of(span: &SpanIdentity, seal: &u64, holder: u64, copy: &mut SpanIdentity) -> bool {
    span.copy_to(copy);
    // SAFETY: valid, aligned, initialised; volatile, for others may write to it. What was copied is what it must be of.
    of_words(*bytemuck::cast_ref(copy), holder) == unsafe { core::ptr::read_volatile(seal) }
}

const _: () = assert!(size_of::<Sealed>() == 48);

#[cfg(test)]
mod tests {
    use super::*;

    fn span(number: u8) -> SpanIdentity {
        SpanIdentity { trace_id: [number; 16], span_id: [number + 1; 8], trace_flags: number & 1, ..SpanIdentity::NONE }
    }

    fn is_anybodys(sealed: &Sealed, holder: u64) -> bool {
        let mut copy = SpanIdentity::NONE;
        let is_copied = copy_of(&sealed.span, &sealed.seal, holder, &mut copy);
        assert_eq!(is_copied, is_of(&sealed.span, &sealed.seal, holder));
        assert!(!is_copied || copy == sealed.span);
        is_copied
    }

    #[test]
    fn a_span_is_its_holders_alone() {
        let sealed = Sealed::new(&span(7), 0xc000);
        assert!(is_anybodys(&sealed, 0xc000));
        assert!(!is_anybodys(&sealed, 0xd000));
        let zeros = Sealed { span: SpanIdentity::NONE, seal: 0 };
        assert!(!is_anybodys(&zeros, 0xc000) && !is_anybodys(&zeros, 0));
    }

    /// Two probes write to the same memory, in whatever order: what comes of it is one's, or nobody's.
    #[test]
    fn no_mixture_is_anybodys() {
        let words = |sealed: Sealed| -> [u64; 6] { bytemuck::cast(sealed) };
        let (one, other) = (words(Sealed::new(&span(7), 0xc000)), words(Sealed::new(&span(9), 0xd000)));
        for mixture in 1..63_u32 {
            let mixed: [u64; 6] = core::array::from_fn(|word| if mixture >> word & 1 == 1 { one[word] } else { other[word] });
            if mixed != one && mixed != other {
                let mixed: Sealed = bytemuck::cast(mixed);
                assert!(!is_anybodys(&mixed, 0xc000) && !is_anybodys(&mixed, 0xd000), "{mixture:06b}");
            }
        }
    }
}
