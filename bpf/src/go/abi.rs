//! Go's internal ABI: which registers hold what (<https://go.dev/s/regabi>).

use crate::target::Memory;

/// General-purpose registers, as the processor numbers them. amd64: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15; arm64:
/// R0 to R30.
pub const REGISTERS: usize = if ARM64 { 31 } else { 16 };
/// The registers of integer arguments and results, in this order. amd64: RAX RBX RCX RDI RSI R8 R9 R10 R11; arm64: R0 to R15.
pub const INTEGERS: [usize; INTEGER_COUNT] = if ARM64 {
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
} else {
    [0, 3, 1, 7, 6, 8, 9, 10, 11, 0, 0, 0, 0, 0, 0, 0]
};
/// How many of [`INTEGERS`] there are, on arm64.
const INTEGER_COUNT: usize = 16;
/// The running goroutine, `*runtime.g`: R14, or R28.
pub const GOROUTINE: usize = if ARM64 { 28 } else { 14 };
/// The frame pointer: RBP, or R29.
pub const FRAME_POINTER: usize = if ARM64 { 29 } else { 5 };
/// The return address at a function's entry, on arm64: R30.
const LINK: usize = 30;

/// For arm64. (The BPF target itself has no registers of the application's.)
pub const ARM64: bool = cfg!(any(target_arch = "aarch64", bpf_target_arch = "aarch64"));

/// The general-purpose registers at a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// By the processor's numbers.
    pub integers: [u64; REGISTERS],
    /// RSP or SP.
    pub stack_pointer: u64,
    /// RFLAGS; not used on arm64.
    pub flags: u64,
}

impl Registers {
    /// The integer argument with this number, from 0: nine on amd64, 16 on arm64.
    #[inline(always)]
    #[must_use]
    pub const fn argument(&self, number: usize) -> u64 {
        self.integers[INTEGERS[number]]
    }

    /// The return address, at a function's entry (behind the stack check of amd64, which leaves it on top of the stack); 0 where it
    /// cannot be read.
    #[inline(always)]
    #[must_use]
    pub fn return_address<M: Memory>(&self, memory: &M) -> u64 {
        if ARM64 { self.integers[LINK % REGISTERS] } else { memory.read_or_zero(self.stack_pointer) }
    }

    /// The address of the running goroutine's `runtime.g`.
    #[inline(always)]
    #[must_use]
    pub const fn goroutine(&self) -> u64 {
        self.integers[GOROUTINE]
    }
}

#[cfg(any(test, feature = "fake"))]
impl Registers {
    /// At the entry of a function with these integer arguments, called on this goroutine.
    #[must_use]
    pub fn calling(arguments: &[u64], goroutine: u64) -> Self {
        let mut registers = Self::default();
        for (number, argument) in arguments.iter().enumerate() {
            registers.integers[INTEGERS[number]] = *argument;
        }
        registers.integers[GOROUTINE] = goroutine;
        registers
    }
}
