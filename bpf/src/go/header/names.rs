//! The names of the headers that tracing needs.

use crate::config::{Propagators, propagator};
use crate::go::string::GoString;
use crate::target::Memory;

/// Addresses of the values found, as [`super::Values`] reads them: each that of a `[]string`, or of a `string` or `[]byte`; 0 where the header
/// is absent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `Traceparent`.
    pub trace_parent: u64,
    /// `Tracestate`.
    pub trace_state: u64,
    /// `User-Agent`.
    pub user_agent: u64,
    /// `X-Forwarded-For`.
    pub forwarded_for: u64,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: u64,
    /// `Forwarded`.
    pub forwarded: u64,
    /// `X-Forwarded-Host`.
    pub forwarded_host: u64,
    /// `Upgrade`.
    pub upgrade: u64,
    /// `Baggage`.
    pub baggage: u64,
    /// `B3`.
    pub b3: u64,
    /// `X-B3-TraceId`.
    pub b3_trace: u64,
    /// `X-B3-SpanId`.
    pub b3_span: u64,
    /// `X-B3-Sampled`.
    pub b3_sampled: u64,
    /// `X-B3-Flags`.
    pub b3_flags: u64,
}

impl Found {
    /// No header; `absent` is 0, which need not be a constant.
    #[inline(always)]
    pub(super) const fn nothing(absent: u64) -> Self {
        Self {
            trace_parent: absent,
            trace_state: absent,
            user_agent: absent,
            forwarded_for: absent,
            forwarded_proto: absent,
            forwarded: absent,
            forwarded_host: absent,
            upgrade: absent,
            baggage: absent,
            b3: absent,
            b3_trace: absent,
            b3_span: absent,
            b3_sampled: absent,
            b3_flags: absent,
        }
    }
}

/// The lengths of the names that are looked for in a request that is served, a bit each.
#[inline(always)]
#[must_use]
pub fn served_lengths(propagators: &Propagators) -> u32 {
    const FORWARDED: u32 = 1 << 9 | 1 << 15 | 1 << 16 | 1 << 17;
    const UPGRADE: u32 = 1 << 7;
    lengths(propagators) | FORWARDED | UPGRADE
}

/// The lengths of the names that are looked for in any request, a bit each.
#[inline(always)]
#[must_use]
pub fn lengths(propagators: &Propagators) -> u32 {
    const W3C: u32 = 1 << 10 | 1 << 11;
    let mut lengths = W3C;
    if propagators.has(propagator::BAGGAGE) {
        lengths |= 1 << 7;
    }
    if propagators.has(propagator::B3) {
        lengths |= 1 << 2;
    }
    if propagators.has(propagator::B3_MULTI) {
        lengths |= 1 << 12;
    }
    lengths
}

/// The first eight bytes of a header's name.
const fn first(name: &[u8]) -> u64 {
    u64::from_le_bytes([name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7]])
}

/// The last eight bytes of a header's name.
const fn last(name: &[u8]) -> u64 {
    first(name.split_at(name.len() - 8).1)
}

/// The bit that makes a letter a small one; digits and dashes have it anyway.
const SMALL: u64 = 0x2020_2020_2020_2020;

/// Notes `element` where the key is a wanted name: canonical (`textproto.CanonicalMIMEHeaderKey`), as what a server has
/// read always is, or in any other case, as a program may write it into the map itself.
#[inline(always)]
pub(super) fn compare<M: Memory>(memory: &M, key: GoString, element: u64, lengths: u64, found: &mut Found) {
    let GoString { address, length } = key;
    if length >= 32 || lengths >> length & 1 == 0 {
        return;
    }
    if length < 8 {
        return compare_short(memory, key, element, found);
    }
    let end = memory.read_or_zero::<u64>(address.wrapping_add(length).wrapping_sub(8)) | SMALL;
    macro_rules! note {
        ($name:literal, $field:ident) => {
            // One branch for each name. A read is dear: the first half only where the second fits.
            if (end ^ (last($name) | SMALL)) | (length ^ $name.len() as u64) == 0 {
                if memory.read_or_zero::<u64>(address) | SMALL == first($name) | SMALL {
                    found.$field = element;
                }
                return;
            }
        };
    }
    note!(b"User-Agent", user_agent);
    note!(b"Traceparent", trace_parent);
    note!(b"Tracestate", trace_state);
    note!(b"X-Forwarded-For", forwarded_for);
    note!(b"X-Forwarded-Proto", forwarded_proto);
    note!(b"Forwarded", forwarded);
    note!(b"X-Forwarded-Host", forwarded_host);
    note!(b"X-B3-Traceid", b3_trace);
    note!(b"X-B3-Spanid", b3_span);
    note!(b"X-B3-Sampled", b3_sampled);
    note!(b"X-B3-Flags", b3_flags);
}

/// The same for names of less than eight bytes: `Baggage`, `Upgrade` and `B3`.
#[inline(always)]
fn compare_short<M: Memory>(memory: &M, key: GoString, element: u64, found: &mut Found) {
    if key.length == 7 {
        let [b0, b1, b2, b3, b4, b5, b6]: [u8; 7] = memory.read_or_zero(key.address);
        let name = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, 0]) | SMALL;
        if name == u64::from_le_bytes(*b"baggage ") {
            found.baggage = element;
        } else if name == u64::from_le_bytes(*b"upgrade ") {
            found.upgrade = element;
        }
    } else if memory.read_or_zero::<u16>(key.address) | 0x20 == u16::from_le_bytes(*b"b3") {
        found.b3 = element;
    }
}
