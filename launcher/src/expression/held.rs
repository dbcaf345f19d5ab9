//! Where the value of a term is while its steps are made: in registers still, in the interpreter's two words, or in memory.

use bpf::config::MAX_RESULTS;
use bpf::config::operations::{RecipeStep, code};

use super::error::Unreadable;
use crate::signature::{Place, Word};
use bpf::go::abi::INTEGERS;

/// A value, as far as the steps have come.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// Nothing was done yet: the words of a parameter or result.
    Placed(Vec<Word>),
    /// The first word is the value.
    Word,
    /// Both words are the value, or its first two.
    Pair,
    /// The value lies this many bytes behind the address in the first word.
    At(u64),
}

/// The steps of one alternative.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps(pub(super) Vec<RecipeStep>);

impl Steps {
    pub(super) fn push(&mut self, code: u16, argument: u32, value: u64) {
        self.0.push(RecipeStep { code, skip: 0, argument, value });
    }

    /// The words of a parameter (or, at the end, of a result) become the interpreter's.
    fn take_placed(&mut self, words: &[Word], is_end: bool, name: &str) -> Result<Held, Unreadable> {
        let held = if words.len() == 1 { Held::Word } else { Held::Pair };
        let first = words.first().ok_or_else(|| Unreadable::NoPlace(name.to_owned()))?;
        let mask = mask(first.size);
        match (first.place, words.get(1).map(|word| word.place)) {
            (Place::Float(_), _) | (_, Some(Place::Float(_))) => return Err(Unreadable::Float(name.to_owned())),
            (Place::Local(offset), _) => {
                self.push(code::FRAME, 0, i64::from(offset).cast_unsigned());
                if first.size < 8 {
                    self.push(code::MASK, 0, mask);
                }
            }
            (Place::Stack(_), _) if is_end => return Err(Unreadable::OnStack(name.to_owned())),
            (Place::Stack(offset), _) => {
                // The stack pointer is at the return address there.
                self.push(code::STACK, 0, u64::from(offset) + 8);
                if first.size < 8 {
                    self.push(code::MASK, 0, mask);
                }
            }
            (Place::Integer(first), second) => {
                let second = match second {
                    Some(Place::Integer(second)) => second,
                    Some(Place::Float(_) | Place::Stack(_) | Place::Local(_)) | None => first,
                };
                if is_end && usize::from(first.max(second)) >= MAX_RESULTS {
                    return Err(Unreadable::BeyondResults(name.to_owned()));
                }
                let numbers = if is_end { [u32::from(first), u32::from(second)] } else { [register(first), register(second)] };
                let [first, second] = numbers;
                self.push(if is_end { code::RESULTS } else { code::REGISTERS }, first | second << 8, mask);
            }
        }
        Ok(held)
    }

    /// The value, which is one word (or of which only the first counts), becomes the first word.
    pub(super) fn take_word(&mut self, held: &Held, is_end: bool, name: &str) -> Result<(), Unreadable> {
        match held {
            Held::Placed(words) => self.take_placed(words.get(..1).unwrap_or_default(), is_end, name).map(|_held| ()),
            Held::Word | Held::Pair => Ok(()),
            Held::At(offset) => {
                self.push(code::LOAD, 0, *offset);
                Ok(())
            }
        }
    }

    /// The value, or its first two words, become the interpreter's.
    pub(super) fn take_pair(&mut self, held: &Held, is_end: bool, name: &str) -> Result<(), Unreadable> {
        match held {
            Held::Placed(words) => self.take_placed(words, is_end, name).map(|_held| ()),
            Held::Word | Held::Pair => Ok(()),
            Held::At(offset) => {
                self.push(code::LOAD_PAIR, 0, *offset);
                Ok(())
            }
        }
    }
}

/// The bits of a word of so many bytes.
pub(super) const fn mask(size: u8) -> u64 {
    if size >= 8 { u64::MAX } else { (1 << (size as u32 * 8)) - 1 }
}

/// The processor's number of an integer register of the convention.
fn register(number: u8) -> u32 {
    INTEGERS.get(usize::from(number)).and_then(|&number| u32::try_from(number).ok()).unwrap_or(0)
}
