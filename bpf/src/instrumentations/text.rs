//! What is injected, as text: lines of an HTTP/1 header, or fields of an HTTP/2 header block, literal and without indexing
//! (RFC 7541 §6.2.2: `00`, length of the name, name, length of the value, value).

#![expect(clippy::cast_possible_truncation, reason = "lengths below 127")]

use crate::config::propagator;
use crate::records::SpanIdentity;
use crate::slots::{SLOT_WORDS, Slot};
use crate::target::Target;
use crate::trace::extracted::{MAX_BAGGAGE, MAX_TRACE_STATE};
use crate::write;

/// `Traceparent: 00-` + 32 digits + `-` + 16 digits + `-` + 2 digits + CR LF.
pub(crate) const LINE: u64 = 70;
/// The same as a field.
const FIELD: u64 = 1 + 1 + 11 + 1 + 55;
/// `b3` as a field.
const B3_FIELD: u64 = 1 + 1 + 2 + 1 + 51;
/// `x-b3-traceid`, `x-b3-spanid` and `x-b3-sampled` as fields.
const B3_FIELDS: u64 = (1 + 1 + 12 + 1 + 32) + (1 + 1 + 11 + 1 + 16) + (1 + 1 + 12 + 1 + 1);

/// What the fields that are injected add to a list at most, as a peer limits it: of each its name, its value and 32 (RFC 9113 §6.5.2,
/// `SETTINGS_MAX_HEADER_LIST_SIZE`).
#[inline(always)]
pub(crate) fn list_size(propagation: u8) -> u64 {
    // Of a field, three bytes are no name and no value. Without a branch for each.
    const OVERHEAD: u64 = 32 - 3;
    const STATE: u64 = 10 + MAX_TRACE_STATE as u64 + 32;
    const BAGGAGE: u64 = 7 + MAX_BAGGAGE as u64 + 32;
    let of = |propagator: u8, size: u64| u64::from(propagation & propagator != 0) * size;
    of(propagator::TRACE_CONTEXT, FIELD + OVERHEAD)
        + of(propagator::B3, B3_FIELD + OVERHEAD)
        + of(propagator::B3_MULTI, B3_FIELDS + 3 * OVERHEAD)
        + of(propagator::TRACE_STATE, STATE)
        + of(propagator::BAGGAGE, BAGGAGE)
}

/// Writes what is to be injected for this span into the slot, from its word `AT` on, and the number of bytes into
/// [`Slot::length`]. `extracted` is the number of the texts that are propagated with it.
#[inline(always)]
pub(crate) fn compose<T: Target, const HTTP2: bool, const AT: usize>(
    target: &T,
    slot: &mut Slot,
    span: &SpanIdentity,
    extracted: u64,
) {
    let propagation = span.propagation;
    // In memory, so that the verifier does not follow each length.
    slot.length = target.opaque(0);
    if propagation & propagator::TRACE_CONTEXT != 0 {
        let ids = Ids::of(span);
        let flags = u64::from_le_bytes([b'-', b'0', ids.flag, b'\r', b'\n', 0, 0, 0]);
        let words = &mut slot.words;
        if HTTP2 {
            words[AT] = u64::from_le_bytes(*b"\x00\x0btracep");
            words[AT + 1] = u64::from_le_bytes(*b"arent\x3700");
            ids.write::<1, SLOT_WORDS>(words, AT + 2, u64::from(b'-'), flags & 0xff_ffff);
            slot.length = FIELD;
        } else {
            words[AT] = u64::from_le_bytes(*b"Tracepar");
            words[AT + 1] = u64::from_le_bytes(*b"ent: 00-");
            ids.write::<0, SLOT_WORDS>(words, AT + 2, 0, flags);
            slot.length = LINE;
        }
    }
    if propagation & !propagator::TRACE_CONTEXT != 0 {
        more::<T, HTTP2, AT>(target, slot, span, extracted);
    }
}

/// Digits of a span's ids, as text in the order of memory, and its sampled flag as a digit.
struct Ids {
    trace: [u64; 4],
    span: [u64; 2],
    flag: u8,
}

