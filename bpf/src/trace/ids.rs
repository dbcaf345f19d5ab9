//! New trace and span ids (W3C Trace Context §3.2.2: random, not all zero).

use crate::target::Target;

/// A new trace id.
#[inline(always)]
pub fn new_trace_id<T: Target>(target: &T) -> [u8; 16] {
    let mut id = [0; 16];
    for word in id.as_chunks_mut::<4>().0 {
        *word = target.random().to_ne_bytes();
    }
    id[15] |= u8::from(id == [0; 16]);
    id
}

/// A new span id.
#[inline(always)]
pub fn new_span_id<T: Target>(target: &T) -> [u8; 8] {
    let id = u64::from(target.random()) << 32 | u64::from(target.random());
    (id | u64::from(id == 0)).to_ne_bytes()
}
