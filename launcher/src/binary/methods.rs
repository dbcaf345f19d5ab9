//! The types of methods, from the method tables of their receivers' types: the parameters and results of a function exactly, in
//! stripped programs too.
//!
//! A table has an entry for each method, {name, type, two entries of code}, as offsets. What the linker found unreachable has 0
//! or -1 instead. (`internal/abi/type.go`, `Method`, `FuncType`)

use super::bytes::{i32_at, slice, u16_at};
use super::descriptor::{Descriptor, HEADER, TypeRegion};
use super::kind::Kind;
use super::types::Types;
use super::{BinaryError, Function, GoBinary, VirtAddr};

/// In a function type's number of results: its last parameter is variadic.
const VARIADIC: u16 = 1 << 15;

/// The types of methods by their entries: offsets in the text and among the types.
#[derive(Clone, Debug, Default)]
pub(super) struct MethodTypes(Vec<(u32, u32)>);

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

impl MethodTypes {
    pub(super) fn new(types: &Types<'_, '_>) -> Self {
        let mut all = Vec::new();
        for descriptor in types.descriptors() {
            // An interface's methods have no code.
            let methods = types.region.method_bytes(&descriptor).unwrap_or_default();
            for method in methods.as_chunks::<16>().0 {
                let offset =
                    |at: usize| i32_at(method, at).and_then(|offset| u32::try_from(offset).ok()).filter(|&offset| offset > 0);
                if let Some(method_type) = offset(4) {
                    all.extend([offset(8), offset(12)].into_iter().flatten().map(|entry| (entry, method_type)));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// The type of the function whose entry is there; `None` where it is not known, or there are several.
    fn of(&self, entry: u32) -> Option<u32> {
        let start = self.0.partition_point(|&(other, _)| other < entry);
        let mut found = self.0.get(start..)?.iter().take_while(|&&(other, _)| other == entry);
        let &(_, method_type) = found.next()?;
        found.next().is_none().then_some(method_type)
    }
}

impl GoBinary<'_> {
    /// The descriptor of the type that `function` has as a method, without its receiver; `None` where no method table has it, as
    /// for all that are not methods. The first question reads all tables.
    ///
    /// # Errors
    /// The program's type descriptors cannot be read at all.
    pub fn method_type(&self, function: &Function) -> Result<Option<VirtAddr>, BinaryError> {
        let entry = function.entry.distance_from(self.module_data.text).and_then(|entry| u32::try_from(entry).ok());
        self.with_types(|types| {
            let methods = self.method_types.get_or_init(|| MethodTypes::new(types));
            Some(types.region.address(methods.of(entry?)?))
        })
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
