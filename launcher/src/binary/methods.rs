//! The types of methods, from the method tables of their receivers' types: the parameters and results of a function exactly, in
//! stripped programs too.
//!
//! A table has an entry for each method, {name, type, two entries of code}, as offsets. What the linker found unreachable has 0
//! or -1 instead. (`internal/abi/type.go`, `Method`, `FuncType`)

use super::bytes::{i32_at, slice, u16_at};
use super::descriptor::{Descriptor, HEADER, TypeRegion};
use super::kind::Kind;
use super::{Function, GoBinary, VirtAddr};

/// In a function type's number of results: its last parameter is variadic.
const VARIADIC: u16 = 1 << 15;

/// What a function type consists of: the descriptors of the types of its parameters, without a receiver, and of its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncParts {
    /// In order.
    pub parameters: Vec<VirtAddr>,
    /// In order.
    pub results: Vec<VirtAddr>,
    /// Whether the last parameter, a slice, is variadic.
    pub is_variadic: bool,
}

impl GoBinary<'_> {
    /// The descriptor of the type that `function` has as a method, without its receiver, from the method table of the type whose
    /// descriptor is at `receiver`; `None` where that does not have it.
    #[must_use]
    pub fn method_type(&self, receiver: VirtAddr, function: &Function) -> Option<VirtAddr> {
        let entry = u32::try_from(function.entry.distance_from(self.module_data.text)?).ok()?;
        let region = self.type_region().ok()?;
        let descriptor = region.descriptor(region.offset(receiver.0)?)?;
        let found = region.method_bytes(&descriptor)?.as_chunks::<16>().0.iter().find_map(|method| {
            let offset = |at: usize| i32_at(method, at).and_then(|offset| u32::try_from(offset).ok());
            let is_it = [offset(8), offset(12)].contains(&Some(entry));
            offset(4).filter(|&offset| is_it && offset > 0)
        });
        Some(region.address(found?))
    }

    /// The descriptor of the type of pointers to the type whose descriptor is at `base`, if that one says so, as those of defined
    /// types do. Needs no walk over the types.
    #[must_use]
    pub fn pointer_to(&self, base: VirtAddr) -> Option<VirtAddr> {
        let region = self.type_region().ok()?;
        let pointer = region.descriptor(region.offset(base.0)?)?.pointer_to_this()?;
        region.descriptor(pointer).filter(|found| found.kind == Kind::Pointer).map(|_| region.address(pointer))
    }

    /// What the function type consists of whose descriptor is at `address`. Needs no walk over the types.
    #[must_use]
    pub fn func_parts(&self, address: VirtAddr) -> Option<FuncParts> {
        let region = self.type_region().ok()?;
        let descriptor = region.descriptor(region.offset(address.0)?).filter(|found| found.kind == Kind::Func)?;
        region.func_parts(&descriptor)
    }
}

impl<'a> TypeRegion<'_, 'a> {
    /// The numbers of parameters and results of a function type.
    pub(super) fn func_counts(&self, descriptor: &Descriptor) -> Option<(u16, u16)> {
        let bytes = self.from(u64::from(descriptor.offset) + HEADER)?;
        Some((u16_at(bytes, 0)?, u16_at(bytes, 2)? & !VARIADIC))
    }

    /// Whether the last parameter of a function type is variadic.
    fn is_variadic(&self, descriptor: &Descriptor) -> Option<bool> {
        Some(u16_at(self.from(u64::from(descriptor.offset) + HEADER)?, 2)? & VARIADIC != 0)
    }

    /// Where the pointers to the types of a function type's parameters and results are.
    pub(super) fn func_types(&self, descriptor: &Descriptor) -> u64 {
        u64::from(descriptor.offset) + HEADER + 8 + self.uncommon(descriptor).map_or(0, |_| 16)
    }

    /// The entries of the method table of a type, 16 bytes each.
    fn method_bytes(&self, descriptor: &Descriptor) -> Option<&'a [u8]> {
        let (methods, count) = self.methods(self.uncommon(descriptor)?)?;
        slice(self.data, methods, 16 * count)
    }

    fn func_parts(&self, descriptor: &Descriptor) -> Option<FuncParts> {
        let (parameters, results) = self.func_counts(descriptor)?;
        let first = self.func_types(descriptor);
        let types = |from: u64, count: u16| -> Option<Vec<VirtAddr>> {
            (0..u64::from(count)).map(|index| self.pointer(first + 8 * (from + index)).map(VirtAddr)).collect()
        };
        Some(FuncParts {
            parameters: types(0, parameters)?,
            results: types(parameters.into(), results)?,
            is_variadic: self.is_variadic(descriptor)?,
        })
    }
}
