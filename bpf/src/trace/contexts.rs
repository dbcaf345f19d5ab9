//! From a `context.Context` to the one that it was made of.

use crate::config::ABSENT;
use crate::config::parents::context_kind;
use crate::target::Lookup;

/// What a context holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The context that it was made of: an interface value.
    pub inner: [u64; 2],
    /// The type of the key of its value; 0 where it has none.
    pub key: u64,
    /// The type of its value.
    pub value_type: u64,
    /// The data word of its value.
    pub value: u64,
    /// One of [`context_kind`].
    pub kind: u32,
}

/// What the context holds whose interface value is this; `None` where there is none, or its type is not known.
#[inline(always)]
pub fn held<L: Lookup>(lookup: &L, [table, data]: [u64; 2]) -> Option<Held> {
    if table == 0 || data == 0 {
        return None;
    }
    // `itab.Type` (`internal/abi.ITab`).
    let context = lookup.context_type(lookup.read_or_zero(table.wrapping_add(8)))?;
    let mut at = data.wrapping_add(context.offset.into());
    if context.through != ABSENT {
        at = lookup.read_or_zero::<u64>(at).wrapping_add(context.through.into());
    }
    if context.kind != context_kind::VALUE {
        return Some(Held { inner: lookup.read_or_zero(at), key: 0, value_type: 0, value: 0, kind: context.kind });
    }
    let [table, data, key, _, value_type, value]: [u64; 6] = lookup.read_or_zero(at);
    Some(Held { inner: [table, data], key, value_type, value, kind: context.kind })
}
