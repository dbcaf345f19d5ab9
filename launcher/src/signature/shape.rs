//! What of a type the calling convention and the argument information see: its words, and what holds them together.

/// More nodes than this are not made of one type: a limit for damaged files.
pub(super) const MAX_NODES: usize = 4096;
/// Words of one value whose places are told.
const MAX_WORDS: usize = 256;

/// A type, reduced to words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number, a boolean, or a pointer of any kind, maps, channels and functions too.
    Word {
        /// In bytes: 1, 2, 4 or 8.
        size: u8,
        /// Whether it comes in a floating-point register.
        is_float: bool,
    },
    /// A complex number of this many bytes.
    Complex(u8),
    /// An interface or a string: two words.
    Pair,
    /// A slice: three words.
    Triple,
    /// The fields, blank ones too.
    Struct(Vec<Shape>),
    /// So many elements.
    Array(u64, Box<Shape>),
}

/// A word within a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) offset: u64,
    pub(super) size: u8,
    pub(super) is_float: bool,
}

/// The lowest multiple of `align` that is not below `offset`.
pub(super) fn align_up(offset: u64, align: u64) -> u64 {
    offset.checked_next_multiple_of(align.max(1)).unwrap_or(u64::MAX)
}

impl Shape {
    /// A pointer, or what is one word of that size.
    pub const POINTER: Self = Self::Word { size: 8, is_float: false };

    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Word { size, .. } | Self::Complex(size) => u64::from(*size),
            Self::Pair => 16,
            Self::Triple => 24,
            Self::Array(len, element) => len.saturating_mul(element.size()),
            Self::Struct(fields) => {
                let mut end = 0;
                let _ = each_field(fields, |_, _, behind| {
                    end = behind;
                    true
                });
                // So that a pointer to the last field does not point behind the struct.
                if end > 0 && fields.last().is_some_and(|last| last.size() == 0) {
                    end = end.saturating_add(1);
                }
                align_up(end, self.align())
            }
        }
    }

    /// In bytes.
    #[must_use]
    pub fn align(&self) -> u64 {
        match self {
            Self::Word { size, .. } => u64::from(*size),
            Self::Complex(size) => u64::from(*size / 2),
            Self::Pair | Self::Triple => 8,
            Self::Array(_, element) => element.align(),
            Self::Struct(fields) => fields.iter().map(Self::align).max().unwrap_or(1),
        }
    }

    /// Whether it may come in registers, if there are enough: whether no array in it has several elements.
    pub(super) fn fits_registers(&self) -> bool {
        match self {
            Self::Word { .. } | Self::Complex(_) | Self::Pair | Self::Triple => true,
            Self::Array(len, element) => *len == 0 || (*len == 1 && element.fits_registers()),
            Self::Struct(fields) => fields.iter().all(Self::fits_registers),
        }
    }

    /// The words in order, at most the first [`MAX_WORDS`] of them.
    pub(super) fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.add_leaves(0, &mut leaves);
        leaves
    }

    /// Returns whether there may be more.
    fn add_leaves(&self, offset: u64, leaves: &mut Vec<Leaf>) -> bool {
        let mut add = |count: u64, size: u8, is_float: bool| {
            let offsets = (0..count).map(|index| offset.saturating_add(index * u64::from(size)));
            leaves.extend(offsets.map(|offset| Leaf { offset, size, is_float }));
        };
        match self {
            Self::Word { size, is_float } => add(1, *size, *is_float),
            Self::Complex(size) => add(2, *size / 2, true),
            Self::Pair => add(2, 8, false),
            Self::Triple => add(3, 8, false),
            Self::Struct(fields) => {
                return each_field(fields, |field, at, _| field.add_leaves(offset.saturating_add(at), leaves));
            }
            Self::Array(_, element) if element.size() == 0 => {}
            Self::Array(len, element) => {
                let offsets = (0..*len).map(|index| offset.saturating_add(index.saturating_mul(element.size())));
                for offset in offsets {
                    if !element.add_leaves(offset, leaves) {
                        return false;
                    }
                }
            }
        }
        leaves.truncate(MAX_WORDS);
        leaves.len() < MAX_WORDS
    }
}

/// Visits each field with its offset and the offset behind it, until `visit` returns false; whether it never did.
pub(super) fn each_field<'f>(fields: &'f [Shape], mut visit: impl FnMut(&'f Shape, u64, u64) -> bool) -> bool {
    let mut end = 0_u64;
    fields.iter().all(|field| {
        let at = align_up(end, field.align());
        end = at.saturating_add(field.size());
        visit(field, at, end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: Shape = Shape::POINTER;
    const BYTE: Shape = Shape::Word { size: 1, is_float: false };
    const EMPTY: Shape = Shape::Struct(Vec::new());

    fn array(len: u64, element: Shape) -> Shape {
        Shape::Array(len, Box::new(element))
    }

    #[test]
    fn structs_are_padded() {
        let mixed = Shape::Struct(vec![BYTE, INT, BYTE]);
        assert_eq!((mixed.size(), mixed.align()), (24, 8));
        assert_eq!(mixed.leaves().iter().map(|leaf| leaf.offset).collect::<Vec<_>>(), [0, 8, 16]);
        assert_eq!((EMPTY.size(), EMPTY.align()), (0, 1));
        assert_eq!(Shape::Struct(vec![EMPTY, array(0, INT)]).size(), 0);
        // A last field of no size has an address within the struct.
        assert_eq!(Shape::Struct(vec![INT, EMPTY]).size(), 16);
        assert_eq!(Shape::Struct(vec![BYTE, EMPTY]).size(), 2);
        assert_eq!(Shape::Struct(vec![BYTE, array(0, INT)]).size(), 16);
        assert_eq!(Shape::Struct(vec![EMPTY, INT]).size(), 8);
    }

    #[test]
    fn arrays_of_several_come_on_the_stack() {
        assert!(array(0, array(2, INT)).fits_registers());
        assert!(array(1, array(1, INT)).fits_registers());
        assert!(!array(1, array(2, INT)).fits_registers());
        assert!(!Shape::Struct(vec![INT, array(2, EMPTY)]).fits_registers());
        assert!(Shape::Struct(vec![Shape::Pair, Shape::Triple, Shape::Complex(8)]).fits_registers());
    }

    #[test]
    fn large_values_end() {
        assert_eq!(array(u64::MAX, INT).size(), u64::MAX);
        assert_eq!(array(u64::MAX, INT).leaves().len(), MAX_WORDS);
        assert_eq!(array(u64::MAX, EMPTY).leaves(), []);
        assert_eq!(array(u64::MAX, Shape::Struct(vec![array(0, INT)])).leaves(), []);
        assert_eq!(Shape::Struct(vec![array(u64::MAX, INT), BYTE, array(9, INT)]).leaves().len(), MAX_WORDS);
        assert_eq!(array(100, Shape::Triple).leaves().len(), MAX_WORDS);
    }
}
