//! What a recipe works on: the registers, one value, and what has been noted.

use crate::go::abi::{REGISTERS, Registers};
use crate::trace::frames::G_WORDS;

/// Registers and results are numbered up to these, which are powers of two: the verifier sees that no other is read.
pub(super) const ALL_REGISTERS: usize = 32;
pub(super) const ALL_RESULTS: usize = 16;
const _: () = assert!(REGISTERS <= ALL_REGISTERS && crate::config::MAX_RESULTS <= ALL_RESULTS);

/// The state while a recipe is followed. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    /// The registers, by the processor's numbers.
    pub registers: [u64; ALL_REGISTERS],
    /// The stack pointer.
    pub stack_pointer: u64,
    /// What the function returns, where it ends.
    pub results: [u64; ALL_RESULTS],
    /// The value that the steps work on.
    pub value: [u64; 2],
    /// The error that was noted: an interface.
    pub error: [u64; 2],
    /// The context that was noted: an interface.
    pub context: [u64; 2],
    /// The object that was noted.
    pub object: u64,
    /// The carrier that was noted: the address of a map.
    pub carrier: u64,
    /// Where the stack pointer was at the first instruction of the function where the operation began; at its end only.
    pub frame: u64,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time: u64,
    /// The number of the next step.
    pub next: u64,
    /// Behind the number of the last.
    pub end: u64,
    /// 1 where a condition does not hold.
    pub refused: u64,
    /// The first words of the goroutine's `g`.
    pub g: [u64; G_WORDS],
}

/// Nothing yet.
pub const NO_EVALUATION: Evaluation = Evaluation {
    registers: [0; ALL_REGISTERS],
    stack_pointer: 0,
    results: [0; ALL_RESULTS],
    value: [0; 2],
    error: [0; 2],
    context: [0; 2],
    object: 0,
    carrier: 0,
    frame: 0,
    time: 0,
    next: 0,
    end: 0,
    refused: 0,
    g: [0; G_WORDS],
};

impl Evaluation {
    /// At a probe with these registers; `nothing` is zero.
    #[inline(always)]
    pub(super) fn begin(&mut self, registers: &Registers, nothing: u64) {
        for (copy, register) in self.registers.iter_mut().zip(registers.integers) {
            *copy = register;
        }
        self.stack_pointer = registers.stack_pointer;
        self.value = [nothing; 2];
        self.error = [nothing; 2];
        self.context = [nothing; 2];
        self.object = nothing;
        self.carrier = nothing;
        self.refused = nothing;
    }
}
