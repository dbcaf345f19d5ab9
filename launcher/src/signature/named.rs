//! Defined types that come by value: what they consist of, from the program's type descriptors.

use super::shape::{MAX_NODES, Shape};
use crate::binary::{DefinedType, GoBinary, Kind, TypeParts, VirtAddr};

/// Types within types are looked up to this depth.
const MAX_DEPTH: usize = 32;

/// Knows defined types.
pub trait NamedTypes {
    /// What the type `name` consists of; `None` where it is not known, or several types of different shapes are meant.
    ///
    /// `package` is an import path, or the last element of one, or a package's name; `None` for what is predeclared. Type
    /// arguments belong to the name, spelled as the program spells them.
    fn shape(&self, package: Option<&str>, name: &str) -> Option<Shape>;
}

/// By the full import path where there is a type of it; else all packages of that name must agree.
impl NamedTypes for GoBinary<'_> {
    fn shape(&self, package: Option<&str>, name: &str) -> Option<Shape> {
        let package = package.unwrap_or_default();
        let found = self.defined_types(name).ok()?;
        let exact: Vec<_> = found.iter().filter(|defined| defined.path == package).collect();
        let meant = if exact.is_empty() { found.iter().filter(|one| is_of_package(one, package)).collect() } else { exact };
        let mut shapes = meant.into_iter().map(|defined| shape_at(self, defined.address));
        let first = shapes.next()??;
        shapes.all(|shape| shape.as_ref() == Some(&first)).then_some(first)
    }
}

/// Whether `defined` is of the package that a text calls `package`: by import path, the last element of one, or name.
pub(super) fn is_of_package(defined: &DefinedType<'_>, package: &str) -> bool {
    let DefinedType { path, package: name, .. } = *defined;
    path == package || (!package.is_empty() && (name == package || path.rsplit('/').next() == Some(package)))
}

/// The shape of the type whose descriptor is at `address`.
pub(super) fn shape_at(binary: &GoBinary<'_>, address: VirtAddr) -> Option<Shape> {
    shape(binary, address, &mut MAX_NODES.clone(), 0)
}

fn shape(binary: &GoBinary<'_>, address: VirtAddr, left: &mut usize, depth: usize) -> Option<Shape> {
    (depth < MAX_DEPTH).then_some(())?;
    *left = left.checked_sub(1)?;
    let TypeParts { kind, size, elements, len } = binary.type_parts(address)?;
    let word =
        |is_float| Some(Shape::Word { size: u8::try_from(size).ok().filter(|size| matches!(size, 1 | 2 | 4 | 8))?, is_float });
    let found = match kind {
        Kind::Bool
        | Kind::Int
        | Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint
        | Kind::Uint8
        | Kind::Uint16
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Uintptr
        | Kind::Chan
        | Kind::Func
        | Kind::Map
        | Kind::Pointer
        | Kind::UnsafePointer => word(false)?,
        Kind::Float32 | Kind::Float64 => word(true)?,
        Kind::Complex64 => Shape::Complex(8),
        Kind::Complex128 => Shape::Complex(16),
        Kind::Interface | Kind::String => Shape::Pair,
        Kind::Slice => Shape::Triple,
        Kind::Array => Shape::Array(len, Box::new(shape(binary, *elements.first()?, left, depth + 1)?)),
        Kind::Struct => {
            let fields = elements.into_iter().map(|field| shape(binary, field, left, depth + 1));
            Shape::Struct(fields.collect::<Option<_>>()?)
        }
    };
    // Else it is not laid out by the rules.
    (found.size() == size).then_some(found)
}