impl Ids {
    #[inline(always)]
    fn of(identity: &SpanIdentity) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = identity.trace_id;
        let [s0, s1, s2, s3, s4, s5, s6, s7] = identity.span_id;
        Self {
            trace: [[t0, t1, t2, t3], [t4, t5, t6, t7], [t8, t9, t10, t11], [t12, t13, t14, t15]].map(write::hexadecimal),
            span: [[s0, s1, s2, s3], [s4, s5, s6, s7]].map(write::hexadecimal),
            flag: b'0' + (identity.trace_flags & 1),
        }
    }

    /// `N` bytes of `prefix`, the trace id, a dash, the span id, and `suffix`: seven words from `at` on.
    #[inline(always)]
    fn write<const N: u32, const W: usize>(&self, words: &mut [u64; W], at: usize, prefix: u64, suffix: u64) {
        let Self { trace, span, flag: _ } = self;
        words[at] = prefix | trace[0] << (8 * N);
        words[at + 1] = rest(trace[0], N) | trace[1] << (8 * N);
        words[at + 2] = rest(trace[1], N) | trace[2] << (8 * N);
        words[at + 3] = rest(trace[2], N) | trace[3] << (8 * N);
        words[at + 4] = rest(trace[3], N) | u64::from(b'-') << (8 * N) | span[0] << (8 * (N + 1));
        words[at + 5] = rest(span[0], N + 1) | span[1] << (8 * (N + 1));
        words[at + 6] = rest(span[1], N + 1) | suffix << (8 * (N + 1));
    }
}

/// What of eight digits lies in the next word where they begin at the byte `at` of one.
#[inline(always)]
const fn rest(digits: u64, at: u32) -> u64 {
    if at == 0 { 0 } else { digits >> (64 - 8 * at) }
}

/// The rest; few requests have any.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
fn more<T: Target, const HTTP2: bool, const AT: usize>(target: &T, slot: &mut Slot, span: &SpanIdentity, key: u64) {
    let mut text = Text::<T, AT> { target, slot };
    let (propagation, propagators) = (span.propagation, target.propagators());
    text.slot.used = target.opaque(0);
    let ours = text.slot.length;
    // The verifier knows what is listed, and does not look at what is not.
    if propagators.has(propagator::B3) && propagation & propagator::B3 != 0 {
        text.b3::<HTTP2>(&Ids::of(span));
    }
    if propagators.has(propagator::B3_MULTI) && propagation & propagator::B3_MULTI != 0 {
        text.b3_multi::<HTTP2>(&Ids::of(span));
    }
    if propagation & (propagator::TRACE_STATE | propagator::BAGGAGE) != 0
        && let Some(extracted) = target.extracted(key)
    {
        if propagation & propagator::TRACE_STATE != 0 && extracted.trace_state_length != 0 {
            let name = if HTTP2 { *b"\x00\x0atracestate\0\0\0\0" } else { *b"Tracestate: \0\0\0\0" };
            text.header::<HTTP2, MAX_TRACE_STATE>(name, 12, &extracted.trace_state, extracted.trace_state_length);
        }
        if propagation & propagator::BAGGAGE != 0 && extracted.baggage_length != 0 {
            let name = if HTTP2 { *b"\x00\x07baggage\0\0\0\0\0\0\0" } else { *b"Baggage: \0\0\0\0\0\0\0" };
            text.header::<HTTP2, MAX_BAGGAGE>(name, 9, &extracted.baggage, extracted.baggage_length);
        }
        // Another request's by now: none of it.
        text.slot.used |= u64::from(!extracted.is_of(key));
    }
    if text.slot.used != 0 {
        text.slot.length = ours;
        text.slot.used = 0;
    }
}

/// A text that grows within a slot. Its length stands there, and in [`Slot::used`] for as long as it grows whether something
/// could not be copied: so the verifier does not follow each case.
struct Text<'t, T, const AT: usize> {
    target: &'t T,
    slot: &'t mut Slot,
}

