//! The names of the headers that tracing needs.

use crate::go::string::GoString;
use crate::target::Memory;

/// Addresses of the `[]string` values found; 0 where the header is absent.
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
}

/// The first eight bytes of a header's name.
const fn first(name: &[u8]) -> u64 {
    u64::from_le_bytes([name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7]])
}

/// The last eight bytes of a header's name.
const fn last(name: &[u8]) -> u64 {
    first(name.split_at(name.len() - 8).1)
}

/// The case of a name's first letter.
const CASE: u64 = 0x20;

/// Notes `element` where the key is a wanted name: canonical (`textproto.CanonicalMIMEHeaderKey`), as what a server has
/// read always is, or with a small first letter, as a program may write `traceparent` itself.
#[inline(always)]
pub(super) fn compare<M: Memory>(memory: &M, key: GoString, element: u64, found: &mut Found) {
    let GoString { address, length } = key;
    if !matches!(length, 10 | 11 | 15 | 17) {
        return;
    }
    let end: u64 = memory.read_or_zero(address.wrapping_add(length).wrapping_sub(8));
    macro_rules! note {
        ($name:literal, $field:ident) => {
            // One branch for each name. A read is dear: the first half only where the second fits.
            if (end ^ last($name)) | (length ^ $name.len() as u64) == 0 {
                if memory.read_or_zero::<u64>(address) | CASE == first($name) | CASE {
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
}
