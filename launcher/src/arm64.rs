//! Instructions of arm64 into machine code, which is put together for one address. (For amd64 `iced_x86` does that.)
//!
//! Encodings are those of the "Arm Architecture Reference Manual for A-profile", C6.2. Registers have 64 bits where nothing else is said.

pub(crate) mod instructions;

/// A general register by its number, X0 to X30; 31 is the stack pointer or zero, as each instruction has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) u32);

/// Zero, and where what nobody wants goes.
pub(crate) const ZERO: Register = Register(31);

/// Conditions by their codes (C1.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `EQ`.
    Equal = 0,
    /// `NE`.
    NotEqual = 1,
    /// `LO`, unsigned.
    Lower = 3,
    /// `HI`, unsigned.
    Higher = 8,
    /// `LT`, signed.
    Less = 11,
}

/// An instruction that goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    /// `B`.
    Always,
    /// `BL`.
    Call,
    /// `B.cond`.
    If(Condition),
    /// `CBZ`.
    IfZero(Register),
    /// `CBNZ`.
    IfNotZero(Register),
    /// `TBZ`, of one of the lower 32 bits.
    IfBitIsZero(Register, u32),
}

impl Branch {
    /// The instruction at `from` that leads to `to`, if it reaches.
    pub(crate) fn word(self, from: u64, to: u64) -> Option<u32> {
        // What the instruction is besides its distance, which has this many bits, in units of four bytes, from this bit on.
        let (opcode, bits, first) = match self {
            Self::Always => (0x1400_0000, 26, 0),
            Self::Call => (0x9400_0000, 26, 0),
            Self::If(condition) => (0x5400_0000 | condition as u32, 19, 5),
            Self::IfZero(register) => (0xb400_0000 | register.0, 19, 5),
            Self::IfNotZero(register) => (0xb500_0000 | register.0, 19, 5),
            Self::IfBitIsZero(register, bit) => (0x3600_0000 | bit << 19 | register.0, 14, 5),
        };
        let distance = to.wrapping_sub(from).cast_signed();
        let words = i32::try_from(distance >> 2).ok()?;
        let reaches = distance.trailing_zeros() >= 2 && (-(1 << (bits - 1))..1 << (bits - 1)).contains(&words);
        reaches.then_some(opcode | (words.cast_unsigned() & ((1 << bits) - 1)) << first)
    }
}

/// A place in the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(usize);

/// A branch does not reach this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no branch reaches {0:#x}")]
pub(crate) struct OutOfReach(pub(crate) u64);

/// Instructions one behind the other.
#[derive(Debug)]
pub(crate) struct Assembler {
    begin: u64,
    words: Vec<u32>,
    /// Where labels are.
    labels: Vec<u64>,
    /// Words that are still to become branches.
    branches: Vec<(usize, Branch, Label)>,
}

impl Assembler {
    /// For code that begins at this address.
    pub(crate) const fn new(begin: u64) -> Self {
        Self { begin, words: Vec::new(), labels: Vec::new(), branches: Vec::new() }
    }

    fn here(&self) -> u64 {
        self.begin.wrapping_add(4 * self.words.len() as u64)
    }

    /// The next instruction.
    pub(crate) fn push(&mut self, word: u32) {
        self.words.push(word);
    }

    /// The next instructions.
    pub(crate) fn extend(&mut self, words: impl IntoIterator<Item = u32>) {
        self.words.extend(words);
    }

    /// Loads a constant.
    pub(crate) fn load_constant(&mut self, to: Register, value: u64) {
        const MOVZ: u32 = 0xd280_0000;
        const MOVK: u32 = 0xf280_0000;
        let parts = (0..).zip([value, value >> 16, value >> 32, value >> 48]).map(|(part, bits)| (part, bits & 0xffff));
        let mut opcode = MOVZ;
        for (part, bits) in parts.filter(|(part, bits)| *bits != 0 || (value == 0 && *part == 0)) {
            #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
            let bits = bits as u32;
            self.push(opcode | part << 21 | bits << 5 | to.0);
            opcode = MOVK;
        }
    }

    /// A place that is still to come: a branch leads there from before it.
    pub(crate) fn label(&mut self) -> Label {
        // Nothing reaches there.
        self.labels.push(u64::MAX);
        Label(self.labels.len() - 1)
    }

    /// The place has come.
    pub(crate) fn place(&mut self, label: Label) {
        let here = self.here();
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = here;
        }
    }

    /// A branch within the code.
    pub(crate) fn branch(&mut self, branch: Branch, to: Label) {
        self.branches.push((self.words.len(), branch, to));
        self.push(0);
    }

    /// A branch to an address.
    ///
    /// # Errors
    /// Where it does not reach.
    pub(crate) fn leave(&mut self, branch: Branch, to: u64) -> Result<(), OutOfReach> {
        let word = branch.word(self.here(), to).ok_or(OutOfReach(to))?;
        self.push(word);
        Ok(())
    }

    /// The code.
    ///
    /// # Errors
    /// Where a branch does not reach.
    pub(crate) fn assemble(mut self) -> Result<Vec<u8>, OutOfReach> {
        for (index, branch, label) in self.branches {
            let to = self.labels.get(label.0).copied().unwrap_or(u64::MAX);
            let word = branch.word(self.begin.wrapping_add(4 * index as u64), to).ok_or(OutOfReach(to))?;
            if let Some(place) = self.words.get_mut(index) {
                *place = word;
            }
        }
        Ok(self.words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }
}

#[cfg(test)]
mod tests;
