//! Where the parameters of a function lie, as its funcdata says for tracebacks (`FUNCDATA_ArgInfo`), in stripped programs too.
//!
//! The receiver comes first; results are not in it. A parameter that comes in registers has the place where the function may
//! spill it. The compiler stops at ten components and five levels. In functions whose name has a `[` it leaves the first
//! parameter out, whatever that is. (`cmd/compile/internal/ssagen/ssa.go`, `EmitArgInfo`; `internal/abi/type.go`, `TraceArgs…`)

use super::bytes::u8_at;

/// From here on bytes are operators.
const FIRST_OPERATOR: u8 = 0xf0;
/// `abi.TraceArgsMaxLen`: no function has more.
const MAX_LEN: usize = (5 * 3 + 2) * 10 + 1;

/// One part of an [`ArgInfo`], in the order in which the compiler writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgPart {
    /// A word of a parameter.
    Word {
        /// From the start of the area for parameters and results.
        offset: u8,
        /// In bytes: 1, 2, 4 or 8.
        size: u8,
    },
    /// A word whose offset is 0xf0 or higher.
    FarWord,
    /// A string, slice, interface, complex number, struct or array begins.
    Open,
    /// It ends.
    Close,
    /// There is more: of what is open, or, where nothing is, of the parameters.
    More,
}

/// The parts of all parameters; none where a function has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgInfo(pub Vec<ArgPart>);

impl ArgInfo {
    /// Reads up to the mark at the end; `None` where there is none, or a byte means nothing.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < MAX_LEN {
            let (part, len) = match u8_at(bytes, at)? {
                0xff => return Some(Self(parts)),
                0xfe => (ArgPart::Open, 1),
                0xfd => (ArgPart::Close, 1),
                0xfc => (ArgPart::More, 1),
                0xfb => (ArgPart::FarWord, 1),
                offset @ ..FIRST_OPERATOR => (ArgPart::Word { offset, size: u8_at(bytes, at + 1)? }, 2),
                FIRST_OPERATOR..=0xfa => return None,
            };
            parts.push(part);
            at += len;
        }
        None
    }

    /// Offset and size of each word that is near enough to be told.
    pub fn words(&self) -> impl Iterator<Item = (u8, u8)> {
        self.0.iter().filter_map(|part| match *part {
            ArgPart::Word { offset, size } => Some((offset, size)),
            ArgPart::FarWord | ArgPart::Open | ArgPart::Close | ArgPart::More => None,
        })
    }

    /// Whether it tells of every word of every parameter.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.0.iter().any(|part| matches!(part, ArgPart::FarWord | ArgPart::More))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_brackets() {
        // A pointer, a string, a bool.
        let info = ArgInfo::read(&[0, 8, 0xfe, 8, 8, 16, 8, 0xfd, 24, 1, 0xff, 7]).unwrap();
        assert_eq!(info.words().collect::<Vec<_>>(), [(0, 8), (8, 8), (16, 8), (24, 1)]);
        assert_eq!(info.0.get(1), Some(&ArgPart::Open));
        assert!(info.is_complete());
        let cut = ArgInfo::read(&[0, 8, 0xfb, 0xfc, 0xff]).unwrap();
        assert!(!cut.is_complete());
        assert_eq!(cut.0, [ArgPart::Word { offset: 0, size: 8 }, ArgPart::FarWord, ArgPart::More]);
        assert_eq!(ArgInfo::read(&[0xff]), Some(ArgInfo::default()));
    }

    #[test]
    fn what_does_not_end_is_none() {
        assert_eq!(ArgInfo::read(&[]), None);
        assert_eq!(ArgInfo::read(&[0]), None);
        assert_eq!(ArgInfo::read(&[0, 8]), None);
        assert_eq!(ArgInfo::read(&[0xf3, 0xff]), None);
        assert_eq!(ArgInfo::read(&[0; 10_000]), None);
    }
}
