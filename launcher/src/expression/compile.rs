//! Expressions into steps, by the places of a function's parameters and the program's types.

use bpf::config::operations::{RecipeStep, code};

use super::error::Unreadable;
use super::held::{Held, Steps};
use super::parse::{Condition, Expression, Term};
use super::typed::Type;
use crate::binary::{GoBinary, Kind};
use crate::signature::{Assignment, GoType, Signature};

/// Steps of one expression, with all its alternatives.
const MAX_STEPS: usize = 256;

/// When an expression is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// When the function is called: its parameters are there.
    Start,
    /// When it returns: its results are there, and the receiver where that is the object that it ends.
    End,
}

/// What a captured value is, by which the launcher reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A string, or bytes.
    Text,
    /// An integer of so many bytes.
    Integer {
        /// 1, 2, 4 or 8.
        bytes: u8,
        /// Whether it may be negative.
        is_signed: bool,
    },
    /// A boolean.
    Bool,
    /// A floating-point number of so many bytes.
    Float {
        /// 4 or 8.
        bytes: u8,
    },
    /// The bytes of a `net.IP`.
    Address,
    /// The address of a type's descriptor.
    Type,
    /// What an interface holds: its type, three words of its data, and perhaps a text.
    Value,
}

/// An expression as steps.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The steps.
    pub steps: Vec<RecipeStep>,
    /// What they capture.
    pub kind: ValueKind,
}

/// The steps of all alternatives that this program has, each with what it leaves in the interpreter's words.
#[derive(Debug)]
pub struct Block {
    steps: Steps,
    last: RecipeStep,
    kind: ValueKind,
}

/// What expressions may speak of: a function, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'s, 'a> {
    /// The program.
    pub binary: &'s GoBinary<'a>,
    /// The function's declaration.
    pub signature: &'s Signature,
    /// Where its values are.
    pub assignment: &'s Assignment,
    /// When.
    pub stage: Stage,
}

/// A term, its type, and where it is.
pub(super) type Value = (Type, Held);

impl Scope<'_, '_> {
    /// Captures an expression under a number: of a text at most `capacity` bytes. Alternatives that this program has not are left
    /// out.
    ///
    /// # Errors
    /// Where it has none of them.
    pub fn capture(&self, expression: &Expression, number: u32, capacity: u32) -> Result<Captured, Unreadable> {
        let blocks = self.blocks(expression, |scope, term, steps| {
            let value = scope.term(term, steps)?;
            let (code, kind) = scope.last(value, steps, term, true)?;
            let value =
                if matches!(kind, ValueKind::Text | ValueKind::Address | ValueKind::Value) { u64::from(capacity) } else { 0 };
            Ok((RecipeStep { code, skip: 0, argument: number, value }, kind))
        })?;
        let kind = blocks.first().map_or(ValueKind::Text, |block| block.kind);
        Ok(Captured { steps: joined(blocks)?, kind })
    }

    /// Notes the interface that an expression is as the operation's context or error: `code` says which.
    ///
    /// # Errors
    /// Where it has none of the alternatives.
    pub fn note_interface(&self, expression: &Expression, code: u16) -> Result<Vec<RecipeStep>, Unreadable> {
        joined(self.blocks(expression, |scope, term, steps| {
            let (found, held) = scope.term(term, steps)?;
            if scope.types().kind(&found).is_none_or(|(kind, _)| kind != Kind::Interface) {
                return Err(scope.not_of("an interface", &found));
            }
            steps.take_pair(&held, scope.stage == Stage::End, term.root())?;
            // Of a nil one the next alternative is tried.
            steps.push(code::NOT_NIL, 0, 0);
            Ok((RecipeStep { code, ..RecipeStep::default() }, ValueKind::Value))
        })?)
    }

    /// Notes the pointer that an expression is, or the data of the interface, as the operation's object.
    ///
    /// # Errors
    /// Where it has none of the alternatives.
    pub fn note_object(&self, expression: &Expression) -> Result<Vec<RecipeStep>, Unreadable> {
        self.object(expression, RecipeStep { code: code::NOTE_OBJECT, ..RecipeStep::default() })
    }

    /// Notes the map that an expression is as the operation's carrier.
    ///
    /// # Errors
    /// Where it has none of the alternatives.
    pub fn note_carrier(&self, expression: &Expression) -> Result<Vec<RecipeStep>, Unreadable> {
        self.object(expression, RecipeStep { code: code::NOTE_CARRIER, ..RecipeStep::default() })
    }

    /// Captures the pointer that an expression is, or the data of the interface, under a number.
    ///
    /// # Errors
    /// Where it has none of the alternatives.
    pub fn capture_object(&self, expression: &Expression, number: u32) -> Result<Captured, Unreadable> {
        let last = RecipeStep { code: code::CAPTURE_WORD, argument: number, ..RecipeStep::default() };
        let kind = ValueKind::Integer { bytes: 8, is_signed: false };
        Ok(Captured { steps: self.object(expression, last)?, kind })
    }

