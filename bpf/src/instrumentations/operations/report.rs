//! What has happened to an operation, as a record.

use crate::missed::Done;
use crate::records::operation::OperationEvent;
use crate::scratch::Scratch;
use crate::target::Target;

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The kind of record.
    pub kind: u32,
    /// The number of the recipe whose captures follow.
    pub operation: u32,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// Which span; zero where it is about a goroutine.
    pub span_id: u64,
    /// The address of the goroutine's `g`.
    pub goroutine: u64,
    /// The operation's object, or 0.
    pub object: u64,
    /// From which level on, of what has been unwound.
    pub level: u32,
}

/// Begins the record of an event: captured values follow.
#[inline(always)]
pub fn begin<T: Target>(target: &T, scratch: &mut Scratch) {
    scratch.record.length = target.opaque(size_of::<OperationEvent>() as u64);
}

/// Hands the record to the launcher.
///
/// # Errors
/// Where the ring buffer is full.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn submit<T: Target>(target: &T, scratch: &mut Scratch, event: &Event) -> Done {
    let Event { kind, operation, time, span_id, goroutine, object, level } = *event;
    let head: &mut OperationEvent = scratch.record.head();
    head.time = time;
    head.span_id = span_id.to_ne_bytes();
    head.goroutine = goroutine;
    head.object = object;
    head.operation = operation;
    head.level = level;
    // One in eight looks whether the launcher must be woken; the span id is random.
    scratch.record.submit(target, kind, span_id.is_multiple_of(8))
}
