//! Which open operations are still on the stack when a panic may have unwound some of them: by the chain of frame pointers.
//!
//! A goroutine that has recovered goes on, and may call something deeper on its stack than what was unwound: by the depths alone that
//! would lie within it.

use crate::go::abi::{ARM64, FRAME_POINTER};
use crate::target::{Lookup, Step, Target};
use crate::trace::frames::{Standing, key};

/// How many of so many operations are still on the stack, where a panic has been recovered from perhaps: the chain of frame pointers leads
/// through them.
///
/// A call of its own in BPF: it is rare, and its stack is free again when it returns.
#[inline(never)]
pub fn alive<T: Target>(target: &T, standing: &Standing, open: u32) -> u32 {
    if ARM64 {
        // Where a function's frame pointer lies depends on the size of its frame.
        return open;
    }
    let registers = target.registers();
    let high = registers.stack_pointer.wrapping_add(standing.depth);
    let pointer = registers.integers[FRAME_POINTER];
    let mut chain = Chain { address: standing.address, high, pointer, level: open.into() };
    target.repeat(MAX_CALLS, &mut chain);
    #[expect(clippy::cast_possible_truncation, reason = "at most what it was")]
    let level = chain.level as u32;
    level
}

/// Calls within each other that are looked through, at most.
const MAX_CALLS: u32 = 512;
/// Bytes between the stack pointer at the start of a function, where `PUSHQ BP` is the first to use the stack, and its frame pointer.
const TO_FRAME_POINTER: u64 = 8;

/// The look along the frame pointers, outwards, for the innermost operation whose function is among them.
struct Chain {
    address: u64,
    /// The upper end of the stack.
    high: u64,
    /// The frame pointer of a function that has not returned.
    pointer: u64,
    /// Above the operation that is looked for.
    level: u64,
}

impl Step for Chain {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        if self.level == 0 {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most the number of levels")]
        let Some(frame) = lookup.frame(key(self.address, (self.level - 1) as u32)) else {
            return false;
        };
        let own = self.high.wrapping_sub(frame.depth.get()).wrapping_sub(TO_FRAME_POINTER);
        if self.pointer == own {
            return false;
        }
        if self.pointer > own {
            // The chain goes past it: it has returned, or was unwound.
            self.level -= 1;
            return true;
        }
        let next: u64 = lookup.read_or_zero(self.pointer);
        let goes_on = next > self.pointer;
        self.pointer = next;
        goes_on
    }
}
