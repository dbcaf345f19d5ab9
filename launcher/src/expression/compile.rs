//! Expressions into steps, by the places of a function's parameters and the program's types.

use bpf::config::operations::{RecipeStep, code};

use super::error::Unreadable;
use super::held::{Held, Steps, mask};
use super::parse::{Condition, Expression, Term};
use super::typed::{Type, Types};
use crate::binary::{GoBinary, Kind};
use crate::signature::{Assignment, Basic, GoType, Parameter, Placed, RECEIVER, Signature};

/// What the error that an operation has noted is called in expressions.
const ERROR: &str = "error";
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
type Value = (Type, Held);

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
            let value = if matches!(kind, ValueKind::Text | ValueKind::Value) { u64::from(capacity) } else { 0 };
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
            let value = scope.term(term, steps)?;
            let (last, kind) = scope.last(value, steps, term, true)?;
            if last != code::CAPTURE_WORD {
                return Err(Unreadable::NotOf { what: "a number", type_name: term.root().to_owned() });
            }
            Ok((RecipeStep { code: code::REQUIRE, value: condition.value, ..RecipeStep::default() }, kind))
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

    fn types(&self) -> Types<'_, '_> {
        Types(self.binary)
    }

    fn not_of(&self, what: &'static str, found: &Type) -> Unreadable {
        Unreadable::NotOf { what, type_name: self.types().name(found) }
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

    /// The steps to a term.
    fn term(&self, term: &Term, steps: &mut Steps) -> Result<Value, Unreadable> {
        let is_end = self.stage == Stage::End;
        let root = term.root();
        match term {
            Term::Name(name) => self.root(name, steps),
            Term::Field(inner, field) => {
                let value = self.term(inner, steps)?;
                self.field(value, field, steps, root)
            }
            Term::Assert(inner, asserted) => {
                let (found, held) = self.term(inner, steps)?;
                self.assert((found, held), asserted, steps, root)
            }
            Term::Element(inner, index) => {
                let value = self.term(inner, steps)?;
                self.element(value, *index, steps, root)
            }
            Term::Length(inner) => {
                let (found, held) = self.term(inner, steps)?;
                self.length(&found, held, steps, root)
            }
            Term::TypeOf(inner) => {
                let (found, held) = self.term(inner, steps)?;
                if self.types().kind(&found).is_none_or(|(kind, _)| kind != Kind::Interface) {
                    return Err(self.not_of("the dynamic type", &found));
                }
                steps.take_pair(&held, is_end, root)?;
                let is_empty = self.types().is_empty_interface(&found);
                steps.push(if is_empty { code::NOT_NIL } else { code::TYPE_OF }, 0, 0);
                Ok((Type::Written(GoType::Func("type".to_owned())), Held::Word))
            }
            Term::ErrorText(inner) => {
                let (found, held) = self.term(inner, steps)?;
                let is_interface = self.types().kind(&found).is_some_and(|(kind, _)| kind == Kind::Interface);
                if is_interface { Ok((found, held)) } else { Err(self.not_of("the text", &found)) }
            }
        }
    }

    /// A parameter, a result, or what was noted.
    fn root(&self, name: &str, steps: &mut Steps) -> Result<Value, Unreadable> {
        let Self { signature, assignment, stage, .. } = self;
        if name == ERROR {
            steps.push(code::ERROR, 0, 0);
            return Ok((Type::Written(GoType::Interface { is_empty: false }), Held::Pair));
        }
        let is_receiver = |receiver: &&Parameter| name == RECEIVER || receiver.name.as_deref().is_some_and(|own| own == name);
        if let Some(receiver) = signature.receiver.as_ref().filter(is_receiver) {
            if *stage == Stage::End {
                steps.push(code::OBJECT, 0, 0);
                return Ok((self.types().of(&receiver.go_type)?, Held::Word));
            }
            let placed = assignment.receiver.as_ref().ok_or_else(|| Unreadable::NoPlace(name.to_owned()))?;
            return self.placed(name, receiver, placed);
        }
        let named = |(_, (one, _)): &(usize, (&Parameter, &Placed))| one.name.as_deref() == Some(name);
        let parameter = signature.parameters.iter().zip(&assignment.parameters).enumerate().find(named);
        let is_result = |found: &(usize, (&Parameter, &Placed))| {
            named(found) || name.strip_prefix("result").and_then(|number| number.parse().ok()) == Some(found.0)
        };
        let result = signature.results.iter().zip(&assignment.results).enumerate().find(is_result);
        match (parameter, result, stage) {
            (Some((_, (one, placed))), _, Stage::Start) | (_, Some((_, (one, placed))), Stage::End) => {
                self.placed(name, one, placed)
            }
            (None, None, _) => Err(Unreadable::NoName(name.to_owned())),
            (Some(_), None, Stage::End) | (None, Some(_), Stage::Start) => Err(Unreadable::NotNow(name.to_owned())),
        }
    }

    fn placed(&self, name: &str, parameter: &Parameter, placed: &Placed) -> Result<Value, Unreadable> {
        if !placed.is_known || placed.words.is_empty() {
            return Err(Unreadable::NoPlace(name.to_owned()));
        }
        Ok((self.types().of(&parameter.go_type)?, Held::Placed(placed.words.clone())))
    }

    fn field(&self, (found, held): Value, name: &str, steps: &mut Steps, root: &str) -> Result<Value, Unreadable> {
        let is_end = self.stage == Stage::End;
        let types = self.types();
        let (structure, mut held) = match types.kind(&found) {
            Some((Kind::Pointer, _)) => {
                steps.take_word(&held, is_end, root)?;
                (types.element(&found)?, Held::At(0))
            }
            Some((Kind::Struct, _)) => (found, held),
            _ => return Err(self.not_of("a field", &found)),
        };
        let mut current = structure.clone();
        for (number, step) in types.field(&structure, name)?.into_iter().enumerate() {
            if number > 0 {
                // What the embedded pointer points to.
                steps.take_word(&held, is_end, root)?;
                held = Held::At(0);
            }
            held = match held {
                Held::Placed(words) => {
                    let (_, size) = types.kind(&step.field_type).ok_or_else(|| self.not_of("a field", &structure))?;
                    let range = step.offset..step.offset.saturating_add(size);
                    Held::Placed(words.into_iter().filter(|word| range.contains(&word.offset)).collect())
                }
                Held::At(offset) => Held::At(offset.saturating_add(step.offset)),
                Held::Word | Held::Pair => return Err(self.not_of("a field", &structure)),
            };
            current = step.field_type;
        }
        Ok((current, held))
    }

    fn assert(&self, (found, held): Value, asserted: &str, steps: &mut Steps, root: &str) -> Result<Value, Unreadable> {
        let types = self.types();
        if types.kind(&found).is_none_or(|(kind, _)| kind != Kind::Interface) {
            return Err(self.not_of("a type assertion", &found));
        }
        let written =
            GoType::parse(&self.signature.package, asserted).map_err(|_error| Unreadable::NoType(asserted.to_owned()))?;
        let descriptor = types.descriptor(&written)?;
        steps.take_pair(&held, self.stage == Stage::End, root)?;
        let is_empty = types.is_empty_interface(&found);
        if is_empty {
            steps.push(code::ASSERT_ANY, 0, descriptor.0);
        } else {
            steps.push(code::ASSERT, types.table(&found, descriptor), descriptor.0);
        }
        let held = match types.kind(&Type::Described(descriptor)) {
            Some((Kind::Pointer | Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer, _)) => Held::Word,
            // A struct of nothing but a pointer is held itself (`cmd/compile/internal/types.IsDirectIface`).
            Some((Kind::Struct, 8)) => return Err(Unreadable::NotOf { what: "the value", type_name: asserted.to_owned() }),
            Some(_) => Held::At(0),
            None => return Err(Unreadable::NoType(asserted.to_owned())),
        };
        Ok((Type::Described(descriptor), held))
    }

    fn element(&self, (found, held): Value, index: u64, steps: &mut Steps, root: &str) -> Result<Value, Unreadable> {
        let types = self.types();
        let unknown = || self.not_of("an element", &found);
        let element = types.element(&found).map_err(|_other| unknown())?;
        let (_, size) = types.kind(&element).ok_or_else(unknown)?;
        match (types.kind(&found), held) {
            (Some((Kind::Slice, _)), held) => {
                steps.take_pair(&held, self.stage == Stage::End, root)?;
                steps.push(code::INDEX, u32::try_from(size).map_err(|_large| unknown())?, index);
                Ok((element, Held::At(0)))
            }
            (Some((Kind::Array, _)), Held::At(offset)) => {
                if types.length(&found).is_none_or(|length| index >= length) {
                    return Err(Unreadable::Beyond(index));
                }
                Ok((element, Held::At(offset.saturating_add(index.saturating_mul(size)))))
            }
            _ => Err(unknown()),
        }
    }

    fn length(&self, found: &Type, held: Held, steps: &mut Steps, root: &str) -> Result<Value, Unreadable> {
        let number = Type::Written(GoType::Basic(Basic::Int));
        match (self.types().kind(found).map(|(kind, _)| kind), held) {
            (Some(Kind::Slice | Kind::String), Held::At(offset)) => Ok((number, Held::At(offset.saturating_add(8)))),
            (Some(Kind::Slice | Kind::String), Held::Placed(words)) => {
                Ok((number, Held::Placed(words.get(1..2).unwrap_or_default().to_vec())))
            }
            (Some(Kind::Slice | Kind::String), Held::Word | Held::Pair) => {
                steps.push(code::SECOND, 0, 0);
                Ok((number, Held::Word))
            }
            // Both begin with it: `internal/runtime/maps.Map.used`, `runtime.hmap.count`, `runtime.hchan.qcount`.
            (Some(Kind::Map | Kind::Chan), held) => {
                steps.take_word(&held, self.stage == Stage::End, root)?;
                Ok((number, Held::At(0)))
            }
            _ => Err(self.not_of("the length", found)),
        }
    }

    /// The last steps before a value is captured; the code that captures it, and what it is. A pointer to what can be captured counts
    /// as that.
    fn last(&self, (found, held): Value, steps: &mut Steps, term: &Term, follow: bool) -> Result<(u16, ValueKind), Unreadable> {
        let is_end = self.stage == Stage::End;
        let root = term.root();
        if matches!(term, Term::TypeOf(_)) {
            return Ok((code::CAPTURE_WORD, ValueKind::Type));
        }
        let types = self.types();
        let (kind, size) = types.kind(&found).ok_or_else(|| self.not_of("the value", &found))?;
        let bytes = u8::try_from(size).unwrap_or(8);
        let number = |steps: &mut Steps, value_kind: ValueKind| {
            steps.take_word(&held, is_end, root)?;
            if bytes < 8 {
                steps.push(code::MASK, 0, mask(bytes));
            }
            Ok((code::CAPTURE_WORD, value_kind))
        };
        match kind {
            Kind::Bool => number(steps, ValueKind::Bool),
            Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                number(steps, ValueKind::Integer { bytes, is_signed: true })
            }
            Kind::Uint | Kind::Uint8 | Kind::Uint16 | Kind::Uint32 | Kind::Uint64 | Kind::Uintptr => {
                number(steps, ValueKind::Integer { bytes, is_signed: false })
            }
            Kind::Float32 | Kind::Float64 => number(steps, ValueKind::Float { bytes }),
            Kind::String => {
                steps.take_pair(&held, is_end, root)?;
                Ok((code::CAPTURE_TEXT, ValueKind::Text))
            }
            Kind::Slice if types.element(&found).is_ok_and(|one| types.kind(&one) == Some((Kind::Uint8, 1))) => {
                steps.take_pair(&held, is_end, root)?;
                Ok((code::CAPTURE_TEXT, ValueKind::Text))
            }
            Kind::Interface => {
                steps.take_pair(&held, is_end, root)?;
                let is_empty = types.is_empty_interface(&found);
                Ok((if is_empty { code::CAPTURE_ANY } else { code::CAPTURE_VALUE }, ValueKind::Value))
            }
            Kind::Pointer if follow => {
                steps.take_word(&held, is_end, root)?;
                self.last((types.element(&found)?, Held::At(0)), steps, term, false)
            }
            Kind::Pointer
            | Kind::Slice
            | Kind::Complex64
            | Kind::Complex128
            | Kind::Array
            | Kind::Chan
            | Kind::Func
            | Kind::Map
            | Kind::Struct
            | Kind::UnsafePointer => Err(self.not_of("the value", &found)),
        }
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
