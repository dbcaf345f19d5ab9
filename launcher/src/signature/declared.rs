//! The exact types of a method's parameters and results, where a method table has them; and a declaration held against them.
//!
//! In two methods of three of a real program. What has another name in the text than in the program passes where it may be an
//! alias, or stand in a package that the text's file imports under another name.

use super::go_type::{Basic, GoType};
use super::named::{is_of_package, shape_at};
use super::resolve::Values;
use super::shape::Shape;
use super::{Parameter, Signature};
use crate::binary::{DefinedType, FuncParts, Function, GoBinary, Kind, TypeParts, VirtAddr};

/// Types within types are compared to this depth.
const MAX_DEPTH: usize = 16;

/// The types of a method, and the program that has it.
#[derive(Clone, Debug)]
pub(super) struct Declared<'b, 'a> {
    binary: &'b GoBinary<'a>,
    parts: FuncParts,
}

/// The declaration that the program has of `function`, in the form of [`Signature::parse_full`], without names of parameters;
/// `None` where no method table has it.
#[must_use]
pub fn true_signature(binary: &GoBinary<'_>, function: &Function) -> Option<String> {
    // The name alone tells the receiver.
    let named = Signature::parse_full(&format!("{}()", function.name)).ok()?;
    Declared::of(binary, function, &named)?.text(&function.name)
}

impl<'b, 'a> Declared<'b, 'a> {
    /// Of a method, if the table of its receiver's type has it.
    pub(super) fn of(binary: &'b GoBinary<'a>, function: &Function, signature: &Signature) -> Option<Self> {
        let receiver = &signature.receiver.as_ref()?.go_type;
        let (base, is_pointer) = if let GoType::Pointer(base) = receiver { (&**base, true) } else { (receiver, false) };
        let GoType::Named { name, package: _ } = base else { return None };
        let types = binary.defined_types(name).ok()?;
        let mut types = types.iter().filter(|defined| defined.path == signature.package).map(|defined| defined.address);
        let method_type = types.find_map(|address| {
            let receiver = if is_pointer { binary.pointer_to(address)? } else { address };
            binary.method_type(receiver, function)
        });
        Some(Self { binary, parts: binary.func_parts(method_type?)? })
    }

    /// See [`true_signature`].
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let FuncParts { parameters, results, is_variadic } = &self.parts;
        let names = |types: &[VirtAddr]| -> Option<Vec<String>> {
            let name = |address: &VirtAddr| Some(self.binary.type_name_at(*address)?.replace("interface {}", "any"));
            types.iter().map(name).collect()
        };
        let mut parameters = names(parameters)?;
        if let Some(last) = parameters.last_mut().filter(|_| *is_variadic) {
            *last = format!("...{}", last.strip_prefix("[]")?);
        }
        let results = match names(results)?.as_slice() {
            [] => String::new(),
            [one] => format!(" {one}"),
            several => format!(" ({})", several.join(", ")),
        };
        Some(format!("{name}({}){results}", parameters.join(", ")))
    }

    /// Whether `signature` has these types.
    pub(super) fn agrees(&self, signature: &Signature) -> bool {
        let same = |texts: &[Parameter], types: &[VirtAddr]| {
            let mut pairs = texts.iter().zip(types);
            texts.len() == types.len()
                && pairs.all(|(text, address)| self.is_same(&text.go_type, *address, &signature.package, 0))
        };
        same(&signature.parameters, &self.parts.parameters) && same(&signature.results, &self.parts.results)
    }

    /// What is not known of `values`, which are as many.
    pub(super) fn complete(&self, values: &mut Values) {
        let complete = |values: &mut [Result<Shape, String>], types: &[VirtAddr]| {
            for (value, address) in values.iter_mut().zip(types) {
                if value.is_err()
                    && let Some(shape) = shape_at(self.binary, *address)
                {
                    *value = Ok(shape);
                }
            }
        };
        complete(&mut values.parameters, &self.parts.parameters);
        complete(&mut values.results, &self.parts.results);
    }

    /// Whether `text`, in a declaration of the package `own`, is the type whose descriptor is at `address`.
    fn is_same(&self, text: &GoType, address: VirtAddr, own: &str, depth: usize) -> bool {
        let Some(TypeParts { kind, elements, len, size: _ }) = self.binary.type_parts(address).filter(|_| depth < MAX_DEPTH)
        else {
            return true;
        };
        let defined = self.binary.defined_type_at(address);
        let is_unnamed = defined.is_none();
        let is_predeclared = defined.as_ref().is_some_and(|defined| defined.path.is_empty());
        let all_same = |texts: &[&GoType]| {
            let mut pairs = texts.iter().zip(&elements);
            texts.len() == elements.len() && pairs.all(|(text, address)| self.is_same(text, *address, own, depth + 1))
        };
        match text {
            GoType::Basic(Basic::UnsafePointer) => kind == Kind::UnsafePointer,
            GoType::Basic(basic) => is_predeclared && defined.is_some_and(|defined| defined.name == basic.name()),
            GoType::Pointer(element) => kind == Kind::Pointer && is_unnamed && all_same(&[element]),
            GoType::Slice(element) => kind == Kind::Slice && is_unnamed && all_same(&[element]),
            GoType::Array(count, element) => kind == Kind::Array && is_unnamed && len == *count && all_same(&[element]),
            GoType::Map(key, element) => kind == Kind::Map && is_unnamed && all_same(&[key, element]),
            GoType::Chan(element) => kind == Kind::Chan && is_unnamed && all_same(&[element]),
            GoType::Func(_) => kind == Kind::Func && is_unnamed,
            GoType::Struct(fields) => kind == Kind::Struct && is_unnamed && fields.len() == elements.len(),
            GoType::Interface { is_empty } => {
                kind == Kind::Interface && (is_unnamed || is_predeclared) && *is_empty == (len == 0)
            }
            GoType::Named { package: None, name: _ } => true,
            GoType::Named { package: Some(package), name } => {
                let base = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
                let is_name = |defined: DefinedType<'_>| {
                    base(defined.name) == base(name) && (package != own || is_of_package(&defined, package))
                };
                defined.is_some_and(is_name) || self.may_be(package, name, address)
            }
        }
    }

    /// Whether what a text calls so may be the type at `address`, which has another name: an alias, of which there is no
    /// descriptor, or a type of a package that has another name in the text.
    fn may_be(&self, package: &str, name: &str, address: VirtAddr) -> bool {
        let found = self.binary.defined_types(name).unwrap_or_default();
        if found.iter().any(|defined| defined.path == package) {
            return false;
        }
        let shape = shape_at(self.binary, address);
        let mut meant = found.iter().filter(|defined| is_of_package(defined, package)).peekable();
        meant.peek().is_none() || meant.any(|defined| shape_at(self.binary, defined.address) == shape)
    }
}
