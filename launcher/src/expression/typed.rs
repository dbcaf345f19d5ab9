//! Types of expressions: as a declaration writes them, or as the program describes them.

use super::error::Unreadable;
use crate::binary::{GoBinary, Kind, VirtAddr};
use crate::signature::{Basic, GoType};

/// A type.
#[derive(Clone, Debug)]
pub(super) enum Type {
    /// Its descriptor.
    Described(VirtAddr),
    /// What a declaration says; never a defined type.
    Written(GoType),
}

/// A field of a struct, perhaps of an embedded one.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// From the start of the struct.
    pub(super) offset: u64,
    /// Its type.
    pub(super) field_type: Type,
}

/// Embedded structs are looked into to this depth.
const MAX_EMBEDDED: u32 = 6;

/// The program's types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Types<'b, 'a>(pub(super) &'b GoBinary<'a>);

impl Types<'_, '_> {
    /// The type that a declaration means.
    pub(super) fn of(self, written: &GoType) -> Result<Type, Unreadable> {
        let GoType::Named { package, name } = written else {
            return Ok(Type::Written(written.clone()));
        };
        self.defined(package.as_deref().unwrap_or_default(), name).map(Type::Described)
    }

    /// The descriptor of a defined type; the package is an import path, its last element, or the package's name.
    fn defined(self, package: &str, name: &str) -> Result<VirtAddr, Unreadable> {
        let full = || if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") };
        let found = self.0.defined_types(name).unwrap_or_default();
        if let Some(exact) = found.iter().find(|one| one.path == package) {
            return Ok(exact.address);
        }
        let is_meant = |one: &&crate::binary::DefinedType<'_>| {
            !package.is_empty() && (one.package == package || one.path.rsplit('/').next() == Some(package))
        };
        let mut meant = found.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(one), None) => Ok(one.address),
            (Some(_), Some(_)) => Err(Unreadable::Several(full())),
            (None, _) => Err(Unreadable::NoType(full())),
        }
    }

    /// The descriptor of a type that is written: a defined or a basic one, or a pointer to one.
    pub(super) fn descriptor(self, written: &GoType) -> Result<VirtAddr, Unreadable> {
        let unknown = || Unreadable::NoType(written.to_string());
        match written {
            GoType::Named { package, name } => self.defined(package.as_deref().unwrap_or_default(), name),
            GoType::Basic(basic) => self.defined("", basic.name()),
            GoType::Pointer(element) => {
                let element = self.descriptor(element)?;
                self.0.pointer_to(element).ok_or_else(unknown)
            }
            GoType::Slice(_)
            | GoType::Array(..)
            | GoType::Map(..)
            | GoType::Chan(_)
            | GoType::Func(_)
            | GoType::Interface { .. }
            | GoType::Struct(_) => {
                let found = self.0.type_named(&written.to_string());
                found.ok().flatten().ok_or_else(unknown)
            }
        }
    }

    /// What kind it is, and how large; no size where it does not matter.
    pub(super) fn kind(self, one: &Type) -> Option<(Kind, u64)> {
        match one {
            Type::Described(address) => self.0.kind_at(*address),
            Type::Written(written) => Some(match written {
                GoType::Basic(basic) => kind_of(*basic),
                GoType::Pointer(_) => (Kind::Pointer, 8),
                GoType::Slice(_) => (Kind::Slice, 24),
                GoType::Array(length, element) => {
                    let (_, size) = self.kind(&self.of(element).ok()?)?;
                    (Kind::Array, size.checked_mul(*length)?)
                }
                GoType::Map(..) => (Kind::Map, 8),
                GoType::Chan(_) => (Kind::Chan, 8),
                GoType::Func(_) => (Kind::Func, 8),
                GoType::Interface { .. } => (Kind::Interface, 16),
                GoType::Struct(_) | GoType::Named { .. } => return None,
            }),
        }
    }

    /// What it is called.
    pub(super) fn name(self, one: &Type) -> String {
        match one {
            Type::Described(address) => self.0.type_name_at(*address).unwrap_or_else(|| "?".to_owned()),
            Type::Written(written) => written.to_string(),
        }
    }

    /// Whether an interface type has no methods.
    pub(super) fn is_empty_interface(self, one: &Type) -> bool {
        match one {
            Type::Described(address) => self.0.method_count(*address) == Some(0),
            Type::Written(written) => matches!(written, GoType::Interface { is_empty: true }),
        }
    }

    /// How far the table that the linker made for a type as this interface lies from the type's descriptor, a signed number; 0 where
    /// it made none.
    pub(super) fn table(self, interface: &Type, concrete: VirtAddr) -> u32 {
        let interface = match interface {
            Type::Described(address) => Some(*address),
            // Of predeclared ones it is the one with methods.
            Type::Written(_) => self.defined("", "error").ok(),
        };
        let table = interface.and_then(|interface| self.0.itab_at(concrete, interface).ok().flatten());
        let distance = table.map(|table| table.0.wrapping_sub(concrete.0).cast_signed());
        distance.and_then(|distance| i32::try_from(distance).ok()).map_or(0, i32::cast_unsigned)
    }

    /// What a pointer points to, or the elements of a slice or an array are.
    pub(super) fn element(self, one: &Type) -> Result<Type, Unreadable> {
        let unknown = || Unreadable::NoType(self.name(one));
        match one {
            Type::Described(address) => self.0.element_of(*address).map(Type::Described).ok_or_else(unknown),
            Type::Written(GoType::Pointer(element) | GoType::Slice(element) | GoType::Array(_, element)) => self.of(element),
            Type::Written(_) => Err(unknown()),
        }
    }

    /// The number of elements of an array.
    pub(super) fn length(self, one: &Type) -> Option<u64> {
        match one {
            Type::Described(address) => self.0.array_length(*address),
            Type::Written(GoType::Array(length, _)) => Some(*length),
            Type::Written(_) => None,
        }
    }

    /// The way to the field of a struct: more than one step leads through embedded pointers. The shallowest counts, as in Go.
    pub(super) fn field(self, one: &Type, name: &str) -> Result<Vec<Step>, Unreadable> {
        let Type::Described(address) = one else {
            return Err(Unreadable::NotOf { what: "a field", type_name: self.name(one) });
        };
        let found = (0..=MAX_EMBEDDED).find_map(|depth| self.promoted(*address, name, depth));
        found.ok_or_else(|| Unreadable::NoField { type_name: self.name(one), field: name.to_owned() })
    }

    /// The same for a field exactly so deep.
    fn promoted(self, address: VirtAddr, name: &str, depth: u32) -> Option<Vec<Step>> {
        let fields = self.0.fields_at(address);
        if depth == 0 {
            let field = fields.into_iter().find(|field| field.name == name)?;
            return Some(vec![Step { offset: field.offset, field_type: Type::Described(field.type_address) }]);
        }
        fields.into_iter().filter(|field| field.embedded).find_map(|field| {
            if field.kind == Kind::Struct {
                let mut way = self.promoted(field.type_address, name, depth - 1)?;
                let first = way.first_mut()?;
                first.offset = first.offset.checked_add(field.offset)?;
                return Some(way);
            }
            // Of an embedded interface there are methods only.
            let pointed = self.0.element_of(field.type_address).filter(|_| field.kind == Kind::Pointer)?;
            let mut way = vec![Step { offset: field.offset, field_type: Type::Described(field.type_address) }];
            way.extend(self.promoted(pointed, name, depth - 1)?);
            Some(way)
        })
    }
}

/// Kind and size of a predeclared type.
fn kind_of(basic: Basic) -> (Kind, u64) {
    match basic {
        Basic::Bool => (Kind::Bool, 1),
        Basic::Int => (Kind::Int, 8),
        Basic::Int8 => (Kind::Int8, 1),
        Basic::Int16 => (Kind::Int16, 2),
        Basic::Int32 => (Kind::Int32, 4),
        Basic::Int64 => (Kind::Int64, 8),
        Basic::Uint => (Kind::Uint, 8),
        Basic::Uint8 => (Kind::Uint8, 1),
        Basic::Uint16 => (Kind::Uint16, 2),
        Basic::Uint32 => (Kind::Uint32, 4),
        Basic::Uint64 => (Kind::Uint64, 8),
        Basic::Uintptr => (Kind::Uintptr, 8),
        Basic::Float32 => (Kind::Float32, 4),
        Basic::Float64 => (Kind::Float64, 8),
        Basic::Complex64 => (Kind::Complex64, 8),
        Basic::Complex128 => (Kind::Complex128, 16),
        Basic::String => (Kind::String, 16),
        Basic::UnsafePointer => (Kind::UnsafePointer, 8),
    }
}