    fn object(&self, expression: &Expression, last: RecipeStep) -> Result<Vec<RecipeStep>, Unreadable> {
        joined(self.blocks(expression, |scope, term, steps| {
            let (found, held) = scope.term(term, steps)?;
            let is_end = scope.stage == Stage::End;
            match scope.types().kind(&found).map(|(kind, _)| kind) {
                Some(Kind::Interface) => {
                    steps.take_pair(&held, is_end, term.root())?;
                    steps.push(code::SECOND, 0, 0);
                }
                Some(Kind::Pointer | Kind::Map | Kind::Chan | Kind::UnsafePointer) => {
                    steps.take_word(&held, is_end, term.root())?;
                }
                _ => return Err(scope.not_of("an object", &found)),
            }
            Ok((last, ValueKind::Type))
        })?)
    }

    /// The operation is none unless this holds.
    ///
    /// # Errors
    /// Where the program has none of the alternatives.
    pub fn require(&self, condition: &Condition) -> Result<Vec<RecipeStep>, Unreadable> {
        joined(self.blocks(&condition.expression, |scope, term, steps| {
            let (found, held) = scope.term(term, steps)?;
            let kind = if condition.is_nil {
                scope.address(&found, &held, steps, term)?;
                ValueKind::Type
            } else {
                let (last, kind) = scope.last((found, held), steps, term, true)?;
                if last != code::CAPTURE_WORD {
                    return Err(Unreadable::NotOf { what: "a number", type_name: term.root().to_owned() });
                }
                kind
            };
            let argument = u32::from(!condition.is_equal);
            Ok((RecipeStep { code: code::REQUIRE, skip: 0, argument, value: condition.value }, kind))
        })?)
    }

    /// If the noted error is of the type called `wrapper`: the error within it, in its field `field`, is noted instead.
    ///
    /// # Errors
    /// Where the program has no such type.
    pub fn unwrap_error(&self, wrapper: &GoType, field: &str) -> Result<Vec<RecipeStep>, Unreadable> {
        let types = self.types();
        let found = types.descriptor(wrapper)?;
        // An interface points to a struct that is in it by value, too: it has an interface within, so it is larger than a pointer.
        let is_pointer = matches!(wrapper, GoType::Pointer(_));
        let structure = if is_pointer { types.element(&Type::Described(found))? } else { Type::Described(found) };
        let way = types.field(&structure, field)?;
        let [step] = way.as_slice() else {
            return Err(self.not_of("a field", &structure));
        };
        let offset = u32::try_from(step.offset).map_err(|_far| Unreadable::TooLong)?;
        let mut steps = Steps::default();
        steps.push(code::ERROR, 0, 0);
        steps.push(code::UNWRAP, offset, found.0);
        steps.push(code::NOTE_ERROR, 0, 0);
        Ok(steps.0)
    }

    /// The blocks of those alternatives that the program has, all of one kind.
    fn blocks(
        &self,
        expression: &Expression,
        finish: impl Fn(&Self, &Term, &mut Steps) -> Result<(RecipeStep, ValueKind), Unreadable>,
    ) -> Result<Vec<Block>, Unreadable> {
        let (mut blocks, mut why) = (Vec::<Block>::new(), None);
        for term in &expression.alternatives {
            let mut steps = Steps::default();
            match finish(self, term, &mut steps) {
                Ok((last, kind)) if blocks.first().is_none_or(|first| first.kind == kind) => {
                    blocks.push(Block { steps, last, kind });
                }
                Ok(_) => {
                    why.get_or_insert(Unreadable::NotOf { what: "values of different kinds", type_name: term.root().to_owned() });
                }
                // That a function has other parameters is expected of alternatives: another reason says more.
                Err(other) if matches!(why, None | Some(Unreadable::NoName(_))) => why = Some(other),
                Err(_) => {}
            }
        }
        if blocks.is_empty() { Err(why.unwrap_or(Unreadable::TooLong)) } else { Ok(blocks) }
    }
}

/// Blocks one after the other: what fails goes on with the next one, what succeeds leaves the others out.
fn joined(blocks: Vec<Block>) -> Result<Vec<RecipeStep>, Unreadable> {
    let total: usize = blocks.iter().map(|block| block.steps.0.len() + 1).sum();
    if total > MAX_STEPS {
        return Err(Unreadable::TooLong);
    }
    let mut joined = Vec::with_capacity(total);
    for Block { steps, last, kind: _ } in blocks {
        let own = steps.0.len();
        for (number, step) in steps.0.into_iter().enumerate() {
            joined.push(RecipeStep { skip: u16::try_from(own - number).unwrap_or(u16::MAX), ..step });
        }
        let left = total - joined.len() - 1;
        joined.push(RecipeStep { skip: u16::try_from(left).unwrap_or(u16::MAX), ..last });
    }
    Ok(joined)
}
