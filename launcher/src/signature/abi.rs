//! Go's calling convention: where the words of each parameter and result are (`src/cmd/compile/abi-internal.md`).
//!
//! The same for Go 1.18 to 1.27. A value comes in registers as a whole or not at all. What comes on the stack has its place from
//! [`Place::Stack`]'s base; what comes in registers has one there too, where the function may save it.

use super::shape::{Shape, align_up};
use crate::binary::{Architecture, ArgInfo};

/// Where the words of each value are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Of a method.
    pub receiver: Option<Placed>,
    /// In order.
    pub parameters: Vec<Placed>,
    /// In order.
    pub results: Vec<Placed>,
    /// The size of the area for all of this on the stack, as [`crate::binary::Function::args`] states it.
    pub args: u32,
    /// What [`crate::binary::GoBinary::arg_info`] must say of the function.
    pub arg_info: ArgInfo,
}

/// Where a value is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// In order, at most the first 256. None where it is not known.
    pub words: Vec<Word>,
    /// In bytes.
    pub size: u64,
    /// Whether the places are known. They are not where the program does not describe the type of this value or of one before
    /// it, or describes it so that it could be one of several.
    pub is_known: bool,
    /// Where the function may save it, or where it came; zero for a result in registers.
    pub(super) home: u64,
}

impl Placed {
    /// It is where the function may save it.
    pub fn keep(&mut self) {
        for word in &mut self.words {
            word.place = Place::Stack(u32::try_from(self.home.saturating_add(word.offset)).unwrap_or(u32::MAX));
        }
    }
}

/// A word of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// From the start of the value.
    pub offset: u64,
    /// In bytes: 1, 2, 4 or 8. What is above these in a register is undefined.
    pub size: u8,
    /// Whether it is floating-point.
    pub is_float: bool,
    /// Where it is.
    pub place: Place,
}

/// Where a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The n-th integer register of the convention, from 0: RAX, RBX, RCX, RDI, RSI, R8 to R11; R0 to R15.
    Integer(u8),
    /// The n-th floating-point register: X0 to X14; F0 to F15.
    Float(u8),
    /// A variable of the function itself, where its results are before it returns: bytes from the stack pointer at its first instruction.
    Local(i32),
    /// Bytes from what is the stack pointer plus 8 at the first instruction and at `RET`, on either processor.
    Stack(u32),
}

/// The shapes of all values.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    pub(super) receiver: Option<Shape>,
    /// Whether the function is generic: its dictionary comes before the parameters, and its name has type arguments.
    pub(super) has_dictionary: bool,
    pub(super) parameters: Vec<Shape>,
    pub(super) results: Vec<Shape>,
}

impl Shapes {
    /// What comes in, in order.
    pub(super) fn incoming(&self) -> impl Iterator<Item = &Shape> {
        let dictionary = self.has_dictionary.then_some(&Shape::POINTER);
        self.receiver.iter().chain(dictionary).chain(&self.parameters)
    }

    /// `None` where the area is larger than its size can state.
    pub(super) fn assign(&self, architecture: Architecture) -> Option<Assignment> {
        let registers = Registers::of(architecture);
        let mut area = Area { registers, integers: 0, floats: 0, slots: 0, spill: 0 };
        let mut incoming: Vec<(Placed, bool)> = self.incoming().map(|shape| area.place(shape)).collect();
        area.slots = align_up(area.slots, 8);
        area = Area { integers: 0, floats: 0, ..area };
        let spill = align_up(area.spill, 8);
        let results = self.results.iter().map(|shape| match area.place(shape) {
            (placed, true) => Placed { home: 0, ..placed },
            (placed, false) => placed,
        });
        let results = results.collect();
        let slots = align_up(area.slots, 8);
        for (placed, is_in_registers) in &mut incoming {
            if *is_in_registers {
                placed.home = placed.home.saturating_add(slots);
            }
        }
        let args = u32::try_from(slots.checked_add(spill)?).ok()?;
        let mut placed = incoming.into_iter().map(|(placed, _)| placed);
        let homes: Vec<u64> = placed.clone().map(|placed| placed.home).collect();
        // In functions whose name has a bracket, whatever comes first is left out.
        let told = homes.into_iter().zip(self.incoming()).skip(usize::from(self.has_dictionary));
        let arg_info = super::expected::arg_info(told);
        let receiver = self.receiver.as_ref().and_then(|_| placed.next());
        if self.has_dictionary {
            placed.next();
        }
        Some(Assignment { receiver, parameters: placed.collect(), results, args, arg_info })
    }
}

/// How many registers there are.
#[derive(Clone, Copy, Debug)]
struct Registers {
    integers: usize,
    floats: usize,
}

impl Registers {
    fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Amd64 => Self { integers: 9, floats: 15 },
            Architecture::Arm64 => Self { integers: 16, floats: 16 },
        }
    }
}

/// What has been given away.
#[derive(Clone, Copy, Debug)]
struct Area {
    registers: Registers,
    integers: usize,
    floats: usize,
    /// Bytes of parameters and results on the stack.
    slots: u64,
    /// Bytes to save those in registers.
    spill: u64,
}

impl Area {
    /// Places the next value, and says whether it is in registers: its home is then from the start of where those are saved.
    fn place(&mut self, shape: &Shape) -> (Placed, bool) {
        let (size, leaves) = (shape.size(), shape.leaves());
        let floats = leaves.iter().filter(|leaf| leaf.is_float).count();
        let integers = leaves.len() - floats;
        let Registers { integers: most, floats: most_floats } = self.registers;
        let fits = self.integers + integers <= most && self.floats + floats <= most_floats;
        let is_in_registers = size > 0 && fits && shape.fits_registers();
        let end = if is_in_registers { &mut self.spill } else { &mut self.slots };
        let home = align_up(*end, shape.align());
        *end = home.saturating_add(size);
        let words = leaves.into_iter().map(|leaf| {
            let place = if is_in_registers { self.next_register(leaf.is_float) } else { stack(home, leaf.offset) };
            Word { offset: leaf.offset, size: leaf.size, is_float: leaf.is_float, place }
        });
        (Placed { words: words.collect(), size, is_known: true, home }, is_in_registers)
    }

    fn next_register(&mut self, is_float: bool) -> Place {
        let next = if is_float { &mut self.floats } else { &mut self.integers };
        let number = u8::try_from(*next).unwrap_or(u8::MAX);
        *next += 1;
        if is_float { Place::Float(number) } else { Place::Integer(number) }
    }
}

/// An area whose size can be stated has no place that cannot.
fn stack(slot: u64, offset: u64) -> Place {
    Place::Stack(u32::try_from(slot.saturating_add(offset)).unwrap_or(u32::MAX))
}