impl<T: Target, const AT: usize> Text<'_, T, AT> {
    #[inline(always)]
    fn append<const N: usize>(&mut self, bytes: &[u8; N], length: u64) {
        let at = AT as u64 * 8 + self.slot.length;
        self.slot.used |= self.target.append(&mut self.slot.words, at, bytes, length);
        self.slot.length += length;
    }

    /// A header with a value that is not ours: `name` has `name_length` bytes, and room for a length behind them.
    #[inline(always)]
    fn header<const HTTP2: bool, const N: usize>(
        &mut self,
        mut name: [u8; 16],
        name_length: usize,
        value: &[u8; N],
        length: u64,
    ) {
        let mut prefix = name_length as u64;
        if HTTP2 {
            let (bytes, count) = hpack_length(length);
            [name[name_length], name[name_length + 1], name[name_length + 2]] = bytes;
            prefix += count;
        }
        self.append(&name, prefix);
        self.append(value, length);
        if !HTTP2 {
            self.append(b"\r\n", 2);
        }
    }

    /// `b3: {trace}-{span}-{sampled}`.
    #[inline(always)]
    fn b3<const HTTP2: bool>(&mut self, ids: &Ids) {
        let mut words = [0; SCRATCH];
        if HTTP2 {
            let suffix = u64::from_le_bytes([b'-', ids.flag, 0, 0, 0, 0, 0, 0]);
            ids.write::<5, SCRATCH>(&mut words, 0, u64::from_le_bytes(*b"\x00\x02b3\x33\0\0\0"), suffix);
            self.append(as_bytes(&words), B3_FIELD);
        } else {
            let suffix = u64::from_le_bytes([b'-', ids.flag, b'\r', 0, 0, 0, 0, 0]);
            ids.write::<4, SCRATCH>(&mut words, 0, u64::from_le_bytes(*b"B3: \0\0\0\0"), suffix);
            words[7] = u64::from(b'\n');
            self.append(as_bytes(&words), 57);
        }
    }

    /// `X-B3-TraceId`, `X-B3-SpanId` and `X-B3-Sampled`.
    #[inline(always)]
    fn b3_multi<const HTTP2: bool>(&mut self, ids: &Ids) {
        let Ids { trace: [t0, t1, t2, t3], span: [s0, s1], flag } = *ids;
        let (flag, word) = (u64::from(flag), u64::from_le_bytes);
        if HTTP2 {
            let words = [
                word(*b"\x00\x0cx-b3-t"),
                word(*b"raceid\x20\0") | t0 << 56,
                t0 >> 8 | t1 << 56,
                t1 >> 8 | t2 << 56,
                t2 >> 8 | t3 << 56,
                t3 >> 8,
                word(*b"\x0bx-b3-sp"),
                word(*b"anid\x10\0\0\0") | s0 << 40,
                s0 >> 24 | s1 << 40,
                s1 >> 24 | word(*b"\0\0\0\0\0\0\x0cx"),
                word(*b"-b3-samp"),
                word(*b"led\x01\0\0\0\0") | flag << 32,
            ];
            self.append(as_bytes(&words), B3_FIELDS);
        } else {
            let words = [
                word(*b"X-B3-Tra"),
                word(*b"ceid: \0\0") | t0 << 48,
                t0 >> 16 | t1 << 48,
                t1 >> 16 | t2 << 48,
                t2 >> 16 | t3 << 48,
                t3 >> 16 | word(*b"\0\0\0\0\0\0\r\n"),
                word(*b"X-B3-Spa"),
                word(*b"nid: \0\0\0") | s0 << 40,
                s0 >> 24 | s1 << 40,
                s1 >> 24 | word(*b"\0\0\0\0\0\r\nX"),
                word(*b"-B3-Samp"),
                word(*b"led: \0\r\n") | flag << 40,
            ];
            self.append(as_bytes(&words), 96);
        }
    }
}

/// Words of the longest text that is made at once.
const SCRATCH: usize = 12;

fn as_bytes(words: &[u64; SCRATCH]) -> &[u8; SCRATCH * 8] {
    bytemuck::cast_ref(words)
}

/// A length below 16,000 in front of a string that is not compressed (RFC 7541 §5.1, a prefix of seven bits), and how many bytes
/// it takes. Without a branch.
#[inline(always)]
const fn hpack_length(length: u64) -> ([u8; 3], u64) {
    // 1 where the number is below the bound, by the sign of the difference.
    let short = length.wrapping_sub(127) >> 63;
    let above = length.wrapping_sub(127) & short.wrapping_sub(1);
    let long = 1 - (above.wrapping_sub(128) >> 63);
    let first = length & 0x7f & short.wrapping_neg() | 0x7f & short.wrapping_sub(1);
    ([first as u8, (above & 0x7f | long << 7) as u8, (above >> 7) as u8], 3 - 2 * short - (1 - short) * (1 - long))
}

#[cfg(test)]
mod tests;
