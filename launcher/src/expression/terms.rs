//! Terms into steps: where the value of each is, and how its parts are reached.

use bpf::config::operations::code;

use super::compile::{Scope, Stage, Value, ValueKind};
use super::error::Unreadable;
use super::held::{Held, Steps, mask};
use super::parse::Term;
use super::typed::{Type, Types};
use crate::binary::Kind;
use crate::signature::{Basic, GoType, Parameter, Placed, RECEIVER};

/// What the error that an operation has noted is called in expressions.
const ERROR: &str = "error";
/// What the request that is served is called, where an annotation is about that. No parameter has this name.
pub const SERVED: &str = "\0served";

impl Scope<'_, '_> {
    pub(super) fn types(&self) -> Types<'_, '_> {
        Types(self.binary)
    }

    pub(super) fn not_of(&self, what: &'static str, found: &Type) -> Unreadable {
        Unreadable::NotOf { what, type_name: self.types().name(found) }
    }

    /// The steps to a term.
    pub(super) fn term(&self, term: &Term, steps: &mut Steps) -> Result<Value, Unreadable> {
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
            Term::Elements(inner, _) => {
                let (found, _) = self.term(inner, steps)?;
                Err(self.not_of("several elements", &found))
            }
            Term::Data(inner) => {
                let (found, held) = self.term(inner, steps)?;
                self.data(&found, held)
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
        if name == SERVED {
            steps.push(code::OBJECT, 0, 0);
            let request = GoType::Named { package: Some("net/http".to_owned()), name: "Request".to_owned() };
            return Ok((Type::Written(GoType::Pointer(Box::new(request))), Held::Word));
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

    /// The address of a string's bytes is its first word.
    fn data(&self, found: &Type, held: Held) -> Result<Value, Unreadable> {
        if self.types().kind(found).is_none_or(|(kind, _)| kind != Kind::String) {
            return Err(self.not_of("the place", found));
        }
        // One word is taken, whatever comes behind it.
        let held = if matches!(held, Held::Pair) { Held::Word } else { held };
        Ok((Type::Written(GoType::Basic(Basic::Uintptr)), held))
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

    /// The word that is 0 where a value is `nil`.
    pub(super) fn address(&self, found: &Type, held: &Held, steps: &mut Steps, term: &Term) -> Result<(), Unreadable> {
        use Kind::{Chan, Func, Interface, Map, Pointer, Slice, UnsafePointer};
        let kind = self.types().kind(found).map(|(kind, _)| kind);
        if !matches!(kind, Some(Pointer | Map | Chan | Func | UnsafePointer | Interface | Slice)) {
            return Err(self.not_of("`nil`", found));
        }
        steps.take_word(held, self.stage == Stage::End, term.root())
    }

    /// The last steps before a value is captured; the code that captures it, and what it is. A pointer to what can be captured counts
    /// as that.
    pub(super) fn last(
        &self,
        (found, held): Value,
        steps: &mut Steps,
        term: &Term,
        follow: bool,
    ) -> Result<(u16, ValueKind), Unreadable> {
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
                let is_address = types.name(&found) == "net.IP";
                Ok((code::CAPTURE_TEXT, if is_address { ValueKind::Address } else { ValueKind::Text }))
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
